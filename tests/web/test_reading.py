"""The page's own connections to the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.errors import QueryTooSlow, StoreError
from retrovue_daemon.store.database import open_database
from retrovue_daemon.web.reading import CONNECTIONS, ReadingPool
from tests.support.web import rows_of

if TYPE_CHECKING:
    import sqlite3

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def _count(connection: sqlite3.Connection, sql: str = "SELECT count(*) FROM plex_servers") -> int:
    return connection.execute(sql).fetchone()[0]


async def test_a_query_that_takes_too_long_is_ended(path) -> None:
    """The connections are free again, and the writer was never kept waiting."""
    async with open_database(path) as database:
        pool = ReadingPool(path, longest_s=0.05)
        ended = await asyncio.gather(
            *(pool.run(_count, ENDLESS) for _ in range(CONNECTIONS + 1)),
            database.writer.catch_up(),
            return_exceptions=True,
        )
        assert [type(each) for each in ended] == [QueryTooSlow] * (CONNECTIONS + 1) + [type(None)]
        assert await pool.run(_count) == 0
        await pool.close()


async def test_a_query_whose_browser_has_gone_is_ended(path) -> None:
    """Its connection serves the next one."""
    async with open_database(path):
        pool = ReadingPool(path)
        tasks = [asyncio.create_task(pool.run(_count, ENDLESS)) for _ in range(CONNECTIONS)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await pool.run(_count) == 0
        await pool.close()


async def test_a_query_reads_one_state_and_cannot_write(path) -> None:
    """Also if the writer commits between two of its statements."""
    async with open_database(path) as database:
        pool = ReadingPool(path)

        def twice(connection: sqlite3.Connection) -> tuple[int, int]:
            before = _count(connection)
            rows_of(
                path, "INSERT INTO plex_servers (name, server_url, created_at, updated_at) VALUES ('x', 'y', 1, 1)"
            )
            return before, _count(connection)

        assert await pool.run(twice) == (0, 0)
        assert await pool.run(_count) == 1
        with pytest.raises(StoreError, match="readonly"):
            await pool.run(lambda connection: connection.execute("DELETE FROM plex_servers"))
        assert await database.reader.run(_count) == 1
        await pool.close()
