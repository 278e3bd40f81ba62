"""Keeping the collections of one server: a list of all of them at each poll, and the members of those that differ.

A server lists its collections in one request, so that is done each time. Members are read if the collection's entry
differs from its row, if some of them were not stored yet and now are, and after complete listings: those of every
smart collection, whose members change without any sign, and of as many others as few requests allow, the longest
unread first. A collection is missing only if a complete list lacks it and the server denies it.
"""

from __future__ import annotations

import re
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from retrovue_daemon.errors import PlexError, ServerTimeout
from retrovue_daemon.records import CollectionMember
from retrovue_daemon.sources.plex.narrowing import may_be_one_entry
from retrovue_daemon.store.items.digests import digests
from retrovue_daemon.store.tables.abilities import note_abilities, read_abilities
from retrovue_daemon.store.tables.collections import (
    ReadCollection,
    mark_collections_missing,
    stored_collections,
    stores_any,
    that_differ,
    write_collections,
)
from retrovue_daemon.sync.collection_list import list_collections
from retrovue_daemon.sync.collection_log import CollectionLog

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from collections.abc import Collection as SomeOf

    from retrovue_daemon.records import Collection, Item
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.tables.collections import StoredCollection
    from retrovue_daemon.store.tables.observed_clock import ObservedClock
    from retrovue_daemon.sync.collection_list import ListedCollections

MOST_CONFIRMED: Final = 50
"""Collections per poll that are requested one by one because the list lacks them; the rest wait for the next."""

MOST_TIMEOUTS: Final = 1
"""Collections per poll whose members may time out; after more, the server itself is assumed to be slow."""

_TOGETHER: Final = 100
_MEMBERS_TOGETHER: Final = 5_000
"""Collections, and members of them, that are held until they are written in one transaction."""

_ABILITY: Final = "collections"
_BY_LIBRARY: Final = "by library"
_STAMP: Final = re.compile(r"/\d+(?=\?|$)")


class CollectionCounts(msgspec.Struct):
    """What was found: collections that were listed, new, changed, back and gone; ``read`` had their members read.

    ``skipped`` counts members that are no items, stand twice, or are not stored in the collection's library.
    """

    listed: int = 0
    added: int = 0
    updated: int = 0
    restored: int = 0
    removed: int = 0
    read: int = 0
    unreadable: int = 0
    skipped: int = 0
    pages: int = 0

    @property
    def changes(self) -> int:
        """The number of collections that changed."""
        return self.added + self.updated + self.restored + self.removed


class _Members(msgspec.Struct, frozen=True):
    """The members of a collection; ``is_whole`` says that the server sent as many as it announced."""

    members: tuple[CollectionMember, ...]
    is_whole: bool
    unreadable: int


class CollectionReader:
    """The collections of one server; remembers what it found from one poll to the next."""

    def __init__(self, server: str, database: Database, observed: ObservedClock, now: Callable[[], int]) -> None:
        self._database = database
        self._observed = observed
        self._now = now
        self._last: Mapping[str, Collection] = {}
        """The latest list, by rating key."""
        self._turn = 0
        self._read_in: dict[str, int] = {}
        """The number of the poll in which the members of each collection were read, by rating key."""
        self._waiting: dict[str, frozenset[str]] = {}
        """The members of collections that are not stored, by the collection's rating key."""
        self._unreadable: dict[str, int] = {}
        """The digests of collections whose members the server could not send, by rating key."""
        self._log = CollectionLog(server)
        self._timeouts = 0
        """Collections whose members did not arrive in time in this poll."""
        self._unwritten: list[ReadCollection] = []

    async def update(
        self,
        client: PlexClient,
        server_id: int,
        libraries: Mapping[str, int],
        listed_fully: SomeOf[int],
        *,
        everything: bool,
    ) -> CollectionCounts:
        """List the collections of these libraries (ids by key), and read the members of those that may have changed.

        ``listed_fully`` are the ids of libraries that have just been listed completely, after which the members of
        smart collections are read; with ``everything``, those of all others too. Raise PlexError and StoreError.
        """
        self._turn += 1
        self._timeouts = 0
        counts = CollectionCounts()
        stored, abilities = await self._database.reader.run(_before, server_id)
        by_library = abilities.get(_ABILITY) == _BY_LIBRARY
        listed = await list_collections(client, libraries, by_library=by_library)
        if listed.by_library and not by_library:
            await self._database.writer.run(note_abilities, server_id, {_ABILITY: _BY_LIBRARY})
        self._last = {collection.rating_key: collection for collection, _ in listed.collections}
        counts.listed, counts.pages = len(listed.collections), listed.pages
        for key, refusal in listed.refused.items():
            self._log.unreadable("refused", key, refusal)
        async with self._writing(server_id, counts):
            for collection, library_id in listed.collections:
                row = stored.get(collection.rating_key)
                is_read = library_id in listed_fully and (collection.is_smart or everything)
                if is_read or await self._differs(server_id, library_id, collection, row):
                    await self._read(client, server_id, library_id, collection, row, counts)
        if listed.lacks_any(stored):
            # Read anew: a collection may have got another rating key just now, and another one its old key.
            stored = await self._database.reader.run(stored_collections, server_id)
            await self._remove(client, stored, listed, counts)
        return counts

    async def read_more(
        self,
        client: PlexClient,
        server_id: int,
        library_ids: SomeOf[int],
        requests: int,
        counts: CollectionCounts,
    ) -> None:
        """Read the members of collections that were not read in this poll, the longest unread first.

        That takes at most so many requests, except for the further pages of the last one. Raise PlexError.
        """
        if requests <= 0:
            return
        stored = await self._database.reader.run(stored_collections, server_id)
        rows = [
            row
            for row in stored.values()
            if row.library_id in library_ids
            and not row.is_missing
            and self._read_in.get(row.rating_key) != self._turn
        ]
        rows.sort(key=lambda row: (self._read_in.get(row.rating_key, 0), row.id))
        end = counts.pages + requests
        async with self._writing(server_id, counts):
            for row in rows:
                collection = self._last.get(row.rating_key)
                if counts.pages >= end:
                    return
                if collection is not None:
                    await self._read(client, server_id, row.library_id, collection, row, counts)

    # -- one collection ---------------------------------------------------------------------------------------------

    async def _differs(
        self, server_id: int, library_id: int, collection: Collection, row: StoredCollection | None
    ) -> bool:
        """Return whether a collection's row differs from its entry, or waits for members that are stored now."""
        digest = _digest(collection)
        if row is None or row.is_missing or row.digest is not None:
            is_same = row is not None and not row.is_missing and row.digest == digest
            return not is_same and self._unreadable.get(collection.rating_key) != digest
        if self._unreadable.get(collection.rating_key) == digest:
            return False
        waiting = self._waiting.get(collection.rating_key)
        if waiting is None:
            return True
        if row.source_id != (collection.guid or row.source_id):
            return True
        return await self._database.reader.run(stores_any, server_id, library_id, waiting)

    async def _read(
        self,
        client: PlexClient,
        server_id: int,
        library_id: int,
        collection: Collection,
        row: StoredCollection | None,
        counts: CollectionCounts,
    ) -> None:
        """Read a collection's members, to be written if they differ. A failure keeps the stored members."""
        key, digest = collection.rating_key, _digest(collection)
        read: _Members | None = None
        try:
            read = await self._members(client, collection, counts)
            if row is not None and not (read.is_whole or read.unreadable):
                read = await self._members(client, collection, counts)
        except PlexError as error:
            self._timeouts += isinstance(error, ServerTimeout)
            if not may_be_one_entry(error) or self._timeouts > MOST_TIMEOUTS:
                raise
            self._log.unreadable("unreadable", key, str(error), title=collection.title)
            self._unreadable[key] = digest
            counts.unreadable += 1
        else:
            self._unreadable.pop(key, None)
            counts.read += 1
        self._read_in[key] = self._turn
        members = None if read is None else read.members
        if read is not None and not read.is_whole and row is not None:
            # The stored members may contain those that the server did not send: they are read again.
            members = None
            self._waiting.pop(key, None)
            if read.unreadable:
                self._unreadable[key] = digest
        is_whole = read is not None and read.is_whole
        self._unwritten.append(ReadCollection(library_id, collection, row, digest, members, is_whole))
        held = sum(len(each.members or ()) for each in self._unwritten)
        if len(self._unwritten) >= _TOGETHER or held >= _MEMBERS_TOGETHER:
            await self._write(server_id, counts)

    @asynccontextmanager
    async def _writing(self, server_id: int, counts: CollectionCounts) -> AsyncIterator[None]:
        """Write what is read within, also if the server fails."""
        self._unwritten = []
        try:
            yield
        except PlexError:
            await self._write(server_id, counts)
            raise
        await self._write(server_id, counts)

    async def _write(self, server_id: int, counts: CollectionCounts) -> None:
        """Write what differs of the collections that were read, in one transaction."""
        read, self._unwritten = self._unwritten, []
        differing = await self._database.reader.run(that_differ, server_id, read) if read else []
        if not differing:
            return
        written = await self._database.writer.run(
            write_collections, server_id, differing, self._now(), self._observed.now()
        )
        for each, became in zip(differing, written, strict=True):
            counts.added += became.added
            counts.updated += became.updated
            counts.restored += became.restored
            if each.members is not None:
                self._waiting[each.collection.rating_key] = frozenset(became.unstored)
                counts.skipped += len(became.unstored)
                if became.unstored:
                    self._log.skipped(each.collection, "not stored in the collection's library", len(became.unstored))

    async def _members(self, client: PlexClient, collection: Collection, counts: CollectionCounts) -> _Members:
        members: dict[str, CollectionMember] = {}
        entries = unreadable = 0
        total: int | None = None
        async with aclosing(client.collections.members(collection.rating_key)) as pages:
            async for page in pages:
                counts.pages += 1
                entries += page.entries
                total = page.total if page.total is not None else total
                unreadable += page.unreadable is not None
                twice = 0
                for item in page.items:
                    twice += item.rating_key in members
                    members.setdefault(item.rating_key, CollectionMember(item.rating_key, item.kind))
                for skipped in page.skipped:
                    # An entry without a key may be a stored member.
                    unreadable += skipped.rating_key is None
                    is_itself = skipped.rating_key == collection.rating_key
                    self._log.skipped(collection, "the collection itself" if is_itself else skipped.reason, 1)
                if twice:
                    self._log.skipped(collection, "listed twice", twice)
                counts.skipped += len(page.skipped) + twice
        # A smart collection's total may ignore the limit of its filter, which is never 0.
        is_whole = total in {None, entries} or (collection.is_smart and entries > 0)
        if not is_whole and entries > 0:
            # The same a second time is how the server counts.
            is_whole = not self._log.is_new(collection.rating_key, f"{entries} of {total}")
        return _Members(tuple(members.values()), is_whole and not unreadable, unreadable)

    # -- what is gone -----------------------------------------------------------------------------------------------

    async def _remove(
        self,
        client: PlexClient,
        stored: Mapping[str, StoredCollection],
        listed: ListedCollections,
        counts: CollectionCounts,
    ) -> None:
        """Mark the collections missing that complete lists lack and that the server denies."""
        unlisted = [row for row in stored.values() if listed.lacks(row)]
        gone: list[int] = []
        for row in unlisted[:MOST_CONFIRMED]:
            counts.pages += 1
            try:
                exists = await client.collections.exists(row.rating_key)
            except PlexError as error:
                if not may_be_one_entry(error):
                    raise
                self._log.unreadable("doubtful", row.rating_key, str(error))
                continue
            if not exists:
                gone.append(row.id)
        gone += [row.id for row in stored.values() if row.has_lost_library and not row.is_missing]
        if gone:
            counts.removed += await self._database.writer.run(self._mark, gone)

    def _mark(self, connection: sqlite3.Connection, ids: Iterable[int]) -> int:
        # Stored with the rows, so that the next process starts no earlier than the time stored in them.
        self._observed.keep(connection)
        return mark_collections_missing(connection, ids, self._now(), self._observed.now())


def _before(connection: sqlite3.Connection, server_id: int) -> tuple[dict[str, StoredCollection], dict[str, Any]]:
    """Return what is stored of a server's collections, and what is known of the server."""
    return stored_collections(connection, server_id), read_abilities(connection, server_id)


def _digest(collection: Collection) -> int:
    """Return a digest of what is stored of a collection, without the times in the paths of pictures."""
    covered = msgspec.structs.replace(
        collection, thumb=_STAMP.sub("", collection.thumb or ""), art=_STAMP.sub("", collection.art or "")
    )
    return digests([cast("Item", covered)])[0]
