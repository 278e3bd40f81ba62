"""The single task that writes to the database.

Every change of a row goes through its bounded queue as a query: a plain function that gets the connection. Each query
is one transaction, and its submitter gets the result or the error. A slow disk therefore slows down the network
instead of filling the memory, and SQLite never sees two writers of ours.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, TypeVarTuple

import structlog

from retrovue_daemon.errors import DatabaseBusy, DatabaseRestored, WriteFailed, WriterStopped
from retrovue_daemon.store.damaged_texts import error_name
from retrovue_daemon.store.file.companions import log_of
from retrovue_daemon.store.file.foreign_tables import REFUSED_HINT
from retrovue_daemon.store.file.restore_mark import restore_mark
from retrovue_daemon.store.file.sequences import as_used_up
from retrovue_daemon.store.file.space import as_disk_full

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from types import TracebackType

    from retrovue_daemon.store.connection import Connection

log = structlog.get_logger()
P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BUSY_TRIES = 60
"""Each attempt waits for the connection's busy_timeout (1 s): another program may hold the lock for a minute."""

TRIES_UNTIL_LOGGED = 5
"""Failed attempts, and so seconds, after which the wait is logged."""

CLOSING_S = 5.0
"""Seconds to wait for a lock or for a long transaction once the writer is to end: a service has ten to stop in."""

INTERRUPT_S = 0.2
"""Seconds that each transaction may take after that."""

LARGEST_MERGED = 256 * 1024 * 1024
"""Bytes of log that are merged while a service stops: a library of 1,000,000 items that is re-keyed writes 2.3 GB."""


class _Transaction(Generic[T]):
    """A query to be run as one transaction, and the future that gets its result.

    ``spills`` keeps large temporary tables in a file. ``is_abandoned`` is set if it must not be committed any more.
    """

    def __init__(self, query: Callable[[sqlite3.Connection], T], *, spills: bool) -> None:
        self.query = query
        self.spills = spills
        self.is_abandoned = False
        self.result: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        """Report an error to the submitter, unless it is gone."""
        if not self.result.done():
            self.result.set_exception(error)


class Writer:
    """Owns the write connection and the task that uses it, for the duration of its ``async with`` block.

    The task is independent of the tasks that submit queries: if one of them fails or is cancelled, the queries of the
    others still get done. Leaving the block finishes the queue. ``steps`` increases while the task is alive: with
    each finished transaction and with each attempt to get the lock. ``leaves_log`` becomes true if the last
    transaction wrote so much that merging the log would take too long now.
    """

    def __init__(self, connection: Connection, path: Path, *, depth: int = 4, mark: str | None = None) -> None:
        self._connection = connection
        self._path = path
        self._queue: asyncio.Queue[_Transaction[Any] | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(depth)
        self._mark = mark
        self._task: asyncio.Task[None] | None = None
        self._deadline: float | None = None
        self._failure: WriterStopped | None = None
        self._discarded = 0
        """The size of the log when a transaction was rolled back: what that wrote stays there, but is not merged."""
        self.steps = 0
        self.leaves_log = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work_off(), name="writer")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._deadline = asyncio.get_running_loop().time() + CLOSING_S
        self._queue.put_nowait(None)
        interrupting = asyncio.create_task(self._interrupt_late_work(), name="deadline of the writer")
        try:
            await self.stopped()
        finally:
            interrupting.cancel()
            await asyncio.gather(interrupting, return_exceptions=True)

    async def stopped(self) -> None:
        """Wait until the task has ended; raise WriterStopped if it did not end cleanly."""
        if self._task is None:
            return
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self._task.cancelled():
                raise self._end("the writer was cancelled") from None
            raise
        except Exception as error:
            raise self._end(f"the writer failed: {error}") from error

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work only as long as the task lives; raise WriterStopped if the task ends first."""
        doing = asyncio.create_task(work, name="guarded by the writer")
        ended = asyncio.create_task(self.stopped(), name="the writer's end")
        ends: list[asyncio.Future[Any]] = [doing, ended]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                await ended
            return await doing
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    def abort(self, failure: WriterStopped) -> None:
        """End the task at once: nothing more is committed, and all queries that are not done get this error."""
        self._failure = failure
        if self._task is not None:
            self._task.cancel()

    async def submit(
        self, query: Callable[[sqlite3.Connection, *Ts], T], *args: *Ts, spills: bool = False
    ) -> asyncio.Future[T]:
        """Submit a query with its arguments as soon as the queue has room; the future gets its result or error.

        ``spills`` keeps large temporary tables in a file, which then costs less memory and more time.
        """
        await self._room.acquire()
        try:
            future = self.post(query, *args, spills=spills)
        except WriterStopped:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future

    def post(
        self, query: Callable[[sqlite3.Connection, *Ts], T], *args: *Ts, spills: bool = False
    ) -> asyncio.Future[T]:
        """Submit a query at once, regardless of the bound: for the few small ones that end a pass."""
        if self._task is None or self._task.done():
            raise self._end("the writer is not running")
        transaction = _Transaction(lambda connection: query(connection, *args), spills=spills)
        self._queue.put_nowait(transaction)
        return transaction.result

    async def run(
        self, query: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a query as one transaction and return its result."""
        return await (await self.submit(lambda connection: query(connection, *args, **kwargs)))

    async def catch_up(self) -> None:
        """Wait until all queries submitted before are done; raise DatabaseBusy if the database stays locked."""
        await self.run(lambda _connection: None)

    async def _work_off(self) -> None:
        try:
            while (transaction := await self._queue.get()) is not None:
                await self._transact(transaction)
                # The next query may store what the submitter of this one makes of its result.
                await asyncio.sleep(0)
        finally:
            while not self._queue.empty():
                if (left := self._queue.get_nowait()) is not None:
                    left.fail(self._end("the writer ended before this was written"))

    async def _interrupt_late_work(self) -> None:
        """Roll back what takes longer than there is time; the next start begins it anew."""
        await asyncio.sleep(CLOSING_S)
        while True:
            before = self.steps
            await asyncio.sleep(INTERRUPT_S)
            if self.steps == before:
                # Again and again: it only affects the statement that is running.
                await self._connection.interrupt()

    async def _transact(self, transaction: _Transaction[Any]) -> None:
        """Run one transaction; only errors that make the connection unusable escape and end the writer."""
        try:
            result = await self._run_once_unlocked(transaction)
        except sqlite3.Error as error:
            # Answer first: a connection that cannot even roll back ends the writer, and the submitter must not hang.
            transaction.fail(_failure(self._path, error))
            await self._roll_back()
            self._discarded = self._log_size()
            if error_name(error) == "SQLITE_INTERRUPT":
                log.warning("store.interrupted", hint="the next start does this again from the beginning")
        except BaseException as error:
            if isinstance(error, DatabaseRestored):
                self._failure = error
            transaction.fail(error if isinstance(error, Exception) else self._end("cancelled"))
            # The thread may still be running it, or not have begun.
            transaction.is_abandoned = True
            await self._roll_back()
            if not isinstance(error, Exception) or error is self._failure:
                raise
        else:
            if not transaction.result.done():
                transaction.result.set_result(result)
            if self._deadline is not None and self._log_size() - self._discarded > LARGEST_MERGED:
                self.leaves_log = True
        finally:
            if transaction.spills:
                await self._connection.execute("PRAGMA temp_store = MEMORY")
        self.steps += 1

    async def _run_once_unlocked(self, transaction: _Transaction[T]) -> T:
        """Return the result of a transaction; it is begun again while another program holds the lock."""
        for tries_left in range(BUSY_TRIES - 1, -1, -1):
            self.steps += 1
            try:
                return await self._connection.run(self._run, transaction)
            except sqlite3.OperationalError as error:
                has_begun = self._connection.in_transaction
                if error_name(error) != "SQLITE_BUSY" or has_begun or not tries_left or self._too_late():
                    raise
                if tries_left == BUSY_TRIES - TRIES_UNTIL_LOGGED:
                    log.warning("store.waiting", hint="another program writes to the database; let it commit")
        raise AssertionError("the last try returns or raises")

    def _run(self, connection: sqlite3.Connection, transaction: _Transaction[T]) -> T:
        """Run a transaction in the connection's thread, in one visit: that costs more than a small query.

        After an exception, it may still be open. Raise DatabaseRestored if ids and times that the query may rely on
        are others now.
        """
        if transaction.spills:
            # SQLite allows this only outside of transactions.
            connection.execute("PRAGMA temp_store = FILE")
        connection.execute("BEGIN IMMEDIATE")
        if restore_mark(connection) != self._mark:
            connection.execute("ROLLBACK")
            raise DatabaseRestored(self._path)
        result = transaction.query(connection)
        if transaction.is_abandoned:
            connection.execute("ROLLBACK")
            return result
        if self._deadline is not None:
            # SQLite might merge the log as part of the commit, which may take too long now.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.commit()
        return result

    def _log_size(self) -> int:
        try:
            return log_of(self._path).stat().st_size
        except OSError:
            return 0

    def _too_late(self) -> bool:
        return self._deadline is not None and asyncio.get_running_loop().time() >= self._deadline

    async def _roll_back(self) -> None:
        if self._connection.in_transaction:
            await self._connection.rollback()

    def _end(self, detail: str) -> WriterStopped:
        """Return why the task has ended."""
        return self._failure or WriterStopped(self._path, detail)


def _failure(path: Path, error: sqlite3.Error) -> WriteFailed:
    """Return the error of this package that describes why a transaction failed."""
    if (failure := as_used_up(path, error) or as_disk_full(path, error)) is not None:
        return failure
    match error_name(error):
        case "SQLITE_BUSY":
            return DatabaseBusy(path, str(error))
        case "SQLITE_READONLY" | "SQLITE_CANTOPEN" | "SQLITE_IOERR":
            hint = "check the disk and the permissions of the database's directory"
            return WriteFailed(path, str(error), hint=hint)
        case "SQLITE_CONSTRAINT_FOREIGNKEY":
            return WriteFailed(path, str(error), hint=REFUSED_HINT)
        case _:
            return WriteFailed(path, str(error))
