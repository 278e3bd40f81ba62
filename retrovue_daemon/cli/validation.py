"""Server entries that somebody wants to add or change, and what speaks against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors import BadInput, DuplicateServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.cli.contact import ServerCheck
    from retrovue_daemon.cli.options import Place
    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.store.tables.servers import StoredServer


def stored_servers(place: Place) -> list[StoredServer]:
    """Return the servers of the database. Raises StoreError."""
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- not for --help

    with visits.reading(place.path) as connection:
        return read_servers(connection)


def checked_entry(name: str, url: str, token: str) -> ServerSection:
    """Check a server as if it stood in a configuration file. Raises BadInput with all that is wrong."""
    from retrovue_daemon.api.validation import checked_server  # noqa: PLC0415 -- not for --help

    return checked_server(name, url, token)


def refuse_taken(place: Place, stored: Sequence[StoredServer], section: ServerSection) -> None:
    """Refuse a name or an address that another entry has."""
    from retrovue_daemon.api import validation  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.config.addresses import same_server  # noqa: PLC0415 -- likewise

    address = same_server(section.url)
    for configured in place.config.servers if place.config else ():
        if configured.name.casefold() == section.name.casefold() or same_server(configured.url) == address:
            raise BadInput(
                f"server {configured.name!r} with url {configured.url} is defined in {place.source} already",
                hint="one entry for a server is enough",
            )
    validation.refuse_taken(stored, section)


def refuse_machine(stored: Sequence[StoredServer], section: ServerSection, answer: ServerCheck) -> None:
    """Refuse a machine that another active entry leads to, by whatever address."""
    for server in stored:
        if server.is_active and server.machine_identifier == answer.machine_identifier:
            raise DuplicateServer(section.name, server.name)


def refuse_without_token(place: Place, server: StoredServer) -> None:
    """Refuse a row that a configuration brought in: its token is there, if it is anywhere."""
    if server.source != "config":
        return
    if server.is_active and not place.is_of_config:
        raise BadInput(
            f"the token of server {server.name!r} stands in a configuration that was not found here",
            hint="--config names it",
        )
    raise BadInput(
        f"server {server.name!r} is one that the configuration no longer names, so that it has no token",
        hint="`retrovue-daemon servers add` with this name takes it over, with all that was mirrored from it",
    )
