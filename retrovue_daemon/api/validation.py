"""Servers and path mappings that a program wants to store, and what speaks against it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from retrovue_daemon.api.snapshot import find_server
from retrovue_daemon.config import ConfigError, Secret, server_from_row
from retrovue_daemon.config.addresses import same_server
from retrovue_daemon.config.checks import comparable_path
from retrovue_daemon.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.records import PathMapping
    from retrovue_daemon.store.tables.servers import StoredServer


def scope(mapping: PathMapping) -> tuple[str, str | None, str | None]:
    """Return what no two mappings of a server may have in common."""
    return comparable_path(mapping.plex_path), mapping.library_name, mapping.library_root


def checked_server(name: str, url: str, token: str | Secret) -> ServerSection:
    """Return a server as a configuration would hold it. Raises BadInput."""
    with as_input(f"server {name!r}"):
        return server_from_row(name, url, token.reveal() if isinstance(token, Secret) else token)


@contextmanager
def as_input(what: str) -> Iterator[None]:
    """Tell of values that a configuration could not hold either."""
    try:
        yield
    except ConfigError as error:
        problems = (f"{problem.path.rpartition('.')[2]} {problem.message}" for problem in error.problems)
        raise BadInput(f"{what}: {'; '.join(problems)}") from None


def own_server(servers: Sequence[StoredServer], server_id: int, what: str) -> StoredServer:
    """Return a server that no configuration defines, or used to define."""
    server = find_server(servers, server_id)
    if server.source == "config":
        raise of_configuration(server, what)
    return server


def of_configuration(server: StoredServer, what: str) -> BadInput:
    """Return why ``what`` of a server cannot be changed in the database."""
    if server.is_active:
        return BadInput(
            f"server {server.name!r} is defined by the daemon's configuration: {what} can only be changed there",
            hint="edit its [[servers]] table, then reload or restart the daemon",
        )
    return BadInput(
        f"server {server.name!r} is one that a configuration no longer names, so that it has no token",
        hint="add_plex_server with this name takes it over, with all that was mirrored from it",
    )


def refuse_taken(servers: Sequence[StoredServer], section: ServerSection) -> None:
    """Refuse a name or an address that another server has."""
    for server in servers:
        left_behind = server.source == "config" and not server.is_active and server.name == section.name
        if server.name.casefold() == section.name.casefold() and not left_behind:
            raise BadInput(
                f"server {server.name!r} is there already, with url {server.shown_url}",
                hint="choose another name, or remove that server first",
            )
        if server.is_active and _address(server.url) == _address(section.url):
            raise BadInput(
                f"url {server.shown_url} is the address of server {server.name!r} already",
                hint="one entry for a server is enough",
            )


def _address(url: str) -> str:
    """Return the form in which two addresses are compared; any program may have stored one that is none."""
    try:
        return same_server(url)
    except (KeyError, ValueError):
        return url
