"""A connection to SQLite whose thread never outlives it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

import aiosqlite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

GRACE_S = 0.003
"""Seconds for which a query may block the event loop: most take less.

While two threads compute, each step of a statement waits for the interpreter lock: with libraries of a hundred
episodes, that took a fifth of the processor time. If a disk is slow, the event loop runs on meanwhile.
"""

TURN_S = 0.01
"""Seconds for which all queries together may block it in one of its turns: many servers may begin one at once."""

_INTERRUPT_S = 0.1

_CHUNK = 64
"""Rows fetched at a time when iterating over a cursor, as in ``aiosqlite.connect``."""


class Patience:
    """How long the queries of one connection may still block the event loop in its current turn."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._left_s = TURN_S

    def wait(self, over: Lock) -> None:
        """Wait until a query is over, which releases the lock, but for GRACE_S at most."""
        if over.acquire(blocking=False) or self._left_s <= 0:
            return
        if self._left_s == TURN_S:
            asyncio.get_running_loop().call_soon(self._renew)
        began = self._clock()
        over.acquire(timeout=min(GRACE_S, self._left_s))
        self._left_s -= self._clock() - began

    def _renew(self) -> None:
        self._left_s = TURN_S


class Visit(Generic[T]):
    """A query in the thread of its connection; await it for the result.

    To await it blocks the event loop until the query has ended, for as long as there is patience.
    """

    def __init__(self, query: Callable[[], T], patience: Patience) -> None:
        self.result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._query = query
        self._patience = patience
        self._over = Lock()
        self._over.acquire()

    def work(self) -> T:
        """Do the query in the connection's thread."""
        try:
            return self._query()
        finally:
            self._over.release()

    def __await__(self) -> Generator[Any, None, T]:
        self._patience.wait(self._over)
        return self.result.__await__()


class Connection(aiosqlite.Connection):
    """A connection that runs queries, plain functions of any number of statements, in its own thread."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None:
        super().__init__(connector, iter_chunk_size)
        self._patience = Patience()

    def run(
        self, query: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Visit[T]:
        """Begin a query with these arguments in the connection's thread, and return what to await for its result.

        Awaiting each statement would wait for a turn of the event loop, and for the database, each time.
        """
        if not self._running:
            raise ValueError("the connection is closed")
        visit: Visit[T] = Visit(partial(query, self._conn, *args, **kwargs), self._patience)
        self._tx.put_nowait((visit.result, visit.work))
        return visit

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


@contextmanager
def read_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Let every query of the block see the database as it is at the first of them.

    Within such a block of a caller, it is the caller's first query.
    """
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


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
