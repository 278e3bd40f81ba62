"""What is no longer listed: finding how much would go, and marking it missing. Rows are never deleted here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.records import Kind
from retrovue_daemon.store.lookup import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiosqlite


async def mark_missing(
    connection: aiosqlite.Connection, kind: Kind, library_id: int, ids: Sequence[int], now: int
) -> int:
    """Mark rows of a library missing, with their files; return how many there were.

    A row that another library's pass took over since it was judged is left alone.
    """
    table = TABLES[kind]
    cursor = await connection.executemany(
        f"UPDATE {table} SET state = 'missing', missing_since = ?"
        " WHERE id = ? AND library_id = ? AND state <> 'missing'",
        ((now, row_id, library_id) for row_id in ids),
    )
    removed = cursor.rowcount if ids else 0
    if kind in {Kind.MOVIE, Kind.EPISODE}:
        await connection.executemany(
            "UPDATE media_files SET state = 'missing' WHERE (server_id, rating_key) ="
            f" (SELECT server_id, rating_key FROM {table} WHERE id = ? AND state = 'missing')",
            ((row_id,) for row_id in ids),
        )
    return removed


async def forget_library(connection: aiosqlite.Connection, library_id: int) -> None:
    """Mark a library itself missing; being listed again makes it active."""
    await connection.execute("UPDATE libraries SET state = 'missing' WHERE id = ?", (library_id,))


async def counts(connection: aiosqlite.Connection, kind: Kind, library_id: int, since: int) -> tuple[int, int]:
    """Return how many rows of a kind a library has that are not missing, and how many went missing ``since``."""
    query = (
        "SELECT count(*) FILTER (WHERE state <> 'missing'), count(*) FILTER (WHERE missing_since >= ?)"
        f" FROM {TABLES[kind]} WHERE library_id = ?"
    )
    ((present, gone),) = await connection.execute_fetchall(query, (since, library_id))
    return present, gone
