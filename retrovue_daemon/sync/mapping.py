"""Local paths that follow the path mappings: nothing but the database is needed for it."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec
import structlog

from retrovue_daemon.plex.paths import PlexPathMappingService
from retrovue_daemon.store.libraries import libraries, locations
from retrovue_daemon.store.local_paths import recompute_paths
from retrovue_daemon.store.moments import Moments
from retrovue_daemon.store.rows import Target
from retrovue_daemon.store.servers import path_mappings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.records import PathMapping
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.libraries import LibraryRow

log = structlog.get_logger()


class LibraryPaths:
    """Makes the targets of a server's libraries, whose ``local_path`` knows the mappings that hold for each."""

    def __init__(self, server_id: int, mappings: Sequence[PathMapping], moments: Moments) -> None:
        self._server_id = server_id
        self._mappings = mappings
        self._service = PlexPathMappingService(mappings)
        self._moments = moments

    @classmethod
    async def of(cls, database: Database, server_id: int, moments: Moments) -> LibraryPaths:
        """Read the mappings of a server."""
        return cls(server_id, await path_mappings(database.reader, server_id), moments)

    def target(self, row: LibraryRow, roots: Sequence[str]) -> Target:
        """Return where the rows of a library go."""
        mapper = self._service.for_library(row.name, roots)
        # As long as nothing was listed completely, nobody knows how long the items have been there.
        known = None if row.listed_until else row.known_moment
        return Target(self._server_id, row.id, row.name, mapper.local_path, self._moments, known)

    def fingerprint(self, row: LibraryRow, roots: Sequence[str]) -> int:
        """Return what stands for all that local paths of a library are computed from."""
        packed = msgspec.msgpack.encode([row.name, sorted(roots), list(self._mappings)])
        return int.from_bytes(blake2b(packed, digest_size=8).digest(), "big", signed=True)


async def follow_mappings(database: Database, server: str, server_id: int) -> int:
    """Compute the local paths of a server's files anew where mappings, roots or titles have changed.

    ``server`` is its name, for the log. Returns how many files got another path.
    """
    paths = await LibraryPaths.of(database, server_id, Moments())
    changed = 0
    for row in await libraries(database.reader, server_id):
        roots = await locations(database.reader, row.id)
        fingerprint = paths.fingerprint(row, roots)
        if row.path_fingerprint == fingerprint:
            continue
        files = await recompute_paths(database, paths.target(row, roots), fingerprint)
        if files:
            log.info("paths.recomputed", server=server, library=row.name, files=files)
        changed += files
    return changed
