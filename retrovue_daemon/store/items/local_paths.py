"""Local paths of stored files, recomputed when the mappings or the library's name change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.store.feed.recording import record_owners
from retrovue_daemon.store.items.lookup import json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.items.rows import Target

_BATCH = 2_000
_FILES = """
SELECT id, plex_path, file_path, library_name FROM media_files WHERE library_id = ? AND id > ? ORDER BY id LIMIT ?
"""


async def recompute_paths(database: Database, target: Target) -> int:
    """Update ``file_path`` and ``library_name`` of a library's files, in batches; return how many rows changed.

    This needs no network. The items' digests stay the same because they do not include local paths.
    """
    # Work submitted by cancelled passes may still be waiting for the writer.
    await database.writer.catch_up()
    changed = last = 0
    while rows := await database.reader.run(_files, target.library_id, last):
        last = rows[-1][0]
        updates, moved = [], []
        for row_id, plex_path, file_path, library_name in rows:
            local = None if plex_path is None else target.local_path(plex_path)
            if (local, target.library_name) != (file_path, library_name):
                updates.append((local, target.library_name, row_id))
                if local != file_path:
                    moved.append(row_id)
        if updates:
            await database.writer.run(_update, updates, moved)
            changed += len(updates)
    return changed


def _files(
    connection: sqlite3.Connection, library_id: int, last: int
) -> list[tuple[int, str | None, str | None, str]]:
    """Return the next batch of a library's files, those with ids after ``last``."""
    return connection.execute(_FILES, (library_id, last, _BATCH)).fetchall()


def _update(connection: sqlite3.Connection, updates: list[tuple[str | None, str, int]], moved: list[int]) -> None:
    """Write the paths of files; ``moved`` are the ids of those with another path, not only another name."""
    connection.executemany("UPDATE media_files SET file_path = ?, library_name = ? WHERE id = ?", updates)
    record_owners(connection, moved, "path_changed")
    record_owners(connection, {row_id for *_, row_id in updates}.difference(moved))


def set_fingerprints_of_empty(connection: sqlite3.Connection, fingerprints: Mapping[int, int]) -> set[int]:
    """Store the fingerprints of those of these libraries that have no files, and return the libraries' ids."""
    query = "SELECT id FROM libraries AS l WHERE id IN (SELECT value FROM json_each(?))"
    query += " AND NOT EXISTS (SELECT 1 FROM media_files WHERE library_id = l.id)"
    empty = {row_id for (row_id,) in connection.execute(query, (json_list(fingerprints),))}
    for library_id in empty:
        set_fingerprint(connection, library_id, fingerprints[library_id])
    return empty


def set_fingerprint(connection: sqlite3.Connection, library_id: int, fingerprint: int | None) -> None:
    """Store what all local paths of a library were computed from; None has them recomputed at the next check."""
    connection.execute(
        "UPDATE libraries SET path_fingerprint = ? WHERE id = ? AND path_fingerprint IS NOT ?",
        (fingerprint, library_id, fingerprint),
    )
