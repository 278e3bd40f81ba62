"""Checks of servers by commands, with what the database knows about these servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.cli import choices
from retrovue_daemon.cli.startup import import_lightly
from retrovue_daemon.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from retrovue_daemon.cli.place import Place
    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.service.management.server_check import FormerTitles, ServerCheck
    from retrovue_daemon.store.tables.servers import StoredServer


def stored_knowledge(path: Path, sections: Sequence[ServerSection]) -> tuple[dict[str, str], FormerTitles]:
    """Return what the database knows, if it is usable: the machines of these servers, and all titles of libraries.

    The machineIdentifiers are by the names of ``sections``, the current and former titles by the libraries' uuids.
    """
    from retrovue_daemon.config.sections import find_named  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.libraries import titles_by_uuid  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- likewise

    try:
        with visits.reading(path) as connection:
            stored, titles = read_servers(connection), titles_by_uuid(connection)
    except StoreError:
        return {}, {}
    known = ((section.name, find_named(stored, section.name)) for section in sections)
    return {name: row.machine_identifier for name, row in known if row and row.machine_identifier is not None}, titles


def check_servers(
    sections: Sequence[ServerSection],
    machines: Mapping[str, str],
    *,
    whose_token: bool = False,
    former: FormerTitles | None = None,
) -> list[ServerCheck]:
    """Check all servers at once, as `check_all` does; only warnings are logged."""
    import asyncio  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.service.management.server_check import check_all  # noqa: PLC0415 -- not for --help

    _log_only_warnings(sections)
    return asyncio.run(check_all(sections, machines, whose_token=whose_token, former=former))


def active_sections(place: Place) -> tuple[list[ServerSection], list[ServerCheck]]:
    """Return the active servers with their tokens, and the errors of invalid rows. Raise StoreError."""
    from retrovue_daemon.service.management.server_check import ServerCheck  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.refusals import input_error  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.roster import active_servers  # noqa: PLC0415 -- likewise

    usable, unusable = active_servers(place.config.servers if place.config else (), servers_if_usable(place))
    return usable, [
        ServerCheck(each.name, each.row.shown_url, error=input_error(f"server {each.name!r}", each.error))
        for each in unusable
    ]


def servers_if_usable(place: Place) -> list[StoredServer]:
    """Return the servers of the database; none if it is unusable but the configuration defines servers.

    Raise StoreError if it defines none.
    """
    try:
        return choices.stored_servers(place)
    except StoreError:
        if place.config is None or not place.config.servers:
            raise
        return []


def read_machine(section: ServerSection) -> str:
    """Return the machineIdentifier of a server, which is asked for it without the token. Raise DaemonError."""
    import asyncio  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.service.management.server_check import machine_at  # noqa: PLC0415 -- not for --help

    _log_only_warnings([section])
    return asyncio.run(machine_at(section))


def _log_only_warnings(sections: Sequence[ServerSection]) -> None:
    """Set up the log of a check, which shows no token."""
    import_lightly()
    from retrovue_daemon.logs.setup import configure_logging  # noqa: PLC0415 -- not for --help

    redactor = configure_logging(level="warning")
    for section in sections:
        redactor.learn(section.token.reveal())
