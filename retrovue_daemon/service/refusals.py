"""Checks before a server is added or changed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from retrovue_daemon.config import ConfigError, Secret, server_from_row
from retrovue_daemon.config.addresses import same_server
from retrovue_daemon.config.sections import name_form
from retrovue_daemon.errors import BadInput, DefinedByConfig, DuplicateServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.store.tables.servers import StoredServer


def checked_server(name: str, url: str, token: str | Secret) -> ServerSection:
    """Return a server as a section of a configuration, after its checks. Raises BadInput."""
    with as_input(f"server {name!r}"):
        return server_from_row(name, url, token.reveal() if isinstance(token, Secret) else token)


@contextmanager
def as_input(what: str) -> Iterator[None]:
    """Raise BadInput instead of ConfigError, for values that come from arguments or the database."""
    try:
        yield
    except ConfigError as error:
        raise input_error(what, error) from None


def input_error(what: str, error: ConfigError) -> BadInput:
    """Return the same problems as a BadInput, without the table of the configuration they would be in."""
    problems = [(problem.path.rpartition(".")[2], problem.message) for problem in error.problems]
    return BadInput(f"{what}: {'; '.join(map(' '.join, problems))}", fields=dict(problems))


def refuse_taken(
    stored: Sequence[StoredServer],
    section: ServerSection,
    configured: Sequence[ServerSection] = (),
    source: Path | None = None,
) -> None:
    """Raise BadInput if another server has the name or address, in the database or in the file ``source``."""
    name, address = name_form(section.name), same_server(section.url)
    for other in configured:
        if name_form(other.name) == name or same_server(other.url) == address:
            message = f"{source} already defines server {other.name!r} with url {other.url}"
            field = "name" if name_form(other.name) == name else "url"
            raise BadInput(message, hint="a server needs only one entry", fields={field: message})
    for server in stored:
        left_behind = server.source == "config" and not server.is_active and server.name == section.name
        if name_form(server.name) == name and not left_behind:
            message = f"server {server.name!r} already exists, with url {server.shown_url}"
            hint = "choose another name, or remove that server first"
            raise BadInput(message, hint=hint, fields={"name": message})
        if server.is_active and same_server(server.url) == address:
            message = f"server {server.name!r} already has the url {server.shown_url}"
            raise BadInput(message, hint="a server needs only one entry", fields={"url": message})


def refuse_machine(stored: Sequence[StoredServer], section: ServerSection, machine_identifier: str | None) -> None:
    """Raise DuplicateServer if another active server is the same machine, even under another address."""
    for server in stored:
        if server.is_active and server.machine_identifier == machine_identifier:
            raise DuplicateServer(section.name, server.name)


def refuse_configured(server: StoredServer, what: str) -> None:
    """Raise DefinedByConfig if a configuration defines the server, so that ``what`` can only be changed there."""
    if server.source == "config" and server.is_active:
        raise DefinedByConfig(server.name, what, None)


def refuse_without_token(server: StoredServer, *, is_config_known: bool = True) -> None:
    """Raise BadInput if the server came from a configuration: tokens from there are never stored in the database."""
    if server.source != "config":
        return
    if server.is_active and not is_config_known:
        raise BadInput(
            f"the token of server {server.name!r} is in a configuration file that was not found",
            hint="select the file with --config",
        )
    raise BadInput(
        f"server {server.name!r} has no token: it was removed from the configuration",
        hint="add a server with the same name (`retrovue-daemon servers add`, or add_plex_server in a program); it"
        " takes over the libraries and items of the old one",
    )
