"""What people decide in the database: its own servers, and which libraries are synced and preferred.

The functions take a plain connection, as ``visits`` gives it; a running daemon notices what they change.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.config import MASK, Secret
from retrovue_daemon.store.file.visits import changing
from retrovue_daemon.store.tables.former_names import read_names, still_meant

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from retrovue_daemon.config import ServerSection

_AT_ONCE = 5_000
"""Rows that are deleted in one transaction: a daemon that writes beside it waits for each, not for all."""

_BELONGINGS = (
    "episodes", "movies", "media_files", "seasons", "shows", "sync_requests", "sync_runs", "plex_path_mappings",
    "libraries",
)  # fmt: skip
"""The tables whose rows belong to a server, children first."""


class StoredServer(msgspec.Struct, frozen=True):
    """A row of plex_servers; ``libraries`` are all of its own, ``enabled`` those that are switched on."""

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

    @property
    def shown_url(self) -> str:
        """The address without what may be a secret in it, if another program has stored one there."""
        return re.sub(r"//[^/@]*@", f"//{MASK}@", re.split("[?#]", self.url)[0])


class StoredLibrary(msgspec.Struct, frozen=True):
    """A row of libraries, with its server's name and all its roots.

    ``doubt`` is what its last complete listing left in doubt; ``former`` are titles by which it is still meant.
    """

    id: int
    server_id: int
    server: str
    key: str
    name: str
    kind: str
    roots: tuple[str, ...]
    sync_enabled: bool
    priority: int
    state: str
    last_full_sync_at: int | None
    last_sync_at: int | None
    last_error: str | None
    doubt: str | None = None
    former: tuple[str, ...] = ()


def servers(connection: sqlite3.Connection) -> list[StoredServer]:
    """Return all servers, also the inactive ones."""
    query = (
        "SELECT s.id, s.name, s.server_url, s.token, s.is_active, s.source, s.machine_identifier, s.version,"
        " count(l.id), ifnull(sum(l.sync_enabled), 0), max(l.last_sync_at)"
        " FROM plex_servers AS s LEFT JOIN libraries AS l ON l.server_id = s.id GROUP BY s.id ORDER BY s.name"
    )
    return [
        StoredServer(row_id, name, url, Secret(token) if token else None, bool(is_active), *rest)
        for row_id, name, url, token, is_active, *rest in connection.execute(query)
    ]


def add_server(connection: sqlite3.Connection, section: ServerSection, *, is_active: bool, now: int) -> int:
    """Store a server with its token and return the row's id.

    An inactive row of that name, which a configuration left behind, is taken over with all that belongs to it.
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


def switch_server(connection: sqlite3.Connection, server_id: int, *, is_active: bool, now: int) -> None:
    """Let a server be synced, or not; its rows stay either way."""
    connection.execute(
        "UPDATE plex_servers SET is_active = ?, updated_at = ? WHERE id = ?", (is_active, now, server_id)
    )


def change_server(connection: sqlite3.Connection, server_id: int, section: ServerSection, now: int) -> None:
    """Give a server that the database defines another name, address or token."""
    connection.execute(
        "UPDATE plex_servers SET name = ?, server_url = ?, token = ?, updated_at = ? WHERE id = ?",
        (section.name, section.url, section.token.reveal(), now, server_id),
    )


def set_token(connection: sqlite3.Connection, server_id: int, token: Secret, now: int) -> None:
    """Exchange the token of a server that the database defines."""
    connection.execute(
        "UPDATE plex_servers SET token = ?, updated_at = ? WHERE id = ?", (token.reveal(), now, server_id)
    )


def belongings(connection: sqlite3.Connection, server_id: int) -> dict[str, int]:
    """Count what goes with a server, by table."""
    return {
        table: connection.execute(f"SELECT count(*) FROM {table} WHERE server_id = ?", (server_id,)).fetchone()[0]
        for table in _BELONGINGS
    }


def remove_server(path: Path, server_id: int, now: int) -> Iterator[int]:
    """Delete a server with all that belongs to it, in small transactions; yields how many rows went in each.

    It is switched off first, so that a daemon stops to sync it. An interruption leaves it so, with fewer rows.
    """
    with changing(path) as connection:
        switch_server(connection, server_id, is_active=False, now=now)
    for table in _BELONGINGS:
        query = f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE server_id = ? LIMIT ?)"
        gone = _AT_ONCE
        while gone == _AT_ONCE:
            with changing(path) as connection:
                gone = connection.execute(query, (server_id, _AT_ONCE)).rowcount
            yield gone
    with changing(path) as connection:
        connection.execute("DELETE FROM plex_servers WHERE id = ?", (server_id,))


def libraries(connection: sqlite3.Connection) -> list[StoredLibrary]:
    """Return the libraries of all servers, in the order of server and title."""
    query = (
        "SELECT l.id, l.server_id, s.name, l.library_key, l.library_name, l.library_type, l.library_root,"
        " l.sync_enabled, l.priority, l.state, l.last_full_sync_at, l.last_sync_at, l.last_error,"
        " l.doubt, l.former_names"
        " FROM libraries AS l JOIN plex_servers AS s ON s.id = l.server_id"
        " ORDER BY s.name, l.library_name COLLATE NOCASE, l.id"
    )
    roots: dict[int, tuple[str, ...]] = {}
    for library_id, root in connection.execute("SELECT library_id, path FROM library_locations ORDER BY path"):
        roots[library_id] = (*roots.get(library_id, ()), root)
    titles: dict[int, list[str]] = {}
    query_titles = "SELECT server_id, library_name FROM libraries WHERE state <> 'missing'"
    for server_id, title in connection.execute(query_titles):
        titles.setdefault(server_id, []).append(title)
    found = []
    for row_id, server_id, server, key, name, kind, root, enabled, *rest, former in connection.execute(query):
        known = roots.get(row_id, (root,) if root else ())
        library = StoredLibrary(row_id, server_id, server, key, name, kind, known, bool(enabled), *rest)
        meant = still_meant(read_names(former), titles.get(server_id, ()))
        found.append(msgspec.structs.replace(library, former=meant))
    return found


def switch_library(connection: sqlite3.Connection, library_id: int, *, enabled: bool, now: int) -> None:
    """Let a library be synced, or not; its rows stay either way."""
    connection.execute(
        "UPDATE libraries SET sync_enabled = ?, updated_at = ? WHERE id = ?", (enabled, now, library_id)
    )


def set_priority(connection: sqlite3.Connection, library_id: int, priority: int, now: int) -> None:
    """Say which library is preferred where several hold the same work: the one with the lowest number."""
    connection.execute("UPDATE libraries SET priority = ?, updated_at = ? WHERE id = ?", (priority, now, library_id))
