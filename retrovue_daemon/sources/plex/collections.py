"""The collections of a server, and their members in the order in which a collection shows them.

A collection's ``index`` is the id of its tag; its ``ratingKey`` names it everywhere else. Members are listed page by
page: an empty collection is a page with a total of 0, never a page that failed.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote

from retrovue_daemon.errors import BadAnswer, RequestRefused
from retrovue_daemon.records import Collection, CollectionPage, Kind, Skipped
from retrovue_daemon.sources.plex.arguments import KEYS_ONLY
from retrovue_daemon.sources.plex.artwork import without_token
from retrovue_daemon.sources.plex.collection_structs import CollectionContainer
from retrovue_daemon.sources.plex.parse import Reader, parse_page

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from retrovue_daemon.records import Page
    from retrovue_daemon.sources.plex.collection_structs import CollectionEntry
    from retrovue_daemon.sources.plex.key_pages import KeyPages
    from retrovue_daemon.sources.plex.transport import Response, Transport, Turn

MOST_COLLECTIONS: Final = 50_000
"""Of a server; two thousand are many."""

MOST_MEMBERS: Final = 200_000
"""Of a collection."""

_PAGE: Final = 500
_COLLECTION: Final = "collection"
_KINDS: Final = frozenset(Kind)
_NOT_FOUND: Final = 404
_READER: Final = Reader(CollectionContainer)


class CollectionRequests:
    """Requests the collections of one server."""

    def __init__(self, pages: KeyPages, transport: Transport, turn: Turn, name: str) -> None:
        self._pages = pages
        self._transport = transport
        self._turn = turn
        self._name = name

    async def of_server(self) -> AsyncGenerator[CollectionPage, None]:
        """Yield the pages of the list of all libraries' collections. Raise PlexError.

        Raise BadAnswer if the list is of something else, or does not say where collections are: some servers ignore
        the type, or list only items.
        """
        async with aclosing(self._listed("/library/all", {"type": "18"})) as pages:
            async for page in pages:
                if page.skipped or any(each.library_key is None for each in page.collections):
                    raise BadAnswer(self._name, "the list of all collections holds other entries")
                yield page

    async def of_library(self, library_key: str) -> AsyncGenerator[CollectionPage, None]:
        """Yield the pages of the list of one library's collections. Raise PlexError."""
        path = f"/library/sections/{quote(library_key, safe='')}/collections"
        async with aclosing(self._listed(path, {}, library_key)) as pages:
            async for page in pages:
                yield page

    def members(self, rating_key: str) -> AsyncGenerator[Page, None]:
        """Yield the pages of a collection's members of any kind; what is no item is skipped. Raise PlexError."""
        path = f"/library/collections/{quote(rating_key, safe='')}/children"
        return self._pages.pages(path, KEYS_ONLY, parse_page, page_size=_PAGE, most_entries=MOST_MEMBERS)

    async def exists(self, rating_key: str) -> bool:
        """Return whether the server still has a collection. Raise PlexError without a readable response."""

        def read(response: Response) -> CollectionPage:
            return parse_collections(response.body, content_type=response.content_type, asked=1)

        try:
            page = await self._transport.get(
                f"/library/collections/{quote(rating_key, safe='')}", read, turn=self._turn
            )
        except RequestRefused as refusal:
            if refusal.status != _NOT_FOUND:
                raise
            return False
        return any(each.rating_key == rating_key for each in page.collections)

    async def _listed(
        self, path: str, arguments: dict[str, str], library_key: str | None = None
    ) -> AsyncGenerator[CollectionPage, None]:
        def parse(
            body: bytes, *, content_type: str = "", offset: int = 0, total: int | None = None, asked: int = _PAGE
        ) -> Page:
            return parse_collections(
                body, content_type=content_type, offset=offset, total=total, asked=asked, library_key=library_key
            )

        pages = self._pages.pages(path, arguments, parse, page_size=_PAGE, most_entries=MOST_COLLECTIONS)
        async with aclosing(pages):
            async for page in pages:
                # A page that the server cannot send has no collections, only the reason.
                yield page if isinstance(page, CollectionPage) else _unreadable(page)


def parse_collections(
    body: bytes,
    *,
    content_type: str = "",
    offset: int = 0,
    total: int | None = None,
    asked: int = _PAGE,
    library_key: str | None = None,
) -> CollectionPage:
    """Parse one page of a list of collections. Raise NotAMediaContainer.

    Those that do not name their library are in the one whose key is given.
    """
    page = parse_page(body, content_type=content_type, offset=offset, total=total, asked=asked)
    container = _READER.read(body, content_type, asked)
    shared = container.library_section_id if library_key is None else library_key
    found: dict[str, Collection] = {}
    skipped: list[Skipped] = []
    for entry in (*(container.directories or ()), *(container.entries or ())):
        key = None if entry.rating_key is None else str(entry.rating_key)
        if entry.type != _COLLECTION or not key:
            reason = f"type {entry.type!r}" if key else "no ratingKey"
            skipped.append(Skipped(key, entry.title, reason))
        else:
            found.setdefault(key, _collection(entry, key, shared))
    return CollectionPage(
        page.offset,
        page.total,
        page.entries,
        # The keys show whether the server pages the list.
        cast("tuple[()]", tuple(found.values())),
        tuple(skipped),
        size=page.size,
        collections=tuple(found.values()),
    )


def _collection(entry: CollectionEntry, key: str, shared: str | int | None) -> Collection:
    # Some servers list the collections of all libraries in the list of each.
    library = shared if entry.library_section_id is None else entry.library_section_id
    return Collection(
        key,
        None if library is None else str(library),
        entry.title or "",
        entry.title_sort or None,
        entry.summary or None,
        Kind(entry.subtype) if entry.subtype in _KINDS else None,
        bool(entry.smart),
        entry.collection_sort,
        without_token(entry.thumb),
        without_token(entry.art),
        entry.child_count,
        entry.added_at,
        entry.updated_at,
        entry.guid or None,
    )


def _unreadable(page: Page) -> CollectionPage:
    return CollectionPage(page.offset, page.total, page.entries, (), unreadable=page.unreadable)
