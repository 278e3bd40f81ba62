"""Which servers are to be synced: those of the configuration, then those that only the database defines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.config import server_from_row
from retrovue_daemon.errors import ConfigError, UnknownServer
from retrovue_daemon.store.tables.servers import ServerEntry, read_servers, reconcile_servers

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.config import Config, ServerSection
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.tables.servers import StoredServer


class ActiveServer(msgspec.Struct, frozen=True):
    """A server that is to be synced: its row's id and how to talk to it."""

    server_id: int
    section: ServerSection

    @property
    def name(self) -> str:
        """What it is called."""
        return self.section.name


class Roster(msgspec.Struct, frozen=True):
    """The servers to sync; ``unusable`` are those whose rows in the database cannot be used, and why."""

    servers: tuple[ActiveServer, ...]
    unusable: tuple[tuple[str, ConfigError], ...] = ()

    def only(self, name: str | None) -> Roster:
        """Return the roster of one server. Raises UnknownServer."""
        if name is None:
            return self
        chosen = tuple(server for server in self.servers if server.name == name)
        unusable = tuple(pair for pair in self.unusable if pair[0] == name)
        if not chosen and not unusable:
            raise UnknownServer(
                name, [server.name for server in self.servers] + [other for other, _ in self.unusable]
            )
        return Roster(chosen, unusable)


async def read_roster(config: Config, database: Database, now: int) -> Roster:
    """Bring the rows of the configuration's servers up to date, and return all active servers.

    Where both name a server the configuration wins. A row that cannot be used costs the others nothing.
    """
    entries = [ServerEntry(section.name, section.url, section.path_mappings) for section in config.servers]

    def work(connection: sqlite3.Connection) -> dict[str, StoredServer]:
        reconcile_servers(connection, entries, now)
        return {row.name: row for row in read_servers(connection)}

    # In one transaction: rows that were changed and could then not be read would be a change by halves.
    rows = await database.writer.run(work)
    found = [ActiveServer(rows[section.name].id, section) for section in config.servers]
    named = {section.name for section in config.servers}
    unusable = []
    for row in sorted(rows.values(), key=lambda row: row.id):
        if row.source != "database" or not row.is_active or row.name in named:
            continue
        try:
            found.append(
                ActiveServer(row.id, server_from_row(row.name, row.url, row.token.reveal() if row.token else ""))
            )
        except ConfigError as error:
            unusable.append((row.name, error))
    return Roster(tuple(found), tuple(unusable))
