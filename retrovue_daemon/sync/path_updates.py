"""Updating stored local paths when mappings change; needs no server."""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec
import structlog

from retrovue_daemon.paths import PlexPathMappingService
from retrovue_daemon.store.items.local_paths import recompute_paths, set_fingerprint, set_fingerprints_of_empty
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
        stored = await database.reader.run(read_mappings, server_id)
        return cls(server_id, [row.mapping for row in stored], moments)

    def target(self, row: StoredLibrary) -> Target:
        """Return the target of a library's rows."""
        mapper = self._service.for_library(row.name, row.roots, former=row.former)
        # Before the first complete listing, the age of the items is unknown.
        known = None if row.listed_until else row.known_moment
        return Target(self._server_id, row.id, row.name, mapper.local_path, self._moments, known)

    def fingerprint(self, row: StoredLibrary) -> int:
        """Return a hash of everything that determines a library's local paths."""
        names = [row.name, *row.former]
        packed = msgspec.msgpack.encode([names, sorted(set(row.roots)), list(self._mappings)])
        return int.from_bytes(blake2b(packed, digest_size=8).digest(), "big", signed=True)

    def former_name_in_use(self, row: StoredLibrary) -> str | None:
        """Return the former title of a library that a mapping still uses, or None."""
        named = {(mapping.library_name or "").strip() for mapping in self._mappings}
        return next((name for name in row.former if name.strip() in named), None)


class PathUpdater:
    """Updates the local paths of one server's files when its mappings change, even while passes write them.

    A pass applies the mappings that were valid when it was planned. ``changes`` counts the changes so far: the worker
    reads it before planning, and `recompute_after_pass` compares it afterwards. While a pass is writing, the
    library's fingerprint is not stored, so that outdated paths are found even after a crash.
    """

    def __init__(self, database: Database, server: str, writing: Container[int] = ()) -> None:
        self.changes = 0
        self._database = database
        self._server = server
        self._writing = writing
        self._to_recompute: set[int] = set()
        self._one_at_a_time = asyncio.Lock()

    async def follow(self, server_id: int) -> None:
        """Recompute the paths that no longer match mappings, roots and titles; no network is needed."""
        async with self._one_at_a_time:
            for library_id in tuple(self._to_recompute):
                await self._database.writer.run(set_fingerprint, library_id, None)
                self._to_recompute.discard(library_id)
            paths = await LibraryPaths.of(self._database, server_id, Moments())
            rows = await self._database.reader.run(read_libraries, server_id)
            fingerprints = {row.id: paths.fingerprint(row) for row in rows}
            new = [row.id for row in rows if row.path_fingerprint is None and row.id not in self._writing]
            of_new = {row_id: fingerprints[row_id] for row_id in new}
            # Libraries without files need nothing else; there may be many of them at first.
            settled_ids = await self._database.writer.run(set_fingerprints_of_empty, of_new) if of_new else set()
            for row in rows:
                fingerprint = fingerprints[row.id]
                if row.path_fingerprint == fingerprint or row.id in settled_ids:
                    continue
                self.changes += row.path_fingerprint is not None
                files = await recompute_paths(self._database, paths.target(row))
                if files:
                    log.info("paths.recomputed", server=self._server, library=row.name, files=files)
                settled = None if row.id in self._writing else fingerprint
                await self._database.writer.run(set_fingerprint, row.id, settled)

    async def recompute_after_pass(self, server_id: int, library_id: int, changes: int) -> None:
        """Recompute a library's paths if ``changes``, read before its pass was planned, is no longer the count."""
        async with self._one_at_a_time:
            if changes == self.changes:
                return
            await self._database.writer.run(set_fingerprint, library_id, None)
        await self.follow(server_id)

    def recompute_later(self, library_id: int, changes: int) -> None:
        """Make the next `follow` recompute a cancelled pass's paths if mappings changed; the pass must not wait."""
        if changes != self.changes or self._one_at_a_time.locked():
            self._to_recompute.add(library_id)
