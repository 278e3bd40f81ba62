"""Collections of a server, and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.records.items import Kind


class Collection(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A collection, as the list of all collections shows it."""

    rating_key: str
    library_key: str | None
    title: str
    title_sort: str | None
    summary: str | None
    item_kind: Kind | None
    """The kind of its members (Plex's ``subtype``)."""
    is_smart: bool
    """Its members are the results of a filter, not chosen one by one."""
    collection_sort: int | None
    """0: by release date, 1: by title, 2: in a custom order; None is the library's default."""
    thumb: str | None
    art: str | None
    child_count: int | None
    """The server's count, which ignores the limit of a smart collection's filter."""
    added_at: int | None
    updated_at: int | None


class CollectionMember(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An item in a collection; members are in the order in which the collection shows them."""

    rating_key: str
    kind: Kind
