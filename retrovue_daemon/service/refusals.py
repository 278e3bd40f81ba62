"""Checks before a server is added or changed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from retrovue_daemon.config import ConfigError, Secret, server_from_row
from retrovue_daemon.config.addresses import same_server
from retrovue_daemon.config.identity import name_form
from retrovue_daemon.errors import BadInput, DefinedByConfig, DuplicateServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.store.tables.servers import StoredServer


def checked_server(name: str, url: str, token: str | Secret) -> ServerSection:
    """Return a server as a configuration would hold it. Raises BadInput."""
    with as_input(f"server {name!r}"):
        return server_from_row(name, url, token.reveal() if isinstance(token, Secret) else token)


@contextmanager
def as_input(what: str) -> Iterator[None]:
    """Raise BadInput for values that a configuration could not hold either."""
    try:
        yield
    except ConfigError as error:
        raise input_error(what, error) from None


def input_error(what: str, error: ConfigError) -> BadInput:
    """Return the same problems as an error of input, without the place in a configuration."""
    problems = (f"{problem.path.rpartition('.')[2]} {problem.message}" for problem in error.problems)
    return BadInput(f"{what}: {'; '.join(problems)}")


def refuse_taken(
    stored: Sequence[StoredServer],
    section: ServerSection,
    configured: Sequence[ServerSection] = (),
    source: Path | None = None,
) -> None:
    """Refuse a name or an address that another server has, in the database or in the configuration ``source``."""
    name, address = name_form(section.name), same_server(section.url)
    for other in configured:
        if name_form(other.name) == name or same_server(other.url) == address:
            raise BadInput(
                f"server {other.name!r} with url {other.url} is defined in {source} already",
                hint="one entry for a server is enough",
            )
    for server in stored:
        left_behind = server.source == "config" and not server.is_active and server.name == section.name
        if name_form(server.name) == name and not left_behind:
            raise BadInput(
                f"server {server.name!r} is there already, with url {server.shown_url}",
                hint="choose another name, or remove that server first",
            )
        if server.is_active and same_server(server.url) == address:
            raise BadInput(
                f"url {server.shown_url} is the address of server {server.name!r} already",
                hint="one entry for a server is enough",
            )


def refuse_machine(stored: Sequence[StoredServer], section: ServerSection, machine_identifier: str | None) -> None:
    """Refuse a machine that another active server is, by whatever address."""
    for server in stored:
        if server.is_active and server.machine_identifier == machine_identifier:
            raise DuplicateServer(section.name, server.name)


def refuse_configured(server: StoredServer, what: str) -> None:
    """Refuse to change ``what`` of a server that a configuration defines."""
    if server.source == "config" and server.is_active:
        raise DefinedByConfig(server.name, what, None)


def refuse_without_token(server: StoredServer, *, is_config_known: bool = True) -> None:
    """Refuse a row that a configuration brought in: the database never held its token."""
    if server.source != "config":
        return
    if server.is_active and not is_config_known:
        raise BadInput(
            f"the token of server {server.name!r} stands in a configuration that was not found here",
            hint="--config names it",
        )
    raise BadInput(
        f"server {server.name!r} is one that the configuration no longer names, so that it has no token",
        hint="add a server of this name (`retrovue-daemon servers add`, or add_plex_server in a program): it takes"
        " over all that was mirrored",
    )
