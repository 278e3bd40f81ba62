"""A connection to SQLite whose thread never outlives it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiosqlite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def connected(database: Path | str, **options: Any) -> AsyncIterator[aiosqlite.Connection]:
    """Open a database, with the options of ``sqlite3.connect``; leaving the block closes it.

    aiosqlite lets go of a thread that is still at work where opening fails or is cancelled: it would report to an
    event loop that may be closed by then, and what it has opened would stay open.
    """
    connection = aiosqlite.connect(database, **options)
    opening = asyncio.create_task(_open(connection), name="opening of the database")
    try:
        yield await asyncio.shield(opening)
    finally:
        await asyncio.gather(opening, return_exceptions=True)
        await connection.close()
        await asyncio.to_thread(connection._thread.join)  # noqa: SLF001 -- nothing public tells of its end


async def _open(connection: aiosqlite.Connection) -> aiosqlite.Connection:
    return await connection
