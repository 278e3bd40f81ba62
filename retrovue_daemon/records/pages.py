"""One page of a listing or of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.records.items import Item, Show


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """An unusable entry of a listing, and why; with a rating key it still counts as listed."""

    rating_key: str | None
    title: str | None
    reason: str


class Page(msgspec.Struct, frozen=True):
    """One page of a listing.

    ``entries`` counts the raw entries of the response, usable or not: the next page starts at ``offset + entries``.
    ``total`` is the size of the whole listing, or None if the server does not state it.
    """

    offset: int
    total: int | None
    entries: int
    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...] = ()
    library_uuid: str | None = None
    size: int = 0
    """Bytes of the body."""
    unreadable: str | None = None
    """Why the server cannot send this entry, if it is the only one on the page."""
    mended: tuple[tuple[str, str], ...] = ()
    """The entries with lost values, by rating key: the names of the fields."""
    cut: tuple[tuple[str, str], ...] = ()
    """The entries with texts or lists that were too long, likewise."""


class FoundShow(msgspec.Struct, frozen=True):
    """A series found by a search over all libraries, with its library's key and title if the server states them."""

    show: Show
    library_key: str | None = None
    library: str | None = None


class FoundPage(msgspec.Struct, frozen=True):
    """One page of the response to such a search; ``entries`` and ``total`` are those of a Page."""

    shows: tuple[FoundShow, ...]
    entries: int
    total: int | None


class LocatedPage(msgspec.Struct, frozen=True):
    """Single items of any kind and library; ``libraries`` are the keys of their libraries, by rating key.

    A response that names the library of no entry is of one library, or of an unknown one.
    """

    page: Page
    libraries: dict[str, str]
