"""Connections of the page's own: a slow query delays other pages, but neither passes nor the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from retrovue_daemon.errors import QueryTooSlow
from retrovue_daemon.store.connection import read_transaction
from retrovue_daemon.store.database import open_reader, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from retrovue_daemon.store.connection import Connection

P = ParamSpec("P")
T = TypeVar("T")

CONNECTIONS = 2
"""Queries that run at once; each connection has a thread, and is opened when it is first needed."""

LONGEST_S = 10.0
"""Seconds that a query may take."""


class ReadingPool:
    """Runs queries, plain functions of a connection, each in one read transaction."""

    def __init__(self, path: Path, *, longest_s: float = LONGEST_S) -> None:
        self._path = path
        self._longest_s = longest_s
        self._stack = AsyncExitStack()
        self._free: asyncio.LifoQueue[Connection | None] = asyncio.LifoQueue()
        for _ in range(CONNECTIONS):
            self._free.put_nowait(None)

    async def run(
        self, query: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the result of a query. Raise QueryTooSlow after ten seconds, StoreError if it fails."""
        connection = await self._free.get()
        try:
            if connection is None:
                connection = await self._stack.enter_async_context(open_reader(self._path))
            return await self._within_time(connection, query, *args, **kwargs)
        except sqlite3.Error as error:
            raise unreadable(self._path, error) from error
        finally:
            self._free.put_nowait(connection)

    async def _within_time(
        self,
        connection: Connection,
        query: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a query, and end it if it takes too long, or if its caller is cancelled."""
        is_over = False

        def in_transaction(open_database: sqlite3.Connection) -> T:
            open_database.set_progress_handler(lambda: is_over, 10_000)
            try:
                with read_transaction(open_database):
                    return query(open_database, *args, **kwargs)
            finally:
                open_database.set_progress_handler(None, 0)

        try:
            async with asyncio.timeout(self._longest_s):
                return await connection.run(in_transaction)
        except TimeoutError:
            raise QueryTooSlow(self._path) from None
        finally:
            is_over = True

    async def close(self) -> None:
        """Close all connections."""
        await self._stack.aclose()
