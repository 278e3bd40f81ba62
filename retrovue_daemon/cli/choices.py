"""Finding servers and libraries by the names given on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from retrovue_daemon.errors import AmbiguousName, DefinedByConfig, UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.cli.place import Place
    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.servers import StoredServer

T = TypeVar("T")


def stored_servers(place: Place) -> list[StoredServer]:
    """Return the servers of the database. Raise StoreError if it is unusable."""
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- likewise

    with visits.reading(place.path) as connection:
        return read_servers(connection)


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


def section_of_server(place: Place, server: StoredServer) -> ServerSection:
    """Return a server's URL, token and settings. Raise TokenUnknown or BadInput if they are missing or invalid."""
    from retrovue_daemon.service.refusals import refuse_without_token  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.roster import section_of  # noqa: PLC0415 -- likewise

    if place.section(server.name) is None:
        refuse_without_token(server, is_config_known=place.is_of_config)
    return section_of(server, place.config.servers if place.config else ())


def own_server(place: Place, servers: Sequence[StoredServer], name: str, what: str) -> StoredServer:
    """Return a server that no configuration defines, so that a command can change it in the database.

    Raise UnknownName, or DefinedByConfig with ``what`` (as in "its token") if the configuration defines the server.
    """
    from retrovue_daemon.service.refusals import refuse_configured  # noqa: PLC0415 -- not for --help

    section = place.section(name)
    if section is not None:
        raise DefinedByConfig(section.name, what, place.source)
    server = choose_server(servers, name)
    if not place.is_of_config:
        refuse_configured(server, what)
    return server
