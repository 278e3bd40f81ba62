"""The list of a server's collections: of all libraries at once or, if the server refuses that, of each library."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.errors import BadAnswer, RequestRefused, Unauthorized

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from retrovue_daemon.records import Collection, CollectionPage
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.store.tables.collections import StoredCollection

_REFUSALS: Final = frozenset({400, 404, 501})


class ListedCollections(msgspec.Struct):
    """What a server lists: the collections of synced libraries, each with the id of its library.

    ``keys`` are the rating keys of all collections, ``complete`` the ids of the libraries of which none is absent,
    ``refused`` the reasons of refusals by the key of the library.
    """

    collections: list[tuple[Collection, int]] = msgspec.field(default_factory=list)
    keys: set[str] = msgspec.field(default_factory=set)
    complete: set[int] = msgspec.field(default_factory=set)
    refused: dict[str, str] = msgspec.field(default_factory=dict)
    by_library: bool = False
    """The server lists its collections only so."""
    pages: int = 0

    def add(self, found: Mapping[str, Collection], libraries: Mapping[str, int]) -> None:
        """Add collections by rating key. A guid that several have names none of them."""
        guids = Counter(collection.guid for collection in found.values())
        self.keys |= found.keys()
        for collection in found.values():
            library_id = libraries.get(collection.library_key or "")
            if library_id is not None:
                guid = collection.guid if guids[collection.guid] == 1 else None
                self.collections.append((msgspec.structs.replace(collection, guid=guid), library_id))

    def lacks(self, row: StoredCollection) -> bool:
        """Return whether a collection is not listed although it should be."""
        return row.rating_key not in self.keys and row.library_id in self.complete and not row.is_missing

    def lacks_any(self, stored: Mapping[str, StoredCollection]) -> bool:
        """Return whether one of these is not listed, or its library is not any more."""
        return any(self.lacks(row) or (row.has_lost_library and not row.is_missing) for row in stored.values())


async def list_collections(
    client: PlexClient, libraries: Mapping[str, int], *, by_library: bool
) -> ListedCollections:
    """List the collections of these libraries (ids by key), each ``by_library`` or all at once. Raise PlexError."""
    listed = ListedCollections()
    if not by_library:
        try:
            found, is_complete = await _gather(client.collections.of_server(), listed)
        except (RequestRefused, BadAnswer) as error:
            if isinstance(error, RequestRefused) and error.status not in _REFUSALS:
                raise
        else:
            listed.add(found, libraries)
            listed.complete.update(libraries.values() if is_complete else ())
            return listed
    every: dict[str, Collection] = {}
    for key, library_id in libraries.items():
        try:
            found, is_complete = await _gather(client.collections.of_library(key), listed)
        except (RequestRefused, Unauthorized) as refusal:
            # Not every library need have such a list, or be shared with the token's user.
            listed.refused[key] = str(refusal)
        else:
            every |= found
            listed.complete.update((library_id,) if is_complete else ())
    listed.add(every, libraries)
    listed.by_library = len(listed.refused) < len(libraries)
    return listed


async def _gather(
    pages: AsyncGenerator[CollectionPage, None], listed: ListedCollections
) -> tuple[dict[str, Collection], bool]:
    """Return the collections of a list by rating key, and whether it is complete."""
    found: dict[str, Collection] = {}
    totals, is_whole = set[int | None](), True
    async with aclosing(pages):
        async for page in pages:
            listed.pages += 1
            totals.add(page.total)
            is_whole = is_whole and page.unreadable is None and not page.skipped
            found.update((each.rating_key, each) for each in page.collections)
    return found, is_whole and len(totals) == 1 and totals <= {len(found), None}
