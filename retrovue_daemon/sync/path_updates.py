"""Keeping local paths in line with the path mappings; needs only the database."""

from __future__ import annotations

import asyncio
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec
import structlog

from retrovue_daemon.paths.mapper import PlexPathMappingService
from retrovue_daemon.store.items.local_paths import outdate_paths, recompute_paths, settle_paths
from retrovue_daemon.store.items.moments import Moments
from retrovue_daemon.store.items.rows import Target
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.mappings import read_mappings

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from retrovue_daemon.records import PathMapping
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.tables.libraries import StoredLibrary

log = structlog.get_logger()


class LibraryPaths:
    """Creates the targets of a server's libraries, whose ``local_path`` applies the mappings of each library."""

    def __init__(self, server_id: int, mappings: Sequence[PathMapping], moments: Moments) -> None:
        self._server_id = server_id
        self._mappings = mappings
        self._service = PlexPathMappingService(mappings)
        self._moments = moments

    @classmethod
    async def of(cls, database: Database, server_id: int, moments: Moments) -> LibraryPaths:
        """Read the mappings of a server."""
        stored = await database.reader.run(partial(read_mappings, server_id=server_id))
        return cls(server_id, [row.mapping for row in stored], moments)

    def target(self, row: StoredLibrary) -> Target:
        """Return the target of a library's rows."""
        mapper = self._service.for_library(row.name, row.roots, former=row.former)
        # Before the first complete listing, the age of the items is unknown.
        known = None if row.listed_until else row.known_moment
        return Target(self._server_id, row.id, row.name, mapper.local_path, self._moments, known)

    def fingerprint(self, row: StoredLibrary) -> int:
        """Return a fingerprint of everything that a library's local paths are computed from."""
        names = [row.name, *row.former]
        packed = msgspec.msgpack.encode([names, sorted(set(row.roots)), list(self._mappings)])
        return int.from_bytes(blake2b(packed, digest_size=8).digest(), "big", signed=True)

    def former_name_in_use(self, row: StoredLibrary) -> str | None:
        """Return the former title of a library that a mapping still uses, or None."""
        named = {(mapping.library_name or "").strip() for mapping in self._mappings}
        return next((name for name in row.former if name.strip() in named), None)


class FollowedPaths:
    """Keeps the local paths of one server's files in line with its mappings, even while passes write them.

    A pass writes paths by the mappings in force when it was planned. ``changes`` counts the changes: the worker notes
    it before planning, and `settle` recomputes paths if it has grown since. While such a pass writes, the library's
    fingerprint is not stored, so that outdated paths are found even after a crash.
    """

    def __init__(self, database: Database, server: str, writing: Container[int] = ()) -> None:
        self.changes = 0
        self._database = database
        self._server = server
        self._writing = writing
        self._doubted: set[int] = set()
        self._one_at_a_time = asyncio.Lock()

    async def follow(self, server_id: int) -> None:
        """Recompute the paths that no longer match mappings, roots and titles; no network is needed."""
        async with self._one_at_a_time:
            for library_id in tuple(self._doubted):
                await outdate_paths(self._database, library_id)
                self._doubted.discard(library_id)
            paths = await LibraryPaths.of(self._database, server_id, Moments())
            for row in await self._database.reader.run(partial(read_libraries, server_id=server_id)):
                fingerprint = paths.fingerprint(row)
                if row.path_fingerprint == fingerprint:
                    continue
                self.changes += row.path_fingerprint is not None
                files = await recompute_paths(self._database, paths.target(row))
                if files:
                    log.info("paths.recomputed", server=self._server, library=row.name, files=files)
                if row.id in self._writing:
                    await outdate_paths(self._database, row.id)
                else:
                    await settle_paths(self._database, row.id, fingerprint)

    async def settle(self, server_id: int, library_id: int, changes: int) -> None:
        """Recompute the paths written by a pass that was planned at this count of ``changes``, if it has grown."""
        async with self._one_at_a_time:
            if changes == self.changes:
                return
            await outdate_paths(self._database, library_id)
        await self.follow(server_id)

    def doubt(self, library_id: int, changes: int) -> None:
        """Let the next `follow` recompute the paths of a cancelled pass, which must not wait for it."""
        if changes != self.changes or self._one_at_a_time.locked():
            self._doubted.add(library_id)
