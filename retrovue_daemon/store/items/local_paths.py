"""Local paths of stored files, recomputed when the mappings or the library's name change."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiosqlite

    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.items.rows import Target

_BATCH = 2_000
_FILES = """
SELECT id, plex_path, file_path, library_name FROM media_files WHERE library_id = ? AND id > ? ORDER BY id LIMIT ?
"""


async def recompute_paths(database: Database, target: Target) -> int:
    """Update ``file_path`` and ``library_name`` of a library's files; return how many rows changed.

    This needs no network. The items' digests stay the same because they do not include local paths.
    """
    # Work submitted by cancelled passes may still be waiting for the writer.
    await database.writer.catch_up()
    changed = last = 0
    while rows := list(await database.reader.execute_fetchall(_FILES, (target.library_id, last, _BATCH))):
        last = rows[-1][0]
        updates = []
        for row_id, plex_path, file_path, library_name in rows:
            local = None if plex_path is None else target.local_path(plex_path)
            if (local, target.library_name) != (file_path, library_name):
                updates.append((local, target.library_name, row_id))
        if updates:
            await database.writer.write(partial(_update, updates=updates))
            changed += len(updates)
    return changed


async def settle_paths(database: Database, library_id: int, fingerprint: int) -> None:
    """Store what all local paths of a library were computed from, so that they are not computed again needlessly."""
    await _set_fingerprint(database, library_id, fingerprint)


async def outdate_paths(database: Database, library_id: int) -> None:
    """Have the local paths of a library recomputed at the next check."""
    await _set_fingerprint(database, library_id, None)


async def _set_fingerprint(database: Database, library_id: int, fingerprint: int | None) -> None:
    await database.writer.write(
        lambda connection: connection.execute(
            "UPDATE libraries SET path_fingerprint = ? WHERE id = ? AND path_fingerprint IS NOT ?",
            (fingerprint, library_id, fingerprint),
        )
    )


async def _update(connection: aiosqlite.Connection, *, updates: list[tuple[str | None, str, int]]) -> None:
    await connection.executemany("UPDATE media_files SET file_path = ?, library_name = ? WHERE id = ?", updates)
