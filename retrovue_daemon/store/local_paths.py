"""Local paths of stored files, computed anew when the mappings or the library's name change."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiosqlite

    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.rows import Target

_BATCH = 2_000
_FILES = """
SELECT id, plex_path, file_path, library_name FROM media_files WHERE library_id = ? AND id > ? ORDER BY id LIMIT ?
"""


async def recompute_paths(database: Database, target: Target, fingerprint: int) -> int:
    """Bring ``file_path`` and ``library_name`` of a library's files up to date; return how many rows changed.

    No network is needed, and the items' digests are not touched: local paths are no part of them. ``fingerprint``
    stands for what the paths were computed from; it is stored last, so that an interruption starts over.
    """
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
    await database.writer.write(
        lambda connection: connection.execute(
            "UPDATE libraries SET path_fingerprint = ? WHERE id = ?", (fingerprint, target.library_id)
        )
    )
    return changed


async def outdate_paths(database: Database, library_id: int) -> None:
    """Have the local paths of a library computed anew the next time that somebody looks."""
    await database.writer.write(
        lambda connection: connection.execute(
            "UPDATE libraries SET path_fingerprint = NULL WHERE id = ?", (library_id,)
        )
    )


async def _update(connection: aiosqlite.Connection, *, updates: list[tuple[str | None, str, int]]) -> None:
    await connection.executemany("UPDATE media_files SET file_path = ?, library_name = ? WHERE id = ?", updates)
