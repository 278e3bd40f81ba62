"""What a server's notification hints at: where to look. Nothing is stored or removed because of a hint alone."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Changed(msgspec.Struct, frozen=True):
    """An item was added or changed. ``library`` is the key of its library, None if the notification has none.

    ``settled`` is False while the server still works on the item: its last notification may never come.
    """

    rating_key: str
    library: str | None = None
    settled: bool = True


class Removed(msgspec.Struct, frozen=True):
    """An item is said to be gone."""

    rating_key: str
    library: str | None = None


class Refreshed(msgspec.Struct, frozen=True):
    """The server checked an item's files or pictures, mostly because a user opened it; it may have changed.

    ``likely`` means that the server found something, or that it misses a file.
    """

    rating_key: str
    likely: bool


class LibraryBusy(msgspec.Struct, frozen=True):
    """A scan of a library has begun or continues; ``library`` is often missing then."""

    scan: str
    library: str | None = None


class LibrarySettled(msgspec.Struct, frozen=True):
    """A scan has ended; None if the notification does not say of which library."""

    scan: str
    library: str | None = None


class ScanCompleted(msgspec.Struct, frozen=True):
    """A text says that a scan is complete. It names no library; an activity mostly says the same, and more."""


class MarkersMade(msgspec.Struct, frozen=True):
    """The server has looked for intros, credits or chapters of an item that it does not identify."""

    library: str | None = None


class CollectionChanged(msgspec.Struct, frozen=True):
    """A collection of a library was added, changed or removed."""

    library: str | None = None


Hint: TypeAlias = (
    Changed | Removed | Refreshed | LibraryBusy | LibrarySettled | ScanCompleted | MarkersMade | CollectionChanged
)
