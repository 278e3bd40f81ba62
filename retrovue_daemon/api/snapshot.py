"""A snapshot of servers, libraries and path mappings, and the local paths computed from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from retrovue_daemon.errors import UnknownId
from retrovue_daemon.paths import PlexPathMappingService
from retrovue_daemon.records import PathMapping
from retrovue_daemon.store.file.visits import reading
from retrovue_daemon.store.tables.libraries import StoredLibrary, read_libraries
from retrovue_daemon.store.tables.mappings import StoredMapping, read_mappings
from retrovue_daemon.store.tables.servers import StoredServer, read_servers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from retrovue_daemon.paths import PathMapper
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.mappings import StoredMapping
    from retrovue_daemon.store.tables.servers import StoredServer


class Snapshot(msgspec.Struct, frozen=True):
    """All servers, libraries and path mappings at one moment."""

    servers: tuple[StoredServer, ...] = ()
    libraries: tuple[StoredLibrary, ...] = ()
    mappings: tuple[StoredMapping, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read them; blocks. Raises StoreError."""
        with reading(path) as connection:
            return cls(
                tuple(read_servers(connection)),
                tuple(read_libraries(connection)),
                tuple(read_mappings(connection)),
            )

    def server(self, server_id: int) -> StoredServer:
        """Return the server with an id. Raises UnknownId."""
        return find_server(self.servers, server_id)

    def library(self, library_id: int) -> StoredLibrary:
        """Return the library with an id. Raises UnknownId."""
        for library in self.libraries:
            if library.id == library_id:
                return library
        raise UnknownId("library", library_id, {library.id: library.name for library in self.libraries})


def find_server(servers: Sequence[StoredServer], server_id: int) -> StoredServer:
    """Return the server with an id. Raises UnknownId."""
    for server in servers:
        if server.id == server_id:
            return server
    raise UnknownId("server", server_id, {server.id: server.name for server in servers})


class ServerPaths:
    """The local paths of one server's files, each computed with the mappings of its library."""

    def __init__(self, own: Sequence[PathMapping], libraries: Sequence[StoredLibrary]) -> None:
        self._service = PlexPathMappingService(own)
        self._libraries = libraries
        # Each root as a mapping to its library's index: the rules for prefixes are the same.
        roots = [PathMapping(root, str(place)) for place, each in enumerate(libraries) for root in each.roots]
        self._roots = PlexPathMappingService(roots).for_library(None)
        self._mappers: dict[int, PathMapper] = {}

    def local_path(self, plex_path: str, library_root: str | None) -> str:
        """Return the local path of a file; its library is the one with that root, or the one that contains it."""
        library = self._roots.covering(library_root or plex_path)
        if library is None:
            return self._service.get_local_path(plex_path, library_root)
        place = int(library.local_path)
        if place not in self._mappers:
            found = self._libraries[place]
            self._mappers[place] = self._service.for_library(found.name, found.roots, former=found.former)
        return self._mappers[place].local_path(plex_path)
