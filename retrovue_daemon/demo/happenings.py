"""What happens in a world, as values for those who listen to it: the server's notifications.

`changes`, `rich_changes` and the endpoints announce; `notifications` decides what a real server would send, which for
some happenings is nothing.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from retrovue_daemon.demo.items import Collection, Item  # noqa: TC001  # msgspec reads the annotations


class ItemsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Items of one library were added (parents first), edited or deleted, by a scan of the library or by hand."""

    library: str
    added: tuple[Item, ...] = ()
    edited: tuple[Item, ...] = ()
    deleted: tuple[Item, ...] = ()
    scanned: bool = False


class ScanStarted(msgspec.Struct, frozen=True):
    """A scan of a library started that lasts until `ScanFinished`."""

    library: str


class ScanFinished(msgspec.Struct, frozen=True):
    """The scan of a library ended."""

    library: str


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """An item's metadata was fetched again from its agent."""

    item: Item


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """An item's files, local metadata and analysis were checked, as when somebody opens the item.

    `accessible` and `exists` are about its files, `refreshed` and `analyzed` say whether the check changed something.
    """

    item: Item
    accessible: bool = True
    exists: bool = True
    refreshed: bool = False
    analyzed: bool = False


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A client requested the details of items, or the children of one; `skip_refresh` is what it asked for."""

    items: tuple[Item, ...]
    children: bool = False
    skip_refresh: bool = False


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """The server generated markers, loudness or previews of an item."""

    item: Item
    what: Literal["intros", "credits", "bif", "chapter.thumbs", "loudness", "voice.activity"]


class PosterChanged(msgspec.Struct, frozen=True):
    """An item got another poster."""

    item: Item


class CollectionChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A collection was created, edited or removed, or has other members."""

    collection: Collection
    deleted: bool = False


Happening = (
    ItemsChanged
    | ScanStarted
    | ScanFinished
    | Refreshed
    | Checked
    | Opened
    | Generated
    | PosterChanged
    | CollectionChanged
)
