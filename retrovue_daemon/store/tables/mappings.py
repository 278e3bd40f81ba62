"""The table plex_path_mappings, and how far its mappings cover the stored files' paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.config.sections import mapping_form
from retrovue_daemon.records import PathMapping

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence


class StoredMapping(msgspec.Struct, frozen=True):
    """A row of plex_path_mappings, with its server's name."""

    id: int
    server_id: int
    server: str
    mapping: PathMapping
    source: str


def read_mappings(connection: sqlite3.Connection, server_id: int | None = None) -> list[StoredMapping]:
    """Return the mappings of all servers, or of one, ordered by precedence within each server."""
    query = (
        "SELECT m.id, m.server_id, s.name, m.plex_path, m.local_path, m.library_name, m.library_root, m.source"
        " FROM plex_path_mappings AS m JOIN plex_servers AS s ON s.id = m.server_id"
        " WHERE ?1 IS NULL OR m.server_id = ?1 ORDER BY s.name, m.id"
    )
    return [
        StoredMapping(row_id, server_id, server, PathMapping(*fields), source)
        for row_id, server_id, server, *fields, source in connection.execute(query, (server_id,))
    ]


def find_same(stored: Iterable[StoredMapping], mapping: PathMapping) -> StoredMapping | None:
    """Return the first of a server's mappings that maps the same directory for the same library, or None."""
    return next((row for row in stored if mapping_form(row.mapping) == mapping_form(mapping)), None)


def insert_mapping(
    connection: sqlite3.Connection, server_id: int, mapping: PathMapping, now: int, *, source: str = "database"
) -> int:
    """Append a mapping to a server's mappings and return the row's id."""
    cursor = connection.execute(
        "INSERT INTO plex_path_mappings"
        " (server_id, plex_path, local_path, library_name, library_root, source, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (server_id, mapping.plex_path, mapping.local_path, mapping.library_name, mapping.library_root, source, now),
    )
    return cursor.lastrowid or 0


def update_mapping(connection: sqlite3.Connection, mapping_id: int, mapping: PathMapping) -> None:
    """Change what a mapping maps; its place among the mappings of its server stays."""
    connection.execute(
        "UPDATE plex_path_mappings SET plex_path = ?, local_path = ?, library_name = ?, library_root = ?"
        " WHERE id = ?",
        (mapping.plex_path, mapping.local_path, mapping.library_name, mapping.library_root, mapping_id),
    )


def delete_mapping(connection: sqlite3.Connection, mapping_id: int) -> None:
    """Delete a mapping."""
    connection.execute("DELETE FROM plex_path_mappings WHERE id = ?", (mapping_id,))


def reconcile_mappings(
    connection: sqlite3.Connection, server_id: int, wanted: Sequence[PathMapping], now: int
) -> None:
    """Update the mappings that the configuration defines for a server."""
    stored = [row for row in read_mappings(connection, server_id) if row.source == "config"]
    if [row.mapping for row in stored] == list(wanted):
        return
    connection.executemany("DELETE FROM plex_path_mappings WHERE id = ?", [(row.id,) for row in stored])
    for mapping in wanted:
        insert_mapping(connection, server_id, mapping, now, source="config")


def stored_paths(connection: sqlite3.Connection, library_ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield the library's id and the Plex path of every file of these libraries that is still listed."""
    query = "SELECT plex_path FROM media_files WHERE library_id = ? AND plex_path IS NOT NULL AND state <> 'missing'"
    for library_id in library_ids:
        for (plex_path,) in connection.execute(query, (library_id,)):
            yield library_id, plex_path
