"""The single writer: one transaction for each piece of work, results and errors to whoever handed it in."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from retrovue_daemon.errors import WriteFailed, WriterStopped
from retrovue_daemon.store.database import open_database

INSERT = "INSERT INTO daemon_state (key, value) VALUES (?, 'x')"


async def test_failed_work_leaves_nothing_and_later_work_goes_on(database, query) -> None:
    """A transaction that fails half-way is rolled back whole, and its submitter gets the error."""

    async def half(connection) -> None:
        await connection.execute(INSERT, ("half",))
        await connection.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(WriteFailed, match="nowhere"):
        await database.writer.write(half)
    await database.writer.write(lambda connection: connection.execute(INSERT, ("whole",)))

    assert await query("SELECT key FROM daemon_state") == [("whole",)]


async def test_an_error_of_the_work_itself_reaches_the_submitter(database, query) -> None:
    """Exceptions that are none of SQLite's are rolled back and passed on unchanged."""

    async def wrong(connection) -> None:
        await connection.execute(INSERT, ("wrong",))
        raise LookupError("mistake")

    with pytest.raises(LookupError, match="mistake"):
        await database.writer.write(wrong)
    assert await query("SELECT key FROM daemon_state") == []


async def test_the_queue_is_bounded(database) -> None:
    """Work beyond the depth waits for room, so that a slow disk slows its producers down."""
    gate = asyncio.Event()

    async def wait(_connection) -> None:
        await gate.wait()

    handed_in = [await database.writer.submit(wait) for _ in range(4)]
    fifth = asyncio.create_task(database.writer.submit(wait))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not fifth.done()

    gate.set()
    await asyncio.gather(*handed_in)
    await (await fifth)


async def test_a_cancelled_submitter_does_not_cancel_the_work(database, query) -> None:
    """What was handed in is written, whoever still waits for it."""
    gate = asyncio.Event()

    async def slow(connection) -> None:
        await gate.wait()
        await connection.execute(INSERT, ("slow",))

    submitter = asyncio.create_task(database.writer.write(slow))
    for _ in range(20):
        await asyncio.sleep(0)
    submitter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitter
    gate.set()
    await database.writer.write(lambda connection: connection.execute(INSERT, ("after",)))

    assert await query("SELECT key FROM daemon_state ORDER BY key") == [("after",), ("slow",)]


async def test_closing_writes_what_is_queued(tmp_path) -> None:
    """Leaving the database's block drains the queue before the connection closes."""
    async with open_database(tmp_path / "mirror.db") as database:
        futures = [
            database.writer.post(lambda connection, key=str(number): connection.execute(INSERT, (key,)))
            for number in range(10)
        ]
    assert all(future.done() for future in futures)

    with sqlite3.connect(tmp_path / "mirror.db") as connection:
        assert connection.execute("SELECT count(*) FROM daemon_state").fetchone() == (10,)
    connection.close()


async def test_work_for_a_closed_writer_is_refused(tmp_path) -> None:
    """Nobody waits for ever for a writer that has ended."""
    async with open_database(tmp_path / "mirror.db") as database:
        pass
    with pytest.raises(WriterStopped):
        await database.writer.write(lambda connection: connection.execute(INSERT, ("late",)))


async def test_another_programs_lock_is_waited_out(tmp_path) -> None:
    """A reader-writer of another process holds the lock for a while; the work is done when it lets go."""
    async with open_database(tmp_path / "mirror.db") as database:
        other = sqlite3.connect(tmp_path / "mirror.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        future = await database.writer.submit(lambda connection: connection.execute(INSERT, ("patient",)))
        await asyncio.sleep(0)
        assert not future.done()
        other.execute("ROLLBACK")
        other.close()
        await future
        rows = await database.reader.execute_fetchall("SELECT key FROM daemon_state")
        assert [tuple(row) for row in rows] == [("patient",)]
