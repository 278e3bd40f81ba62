"""Opening the database: one connection for reading, one for the writer."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog

from retrovue_daemon.errors import LOCKED_HINT, DatabaseHeld, DatabaseUnusable
from retrovue_daemon.store.connection import connected
from retrovue_daemon.store.feed.recording import last_entry
from retrovue_daemon.store.file.epoch import enter, highest_ids, leave, left_log, mark_path
from retrovue_daemon.store.file.identity import OpenFiles
from retrovue_daemon.store.file.lock import database_lock, lock_path
from retrovue_daemon.store.file.preparation import Interruption, check_place, hand_over, prepared
from retrovue_daemon.store.file.restore_mark import restore_mark
from retrovue_daemon.store.file.space import as_disk_full
from retrovue_daemon.store.file_watch import last_look, watched
from retrovue_daemon.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from retrovue_daemon.errors import StoreError
    from retrovue_daemon.store.connection import Connection
    from retrovue_daemon.store.file.epoch import Mark

log = structlog.get_logger()

_PRAGMAS = """
PRAGMA synchronous = NORMAL;
PRAGMA foreign_keys = ON;
PRAGMA busy_timeout = 5000;
PRAGMA wal_autocheckpoint = 4000;
PRAGMA journal_size_limit = 67108864;
PRAGMA trusted_schema = OFF;
PRAGMA temp_store = MEMORY;
PRAGMA analysis_limit = 400;
"""


class Database(msgspec.Struct, frozen=True):
    """An open database: ``reader`` for queries, ``writer`` for everything that changes a row."""

    path: Path
    reader: Connection
    writer: Writer


@asynccontextmanager
async def open_database(
    path: Path, *, mode: int = 0o600, group: str | None = None, own_place: bool = False, serves: bool = False
) -> AsyncIterator[Database]:
    """Open ``path`` exclusively for this process, creating or upgrading it as needed.

    Leaving the block lets the writer finish its queue, merges the write-ahead log and closes both connections. A log
    that is too large to be merged in the time that a service has to stop stays: the next start merges it.
    ``own_place`` says that the directory is the default one, which is created if missing, ``serves`` that this
    process answers the requests that others put into ``sync_requests``.

    Raise DatabaseHeld, DatabasePlaceMissing or DatabaseUnusable, and DatabaseReplaced if another program deletes,
    replaces or overwrites the file while it is open, DatabaseRestored if `database restore` replaces its content.
    """
    # One file is one database, whatever links lead to it: the lock is beside the file itself.
    given, path = path, await asyncio.to_thread(check_place, path, own=own_place)
    async with AsyncExitStack() as stack:
        stack.enter_context(_readable(path))
        lock = stack.enter_context(database_lock(path, mode=mode))
        # No other process may start before the thread has ended, and this one cannot end before.
        interruption = Interruption()
        preparing = partial(_prepare, path, mode=mode, group=group, interruption=interruption)
        epoch = await lock.during(preparing, interruption.interrupt)
        if serves:
            lock.serve()
        else:
            hand_over(path, lock_path(path), *(each for each in (mark_path(path),) if each.exists()))
        # Closed after the connections, so that it does not release their locks.
        files = stack.enter_context(closing(OpenFiles(given, path, lock)))
        reader = await stack.enter_async_context(_connect(path))
        connection = await stack.enter_async_context(_connect(path, writes=files))
        files.know_logs()
        stack.enter_context(last_look(files))
        mark = await connection.run(restore_mark)
        writer = Writer(connection, path, mark=mark)
        stack.push_async_callback(_leave_epoch, files, reader, epoch, mode)
        stack.callback(_leave_large_log, files, writer)
        await stack.enter_async_context(writer)
        await stack.enter_async_context(watched(files, reader, writer, mark))
        yield Database(path, reader, writer)


def _prepare(path: Path, *, mode: int, group: str | None, interruption: Interruption) -> Mark:
    """Make the database ready, and begin a new epoch of the change feed if it was put back to an earlier state."""
    found_log = left_log(path)
    with prepared(path, mode=mode, group=group, interruption=interruption) as connection:
        return enter(connection, path, found_log=found_log, mode=mode)


async def _leave_epoch(files: OpenFiles, reader: Connection, epoch: Mark, mode: int) -> None:
    """Note, after the last write, that this process ended cleanly."""
    if files.lost is None:
        await reader.end_queries()
        with suppress(sqlite3.Error):  # the next start then begins a new epoch
            last, ids = await reader.run(last_entry), await reader.run(highest_ids)
            await asyncio.to_thread(leave, files.path, epoch, last, ids, mode=mode)


def _set_up(connection: sqlite3.Connection, *, writes: bool) -> None:
    connection.executescript(_PRAGMAS)
    # The writer retries by itself, so that it can end within a second of being asked to.
    connection.execute("PRAGMA busy_timeout = 1000" if writes else "PRAGMA query_only = ON")
    # SQLite opens the log when it first reads.
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()


@asynccontextmanager
async def open_reader(path: Path) -> AsyncIterator[Connection]:
    """Connect to a database that this process has open, to read beside its passes: in a thread of its own."""
    async with connected(path, isolation_level=None) as connection:
        await connection.executescript(
            "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF"
        )
        try:
            yield connection
        finally:
            await connection.end_queries()


def _leave_large_log(files: OpenFiles, writer: Writer) -> None:
    if writer.leaves_log:
        log.info("store.log_left", database=str(files.path), hint="the next start merges it")
        files.leave_log()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Translate SQLite errors that were not handled closer to their cause, such as an unreadable page."""
    try:
        yield
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: sqlite3.Error) -> StoreError:
    """Return the error of this package that describes an SQLite error while reading."""
    if (full := as_disk_full(path, error)) is not None:
        return full
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return DatabaseHeld(path, None, hint=LOCKED_HINT)
    hint = (
        "check the disk; restore a backup with `retrovue-daemon database restore FILE`, or move the file away and"
        " sync again"
    )
    return DatabaseUnusable(path, str(error), hint=hint)


@asynccontextmanager
async def _connect(path: Path, *, writes: OpenFiles | None = None) -> AsyncIterator[Connection]:
    """Connect; a connection that ``writes`` prepares the files for being closed."""
    # isolation_level None leaves BEGIN and COMMIT to the writer.
    async with connected(path, isolation_level=None) as connection:
        await connection.run(_set_up, writes=writes is not None)
        try:
            yield connection
        finally:
            if writes is None:
                await connection.end_queries()
            else:
                # Statistics can wait until next time if another program is writing now.
                with suppress(sqlite3.Error):
                    await connection.execute(writes.last_statement)
