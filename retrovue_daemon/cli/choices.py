"""Which server or library a name means that somebody typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from retrovue_daemon.errors import AmbiguousName, DefinedByConfig, UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.cli.options import Place
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.servers import StoredServer

T = TypeVar("T")


def choose_server(servers: Sequence[StoredServer], name: str) -> StoredServer:
    """Return the server of this name. Raises UnknownName."""
    for server in servers:
        if server.name == name.strip():
            return server
    raise UnknownName("server", name, [server.name for server in servers])


def choose_servers(servers: Sequence[StoredServer], name: str | None) -> list[StoredServer]:
    """Return the server of this name, or all where none is named. Raises UnknownName."""
    return list(servers) if name is None else [choose_server(servers, name)]


def choose_libraries(libraries: Sequence[StoredLibrary], name: str | None, server: str | None) -> list[StoredLibrary]:
    """Return the libraries with this title or key, of one server or of all. Raises UnknownName."""
    if server is not None:
        names = list(dict.fromkeys(library.server for library in libraries))
        if server.strip() not in names:
            raise UnknownName("server with libraries", server, names)
        libraries = [library for library in libraries if library.server == server.strip()]
    if name is None:
        return list(libraries)
    chosen = [library for library in libraries if name.strip() in {library.name.strip(), library.key}]
    if not chosen:
        raise UnknownName("library", name, list(dict.fromkeys(library.name for library in libraries)))
    return chosen


def choose_library(libraries: Sequence[StoredLibrary], name: str, server: str | None) -> StoredLibrary:
    """Return the one library with this title or key. Raises UnknownName or AmbiguousName."""
    chosen = choose_libraries(libraries, name, server)
    if len(chosen) > 1:
        raise AmbiguousName(
            name,
            [f"{library.name!r} (key {library.key}) of server {library.server!r}" for library in chosen],
            hint="--server says which server, and a key which of several libraries of one title",
        )
    return chosen[0]


def own_server(place: Place, servers: Sequence[StoredServer], name: str, what: str) -> StoredServer:
    """Return a server that no configuration defines, so that ``what`` of it can be changed in the database.

    Raises UnknownName, or DefinedByConfig where the configuration decides.
    """
    section = place.section(name.strip())
    if section is not None:
        raise DefinedByConfig(section.name, what, place.source)
    server = choose_server(servers, name)
    if server.source == "config" and server.is_active and not place.is_of_config:
        raise DefinedByConfig(server.name, what, None)
    return server
