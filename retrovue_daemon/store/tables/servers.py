"""The rows of plex_servers and plex_path_mappings: who is whose, and what the configuration says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.errors import DuplicateServer, ServerForgotten, WrongServer
from retrovue_daemon.records import PathMapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import aiosqlite


class ServerRow(msgspec.Struct, frozen=True):
    """A stored server; ``token`` is set only where the database is its source. Never log one."""

    id: int
    name: str
    url: str
    token: str | None
    is_active: bool
    source: str
    machine_identifier: str | None

    def __repr__(self) -> str:
        return f"ServerRow(id={self.id}, name={self.name!r}, source={self.source!r})"


class ServerEntry(msgspec.Struct, frozen=True):
    """A server as the configuration file defines it."""

    name: str
    url: str
    path_mappings: Sequence[PathMapping]


async def servers(connection: aiosqlite.Connection) -> list[ServerRow]:
    """Return all servers, also the inactive ones."""
    query = "SELECT id, name, server_url, token, is_active, source, machine_identifier FROM plex_servers ORDER BY id"
    return [
        ServerRow(row_id, name, url, token, bool(is_active), source, machine_identifier)
        for row_id, name, url, token, is_active, source, machine_identifier in await connection.execute_fetchall(
            query
        )
    ]


async def reconcile_servers(connection: aiosqlite.Connection, entries: Iterable[ServerEntry], now: int) -> None:
    """Make the rows say what the configuration says; rows that already do are not written.

    A server that has left the configuration becomes inactive, its rows stay. One that the database defines itself
    keeps its url and token, for the day when the configuration no longer names it.
    """
    rows = {row.name: row for row in await servers(connection)}
    named = set()
    for entry in entries:
        named.add(entry.name)
        row = rows.get(entry.name)
        if row is None:
            await connection.execute(
                "INSERT INTO plex_servers (name, server_url, source, created_at, updated_at)"
                " VALUES (?, ?, 'config', ?, ?)",
                (entry.name, entry.url, now, now),
            )
        elif row.source == "config" and (row.url, row.is_active) != (entry.url, True):
            await connection.execute(
                "UPDATE plex_servers SET server_url = ?, is_active = 1, updated_at = ? WHERE id = ?",
                (entry.url, now, row.id),
            )
        await _reconcile_mappings(connection, entry, now)
    for row in rows.values():
        if row.name not in named:
            await connection.execute(
                "DELETE FROM plex_path_mappings WHERE server_id = ? AND source = 'config'", (row.id,)
            )
        if row.source == "config" and row.is_active and row.name not in named:
            await connection.execute(
                "UPDATE plex_servers SET is_active = 0, updated_at = ? WHERE id = ?", (now, row.id)
            )


async def bind_identity(
    connection: aiosqlite.Connection,
    server_id: int,
    name: str,
    machine_identifier: str,
    version: str | None,
    now: int,
) -> int:
    """Tie a server's row to the machine that answers at its address; return the id of the row that is the server's.

    That is another row where the server was known under another name before: the inactive row with this
    machineIdentifier, to which all its items belong, takes over the new name and settings.

    Raises WrongServer where the row belongs to another machine, DuplicateServer where another active row is this one,
    ServerForgotten where there is no such row any more.
    """
    rows = {row.id: row for row in await servers(connection)}
    row = rows.get(server_id)
    if row is None:
        raise ServerForgotten(name)
    check_identity(row, machine_identifier)
    other = next((r for r in rows.values() if r.machine_identifier == machine_identifier and r.id != server_id), None)
    if other is not None and (other.is_active or row.machine_identifier is not None):
        raise DuplicateServer(row.name, other.name)
    if other is not None:
        await _adopt(connection, row, other, now)
        server_id = other.id
    await connection.execute(
        "UPDATE plex_servers SET machine_identifier = ?1, version = ?2, updated_at = ?3"
        " WHERE id = ?4 AND (machine_identifier IS NOT ?1 OR version IS NOT ?2)",
        (machine_identifier, version, now, server_id),
    )
    return server_id


def check_identity(row: ServerRow, machine_identifier: str) -> None:
    """Raise WrongServer where a row belongs to another machine."""
    if row.machine_identifier not in {None, machine_identifier}:
        raise WrongServer(row.name, row.machine_identifier or "", machine_identifier)


async def path_mappings(connection: aiosqlite.Connection, server_id: int) -> list[PathMapping]:
    """Return the path mappings of a server, from the configuration and from the database."""
    query = (
        "SELECT plex_path, local_path, library_name, library_root FROM plex_path_mappings"
        " WHERE server_id = ? ORDER BY id"
    )
    return [PathMapping(*row) for row in await connection.execute_fetchall(query, (server_id,))]


async def _adopt(connection: aiosqlite.Connection, row: ServerRow, older: ServerRow, now: int) -> None:
    """Give ``older`` the name and settings of ``row``, which goes: it never had a library."""
    await connection.execute("DELETE FROM plex_path_mappings WHERE server_id = ? AND source = 'config'", (older.id,))
    await connection.execute("UPDATE plex_path_mappings SET server_id = ? WHERE server_id = ?", (older.id, row.id))
    await connection.execute("DELETE FROM plex_servers WHERE id = ?", (row.id,))
    await connection.execute(
        "UPDATE plex_servers SET name = ?, server_url = ?, token = ?, source = ?, is_active = 1, updated_at = ?"
        " WHERE id = ?",
        (row.name, row.url, row.token, row.source, now, older.id),
    )


async def _reconcile_mappings(connection: aiosqlite.Connection, entry: ServerEntry, now: int) -> None:
    query = (
        "SELECT m.plex_path, m.local_path, m.library_name, m.library_root FROM plex_path_mappings AS m"
        " JOIN plex_servers AS s ON s.id = m.server_id WHERE s.name = ? AND m.source = 'config' ORDER BY m.id"
    )
    stored = [PathMapping(*row) for row in await connection.execute_fetchall(query, (entry.name,))]
    if stored == list(entry.path_mappings):
        return
    await connection.execute(
        "DELETE FROM plex_path_mappings WHERE source = 'config'"
        " AND server_id = (SELECT id FROM plex_servers WHERE name = ?)",
        (entry.name,),
    )
    await connection.executemany(
        "INSERT INTO plex_path_mappings"
        " (server_id, plex_path, local_path, library_name, library_root, source, created_at)"
        " SELECT id, ?, ?, ?, ?, 'config', ? FROM plex_servers WHERE name = ?",
        [
            (mapping.plex_path, mapping.local_path, mapping.library_name, mapping.library_root, now, entry.name)
            for mapping in entry.path_mappings
        ],
    )
