"""Which servers there are, and how to talk to each: the configuration counts before the database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.config import server_from_row
from retrovue_daemon.config.identity import N, find_named
from retrovue_daemon.errors import ConfigError, TokenUnknown, UnknownServer
from retrovue_daemon.service.refusals import checked_server
from retrovue_daemon.store.tables.servers import ServerEntry, StoredServer, read_servers, reconcile_servers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from retrovue_daemon.config import Config, Secret, ServerSection
    from retrovue_daemon.store.database import Database


class ActiveServer(msgspec.Struct, frozen=True):
    """A server that is to be synced: its row's id and how to talk to it."""

    server_id: int
    section: ServerSection

    @property
    def name(self) -> str:
        """What it is called."""
        return self.section.name


class UnusableServer(msgspec.Struct, frozen=True):
    """An active server whose row in the database cannot be used, and why."""

    row: StoredServer
    error: ConfigError

    @property
    def name(self) -> str:
        """What it is called."""
        return self.row.name


class Roster(msgspec.Struct, frozen=True):
    """The servers to sync; ``unusable`` are those whose rows in the database cannot be used, and why."""

    servers: tuple[ActiveServer, ...]
    unusable: tuple[UnusableServer, ...] = ()

    def only(self, name: str | None) -> Roster:
        """Return the roster of one server. Raises UnknownServer."""
        if name is None:
            return self
        servers: list[ActiveServer | UnusableServer] = [*self.servers, *self.unusable]
        found = choose_active(servers, name)
        return Roster((found,), ()) if isinstance(found, ActiveServer) else Roster((), (found,))


async def read_roster(config: Config, database: Database, now: int) -> Roster:
    """Bring the rows of the configuration's servers up to date, and return all active servers.

    Where both name a server the configuration wins. A row that cannot be used costs the others nothing.
    """
    entries = [ServerEntry(section.name, section.url, section.path_mappings) for section in config.servers]

    def work(connection: sqlite3.Connection) -> list[StoredServer]:
        reconcile_servers(connection, entries, now)
        return read_servers(connection)

    # In one transaction: rows that were changed and could then not be read would be a change by halves.
    rows = await database.writer.run(work)
    usable, unusable = active_servers(config.servers, rows)
    named = ((find_named(rows, section.name), section) for section in usable)
    return Roster(tuple(ActiveServer(row.id, section) for row, section in named if row), tuple(unusable))


def active_servers(
    configured: Sequence[ServerSection], stored: Iterable[StoredServer]
) -> tuple[list[ServerSection], list[UnusableServer]]:
    """Return the servers to sync, the configuration's first, and those whose rows cannot be used.

    The database defines those that the configuration does not name; letter case does not count.
    """
    usable, unusable = list(configured), list[UnusableServer]()
    for row in sorted(stored, key=lambda row: row.id):
        if row.source != "database" or not row.is_active or find_named(configured, row.name) is not None:
            continue
        try:
            usable.append(server_from_row(row.name, row.url, row.token.reveal() if row.token else ""))
        except ConfigError as error:
            unusable.append(UnusableServer(row, error))
    return usable, unusable


def section_of(
    server: StoredServer, configured: Sequence[ServerSection], *, token: Secret | None = None
) -> ServerSection:
    """Return how to talk to a server: as the configuration says, else as its row does; a given token replaces theirs.

    Raises TokenUnknown where there is none, BadInput where the row cannot be used.
    """
    section = find_named(configured, server.name)
    if section is not None:
        return section if token is None else replace(section, token=token)
    known = server.token if token is None else token
    if known is None or not known.reveal():
        raise TokenUnknown(server.name, is_defined=known is None and server.source == "config")
    return checked_server(server.name, server.url, known)


def choose_active(active: Sequence[N], name: str) -> N:
    """Return the active server with this name; letter case does not count. Raises UnknownServer."""
    found = find_named(active, name)
    if found is None:
        raise UnknownServer(name, [server.name for server in active])
    return found
