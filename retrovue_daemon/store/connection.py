"""A connection to SQLite whose thread never outlives it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import aiosqlite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

_INTERRUPT_S = 0.1

_CHUNK = 64
"""Rows fetched at a time when iterating over a cursor, as in ``aiosqlite.connect``."""


class Connection(aiosqlite.Connection):
    """A connection that runs queries, plain functions of any number of statements, in its own thread."""

    async def run(
        self, query: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a query with these arguments in the connection's thread, and return its result.

        Awaiting each statement would wait for a turn of the event loop, and for the database, each time.
        """
        return await self._execute(query, self._conn, *args, **kwargs)  # type: ignore[no-any-return, no-untyped-call]

    async def end_queries(self) -> None:
        """Interrupt queries whose callers were cancelled: nothing else would end them, and closing would wait."""
        following = asyncio.create_task(self.execute_fetchall("SELECT 1"), name="end of all queries")
        while not (await asyncio.wait([following], timeout=_INTERRUPT_S))[0]:
            # Again and again: it only affects the statement that is running.
            await self.interrupt()
        with suppress(sqlite3.OperationalError):
            await following
        # What an interrupt leaves behind, the next statement clears. It would end the merge of the log.
        await self.execute_fetchall("SELECT 1")


@contextmanager
def savepoint(connection: sqlite3.Connection) -> Iterator[Callable[[], object]]:
    """Yield a function that undoes what the block has written so far, within the caller's transaction."""
    connection.execute("SAVEPOINT block")
    yield partial(connection.execute, "ROLLBACK TO block")
    connection.execute("RELEASE block")


@asynccontextmanager
async def connected(database: Path | str, **options: Any) -> AsyncIterator[Connection]:
    """Open a database with the options of ``sqlite3.connect``; leaving the block closes it.

    If opening fails or is cancelled, aiosqlite abandons a thread that is still working: it would report to an event
    loop that may be closed by then, and what it has opened would stay open.
    """
    connection = Connection(partial(sqlite3.connect, database, **options), _CHUNK)
    opening = asyncio.create_task(_opened(connection), name="opening of the database")
    try:
        await asyncio.shield(opening)
        yield connection
    finally:
        await asyncio.gather(opening, return_exceptions=True)
        await connection.close()
        await asyncio.to_thread(connection._thread.join)  # noqa: SLF001 -- no public attribute exposes the thread


async def _opened(connection: Connection) -> bool:
    return await connection is connection


def data_version(connection: sqlite3.Connection) -> int:
    """Return a number that changes whenever another connection commits: https://sqlite.org/pragma.html."""
    ((version,),) = connection.execute("PRAGMA data_version")
    return int(version)
