"""Collections of a server, and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.records.pages import Page

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
    guid: str | None = None
    """Plex's own id of the collection, which no other one ever has."""


class CollectionPage(Page, frozen=True):
    """One page of a list of collections; the entries that are no collections are ``skipped``."""

    collections: tuple[Collection, ...] = ()


class CollectionMember(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An item in a collection; members are in the order in which the collection shows them."""

    rating_key: str
    kind: Kind


class Label(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A label that items of a library have; ``key`` is what a listing is filtered by."""

    key: str
    name: str
