"""The table plex_servers: reading it, changing it, and applying the configuration and the servers' identities."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from retrovue_daemon.config import MASK, Secret
from retrovue_daemon.config.sections import find_named
from retrovue_daemon.errors import DuplicateServer, ServerForgotten, WrongServer
from retrovue_daemon.store.feed.recording import record, record_collections_of
from retrovue_daemon.store.file.visits import changing
from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.tables.mappings import reconcile_mappings
from retrovue_daemon.store.tables.outages import forget_outages
from retrovue_daemon.store.tables.problems import Problem

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.records import PathMapping

_AT_ONCE = 5_000
"""Rows deleted per transaction: a daemon that writes meanwhile waits for one transaction, not for all."""

_BELONGINGS = (
    "episodes", "movies", "media_files", "seasons", "shows", "sync_requests", "sync_runs", "plex_path_mappings",
    "libraries",
)  # fmt: skip
"""The tables whose rows belong to a server, children first."""

_KINDS = {table: kind for kind, table in TABLES.items()}


class StoredServer(msgspec.Struct, frozen=True):
    """A row of plex_servers; ``libraries`` are all of its own, ``enabled`` those that are switched on.

    ``problem`` is what was wrong at the last contact; it means nothing while the server is inactive. ``next_try_at``
    is when the daemon polls the server again if that is not simply an interval later; else None.
    """

    id: int
    name: str
    url: str
    token: Secret | None
    is_active: bool
    source: str
    machine_identifier: str | None
    version: str | None
    libraries: int
    enabled: int
    last_sync_at: int | None
    problem: Problem | None = None
    next_try_at: int | None = None

    @property
    def fails(self) -> bool:
        """Whether it could not be used at the last contact."""
        return self.problem is not None and self.problem.is_failure

    @property
    def shown_url(self) -> str:
        """The address without possible secrets that another program may have stored in it."""
        return re.sub(r"//[^/@]*@", f"//{MASK}@", re.split("[?#]", self.url)[0])


class ServerEntry(msgspec.Struct, frozen=True):
    """A server as the configuration file defines it."""

    name: str
    url: str
    path_mappings: Sequence[PathMapping]


def read_servers(connection: sqlite3.Connection) -> list[StoredServer]:
    """Return all servers, including inactive ones."""
    query = (
        "SELECT s.id, s.name, s.server_url, s.token, s.is_active, s.source, s.machine_identifier, s.version,"
        " count(l.id), ifnull(sum(l.sync_enabled), 0), max(l.last_sync_at),"
        " s.last_error_type, s.last_error, s.last_error_hint, s.failing_since, s.next_try_at"
        " FROM plex_servers AS s LEFT JOIN libraries AS l ON l.server_id = s.id GROUP BY s.id ORDER BY s.name"
    )
    return [_server(*row) for row in connection.execute(query)]


def machine_of(connection: sqlite3.Connection, server_id: int) -> str | None:
    """Return the machineIdentifier that a server is known by; None if it was never reached."""
    row = connection.execute("SELECT machine_identifier FROM plex_servers WHERE id = ?", (server_id,)).fetchone()
    return None if row is None else row[0]


def _server(
    row_id: int,
    name: str,
    url: str,
    token: str | None,
    is_active: int,
    *rest: Any,  # of any types: as the row has them
) -> StoredServer:
    *columns, kind, message, hint, since, next_try_at = rest
    problem = None if message is None else Problem(kind or "", message, hint, since, next_try_at)
    secret = Secret(token) if token else None
    return msgspec.structs.replace(
        StoredServer(row_id, name, url, secret, bool(is_active), *columns), problem=problem, next_try_at=next_try_at
    )


def insert_server(connection: sqlite3.Connection, section: ServerSection, *, is_active: bool, now: int) -> int:
    """Store a server with its token and return the row's id.

    An inactive row of that name, left over from a configuration, is reused with everything that belongs to it.
    """
    values = (section.url, section.token.reveal(), is_active, now, section.name)
    left_behind = connection.execute(
        "UPDATE plex_servers SET server_url = ?, token = ?, is_active = ?, source = 'database', updated_at = ?"
        " WHERE name = ? AND source = 'config' AND is_active = 0 RETURNING id",
        values,
    ).fetchall()
    for (row_id,) in left_behind:
        return int(row_id)
    cursor = connection.execute(
        "INSERT INTO plex_servers (server_url, token, is_active, updated_at, created_at, name)"
        " VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
        values,
    )
    return cursor.lastrowid or 0


def set_server_active(connection: sqlite3.Connection, server_id: int, *, is_active: bool, now: int) -> None:
    """Switch the sync of a server on or off; its rows stay either way."""
    connection.execute(
        "UPDATE plex_servers SET is_active = ?, updated_at = ? WHERE id = ?", (is_active, now, server_id)
    )


def update_server(connection: sqlite3.Connection, server_id: int, section: ServerSection, now: int) -> None:
    """Change the name, address or token of a server that the database defines."""
    connection.execute(
        "UPDATE plex_servers SET name = ?, server_url = ?, token = ?, updated_at = ? WHERE id = ?",
        (section.name, section.url, section.token.reveal(), now, server_id),
    )


def update_token(connection: sqlite3.Connection, server_id: int, token: Secret, now: int) -> None:
    """Replace the token of a server that the database defines."""
    connection.execute(
        "UPDATE plex_servers SET token = ?, updated_at = ? WHERE id = ?", (token.reveal(), now, server_id)
    )


def belongings(connection: sqlite3.Connection, server_id: int) -> dict[str, int]:
    """Count the rows that would be deleted with a server, by table."""
    return {
        table: connection.execute(f"SELECT count(*) FROM {table} WHERE server_id = ?", (server_id,)).fetchone()[0]
        for table in _BELONGINGS
    }


def delete_server(path: Path, server_id: int, now: int) -> Iterator[int]:
    """Delete a server with everything that belongs to it, in small transactions; yield the number of rows in each.

    It is switched off first, so that a daemon stops syncing it. If interrupted, it stays switched off with fewer
    rows.
    """
    with changing(path) as connection:
        set_server_active(connection, server_id, is_active=False, now=now)
    gone: int | None = 0
    while gone is not None:
        yield gone
        with changing(path) as connection:
            gone = delete_part(connection, server_id)


def delete_part(connection: sqlite3.Connection, server_id: int) -> int | None:
    """Delete the next rows that belong to a server, and return how many; None if the server itself was deleted.

    Each call is for a transaction of its own. What others add meanwhile, such as a pass that is about to end, is
    deleted, too.
    """
    for table in _BELONGINGS:
        if gone := _delete_some(connection, table, server_id):
            return gone
    connection.execute("DELETE FROM plex_servers WHERE id = ?", (server_id,))
    forget_outages(connection, server_id)
    return None


def _delete_some(connection: sqlite3.Connection, table: str, server_id: int) -> int:
    """Delete some of a server's rows in a table, and return how many."""
    query = f"SELECT rowid FROM {table} WHERE server_id = ? LIMIT ?"
    ids = [row_id for (row_id,) in connection.execute(query, (server_id, _AT_ONCE))]
    if (kind := _KINDS.get(table)) is not None:
        record_collections_of(connection, kind, ids)
        record(connection, kind, "deleted", ids)
    return connection.execute(
        f"DELETE FROM {table} WHERE rowid IN (SELECT value FROM json_each(?))", (json_list(ids),)
    ).rowcount


def reconcile_servers(connection: sqlite3.Connection, entries: Iterable[ServerEntry], now: int) -> None:
    """Update the rows to the configuration; rows that match it already are not written.

    A server that was removed from the configuration becomes inactive and keeps its rows. A server defined in the
    database keeps its url and token there, for the time when the configuration no longer names it.
    """
    rows = read_servers(connection)
    kept = set()
    for entry in entries:
        row = find_named(rows, entry.name)
        if row is None:
            server_id = connection.execute(
                "INSERT INTO plex_servers (name, server_url, source, created_at, updated_at)"
                " VALUES (?, ?, 'config', ?, ?)",
                (entry.name, entry.url, now, now),
            ).lastrowid
        else:
            server_id = row.id
            if row.source == "config" and (row.name, row.url, row.is_active) != (entry.name, entry.url, True):
                connection.execute(
                    "UPDATE plex_servers SET name = ?, server_url = ?, is_active = 1, updated_at = ? WHERE id = ?",
                    (entry.name, entry.url, now, row.id),
                )
        kept.add(server_id)
        reconcile_mappings(connection, server_id or 0, entry.path_mappings, now)
    for row in rows:
        if row.id in kept:
            continue
        reconcile_mappings(connection, row.id, (), now)
        if row.source == "config" and row.is_active:
            set_server_active(connection, row.id, is_active=False, now=now)


def bind_identity(
    connection: sqlite3.Connection,
    server_id: int,
    name: str,
    machine_identifier: str,
    version: str | None,
    now: int,
) -> int:
    """Bind a server's row to the machine that answers at its address; return the id of the server's row.

    That is a different row if the server was known under another name before: the inactive row with this
    machineIdentifier, which owns all of its items, takes over the new name and settings.

    Raise WrongServer if the row belongs to another machine, DuplicateServer if another active row is this machine,
    ServerForgotten if the row no longer exists.
    """
    rows = {row.id: row for row in read_servers(connection)}
    row = rows.get(server_id)
    if row is None:
        raise ServerForgotten(name)
    if row.machine_identifier not in {None, machine_identifier}:
        raise WrongServer(row.name, row.machine_identifier or "", machine_identifier)
    other = next((r for r in rows.values() if r.machine_identifier == machine_identifier and r.id != server_id), None)
    if other is not None and (other.is_active or row.machine_identifier is not None):
        raise DuplicateServer(row.name, other.name)
    if other is not None:
        _adopt(connection, row, other, now)
        server_id = other.id
    connection.execute(
        "UPDATE plex_servers SET machine_identifier = ?1, version = ?2, updated_at = ?3"
        " WHERE id = ?4 AND (machine_identifier IS NOT ?1 OR version IS NOT ?2)",
        (machine_identifier, version, now, server_id),
    )
    return server_id


def _adopt(connection: sqlite3.Connection, row: StoredServer, older: StoredServer, now: int) -> None:
    """Give ``older`` the name and settings of ``row``, which is deleted: it never had a library."""
    connection.execute("DELETE FROM plex_path_mappings WHERE server_id = ? AND source = 'config'", (older.id,))
    connection.execute("UPDATE plex_path_mappings SET server_id = ? WHERE server_id = ?", (older.id, row.id))
    connection.execute("DELETE FROM plex_servers WHERE id = ?", (row.id,))
    token = row.token.reveal() if row.token else None
    connection.execute(
        "UPDATE plex_servers SET name = ?, server_url = ?, token = ?, source = ?, is_active = 1, updated_at = ?"
        " WHERE id = ?",
        (row.name, row.url, token, row.source, now, older.id),
    )
