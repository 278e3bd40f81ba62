"""Finding servers and libraries by the names that a person types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors import AmbiguousName, UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.servers import StoredServer


def choose_server(servers: Sequence[StoredServer], name: str) -> StoredServer:
    """Return the server of this name. Raise UnknownName if there is none."""
    from retrovue_daemon.config.sections import find_named  # noqa: PLC0415 -- not for --help

    found = find_named(servers, name)
    if found is None:
        raise UnknownName("server", name, [server.name for server in servers])
    return found


def choose_servers(servers: Sequence[StoredServer], name: str | None) -> list[StoredServer]:
    """Return the server of this name, or all servers if ``name`` is None. Raise UnknownName if there is none."""
    return list(servers) if name is None else [choose_server(servers, name)]


def choose_libraries(libraries: Sequence[StoredLibrary], name: str | None, server: str | None) -> list[StoredLibrary]:
    """Return the libraries with this title or key, of one server or of all. Raise UnknownName if there is none."""
    from retrovue_daemon.config.sections import find_name  # noqa: PLC0415 -- not for --help

    if server is not None:
        names = list(dict.fromkeys(library.server for library in libraries))
        owner = find_name(names, server)
        if owner is None:
            raise UnknownName("server with libraries", server, names)
        libraries = [library for library in libraries if library.server == owner]
    if name is None:
        return list(libraries)
    chosen = [library for library in libraries if name.strip() in {library.name.strip(), library.key}]
    if not chosen:
        raise UnknownName("library", name, list(dict.fromkeys(library.name for library in libraries)))
    return chosen


def choose_library(libraries: Sequence[StoredLibrary], name: str, server: str | None) -> StoredLibrary:
    """Return the one library with this title or key. Raise UnknownName or AmbiguousName."""
    chosen = choose_libraries(libraries, name, server)
    if len(chosen) > 1:
        raise AmbiguousName(
            name,
            [f"{library.name!r} (key {library.key}) of server {library.server!r}" for library in chosen],
            hint=_how_to_choose(chosen),
        )
    return chosen[0]


def _how_to_choose(libraries: Sequence[StoredLibrary]) -> str:
    """Say what tells these libraries of one title apart: their servers, their keys, either or only both."""
    by_server = len({library.server for library in libraries}) == len(libraries)
    by_key = len({library.key for library in libraries}) == len(libraries)
    if by_server and by_key:
        return "select one with --server, or pass the key instead of the title"
    if by_server:
        return "select one with --server"
    if by_key:
        return "pass the key instead of the title"
    return "select one with --server, and pass the key instead of the title"
