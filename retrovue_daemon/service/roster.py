"""The active servers, with the address and token of each; the configuration takes precedence over the database."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.config import server_from_row
from retrovue_daemon.config.sections import N, find_named
from retrovue_daemon.errors import ConfigError, TokenUnknown, UnknownServer
from retrovue_daemon.service.refusals import checked_server
from retrovue_daemon.store.tables.libraries import read_libraries, store_selection
from retrovue_daemon.store.tables.problems import Problem, store_server_problem
from retrovue_daemon.store.tables.servers import ServerEntry, StoredServer, read_servers, reconcile_servers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence

    from retrovue_daemon.config import Config, Secret, ServerSection
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.tables.libraries import StoredLibrary


class ActiveServer(msgspec.Struct, frozen=True):
    """A server to sync: the id of its row, and its address and token as a section of a configuration."""

    server_id: int
    section: ServerSection

    @property
    def name(self) -> str:
        """The name of the server."""
        return self.section.name


class UnusableServer(msgspec.Struct, frozen=True):
    """An active server whose row in the database is invalid; ``error`` says why."""

    row: StoredServer
    error: ConfigError

    @property
    def name(self) -> str:
        """The name of the server."""
        return self.row.name


class Roster(msgspec.Struct, frozen=True):
    """The servers to sync; ``unusable`` are those whose rows in the database are invalid."""

    servers: tuple[ActiveServer, ...]
    unusable: tuple[UnusableServer, ...] = ()

    def only(self, name: str | None) -> Roster:
        """Return a roster of only the named server, or of all for None. Raises UnknownServer."""
        servers: list[ActiveServer | UnusableServer] = [*self.servers, *self.unusable]
        chosen = choose_active(servers, name)
        return Roster(
            tuple(server for server in chosen if isinstance(server, ActiveServer)),
            tuple(server for server in chosen if isinstance(server, UnusableServer)),
        )


async def read_roster(config: Config, database: Database, now: int) -> Roster:
    """Bring the rows of the configuration's servers and libraries up to date, and return all active servers.

    If the configuration and the database both define a server, the configuration wins. An invalid row does not affect
    the other servers.
    """
    entries = [ServerEntry(section.name, section.url, section.path_mappings) for section in config.servers]

    def work(connection: sqlite3.Connection) -> Roster:
        reconcile_servers(connection, entries, now)
        rows = read_servers(connection)
        libraries = read_libraries(connection)
        for row in rows:
            own = [library for library in libraries if library.server_id == row.id]
            store_selection(connection, own, partial(_selects, find_named(config.servers, row.name)))
        usable, unusable = active_servers(config.servers, rows, notifications=config.sync.notifications)
        for server in unusable:
            store_server_problem(connection, server.row.id, Problem.of(server.error), now)
        named = ((find_named(rows, section.name), section) for section in usable)
        return Roster(tuple(ActiveServer(row.id, section) for row, section in named if row), tuple(unusable))

    # In one transaction: if the rows cannot be read, none is changed.
    return await database.writer.run(work)


def _selects(section: ServerSection | None, library: StoredLibrary) -> bool:
    """Return whether a library is selected; the database's servers have no ``section`` and sync all."""
    return section is None or section.selects(library.name, library.key, library.former)


def active_servers(
    configured: Sequence[ServerSection], stored: Iterable[StoredServer], *, notifications: bool = True
) -> tuple[list[ServerSection], list[UnusableServer]]:
    """Return the servers to sync, the configuration's first, and those whose rows are invalid.

    Rows of the database are used for names that the configuration does not define; letter case is ignored. They have
    no setting of their own for ``notifications``.
    """
    usable, unusable = list(configured), list[UnusableServer]()
    for row in sorted(stored, key=lambda row: row.id):
        if row.source != "database" or not row.is_active or find_named(configured, row.name) is not None:
            continue
        try:
            token = row.token.reveal() if row.token else ""
            usable.append(server_from_row(row.name, row.url, token, notifications=notifications))
        except ConfigError as error:
            unusable.append(UnusableServer(row, error))
    return usable, unusable


def section_of(
    server: StoredServer, configured: Sequence[ServerSection], *, token: Secret | None = None
) -> ServerSection:
    """Return a server's address and token: from the configuration if it defines the server, else from its row.

    A given ``token`` is used instead of theirs. Raises TokenUnknown if there is none, BadInput if the row is invalid.
    """
    section = find_named(configured, server.name)
    if section is not None:
        return section if token is None else replace(section, token=token)
    known = server.token if token is None else token
    if known is None or not known.reveal():
        raise TokenUnknown(server.name, is_defined=known is None and server.source == "config")
    return checked_server(server.name, server.url, known)


def choose_active(active: Collection[N], name: str | None) -> list[N]:
    """Return the active server with this name, or all for None; letter case is ignored. Raises UnknownServer."""
    if name is None:
        return list(active)
    found = find_named(active, name)
    if found is None:
        raise UnknownServer(name, [server.name for server in active])
    return [found]
