"""The single writer: one transaction per piece of work, with its result or error for the submitter."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from retrovue_daemon.errors import DatabaseBusy, DatabaseHeld, DatabaseReplaced, WriteFailed, WriterStopped
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.file.visits import reading
from retrovue_daemon.store.writer import TRIES_UNTIL_LOGGED, Writer
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

INSERT = "INSERT INTO daemon_state (key, value) VALUES (?, 'x')"


def _insert(connection: sqlite3.Connection, key: str) -> None:
    connection.execute(INSERT, (key,))


async def test_failed_work_leaves_nothing_and_later_work_continues(database, query) -> None:
    """A transaction that fails half-way is rolled back whole, and its submitter gets the error."""

    def half(connection) -> None:
        _insert(connection, "half")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(WriteFailed, match="nowhere"):
        await database.writer.run(half)
    await database.writer.run(_insert, "whole")

    assert await query("SELECT key FROM daemon_state") == [("whole",)]


async def test_an_error_of_the_work_itself_reaches_the_submitter(database, query) -> None:
    """Exceptions that are none of SQLite's are rolled back and passed on unchanged."""

    def wrong(connection) -> None:
        _insert(connection, "wrong")
        raise LookupError("mistake")

    with pytest.raises(LookupError, match="mistake"):
        await database.writer.run(wrong)
    assert await query("SELECT key FROM daemon_state") == []


async def test_a_text_that_is_not_utf_8_is_an_error_of_the_database(database, query) -> None:
    """Python refuses it, and its error lacks what those of SQLite have; later work continues."""
    with pytest.raises(WriteFailed, match="Could not decode to UTF-8"):
        await database.writer.run(lambda connection: connection.execute("SELECT CAST(x'ff' AS TEXT)").fetchall())
    assert await database.writer.run(lambda connection: connection.execute("SELECT 1").fetchall()) == [(1,)]


async def test_a_delete_that_another_programs_table_refuses_says_so(database) -> None:
    """A foreign key without an action keeps the row: only who made that table can change it."""

    def refer(connection) -> None:
        connection.execute("CREATE TABLE theirs (server_id INTEGER REFERENCES plex_servers)")
        connection.execute("INSERT INTO theirs SELECT id FROM plex_servers")

    await database.writer.run(refer)
    with pytest.raises(WriteFailed, match="FOREIGN KEY") as failed:
        await database.writer.run(lambda connection: connection.execute("DELETE FROM plex_servers"))
    assert "`database check` names it" in str(failed.value.hint)


async def test_the_queue_is_bounded(database) -> None:
    """Work beyond the depth waits for room, so that a slow disk slows its producers down."""
    gate = threading.Event()

    def wait(_connection) -> None:
        assert gate.wait(PATIENCE_S)

    handed_in = [await database.writer.submit(wait) for _ in range(4)]
    fifth = asyncio.create_task(database.writer.submit(wait))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not fifth.done()

    gate.set()
    await asyncio.gather(*handed_in)
    await (await fifth)


async def test_a_result_is_known_before_the_next_work_begins(database) -> None:
    """The record of a pass that is stopped counts what the last batch wrote."""
    results: list[int] = []
    first = database.writer.post(lambda _: 1)
    first.add_done_callback(lambda done: results.append(done.result()))
    assert await database.writer.post(lambda _: list(results)) == [1]


async def test_a_cancelled_submitter_does_not_cancel_the_work(database, query) -> None:
    """Submitted work is written even if its submitter no longer waits."""
    gate = threading.Event()

    def slow(connection) -> None:
        assert gate.wait(PATIENCE_S)
        _insert(connection, "slow")

    submitter = asyncio.create_task(database.writer.run(slow))
    for _ in range(20):
        await asyncio.sleep(0)
    submitter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitter
    gate.set()
    await database.writer.run(_insert, "after")

    assert await query("SELECT key FROM daemon_state ORDER BY key") == [("after",), ("slow",)]


async def test_closing_writes_what_is_queued(tmp_path) -> None:
    """Leaving the database's block drains the queue before the connection closes."""
    async with open_database(tmp_path / "mirror.db") as database:
        futures = [database.writer.post(_insert, str(number)) for number in range(10)]
    assert all(future.done() for future in futures)

    with sqlite3.connect(tmp_path / "mirror.db") as connection:
        assert connection.execute("SELECT count(*) FROM daemon_state").fetchone() == (10,)
    connection.close()


async def test_an_aborted_writer_commits_nothing_more(tmp_path) -> None:
    """All that waits and all that comes gets the reason, in whatever way it was submitted.

    The thread cannot be stopped: it finds out itself that the query that it is running must not be committed.
    """
    path, begun, go_on = tmp_path / "mirror.db", threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO daemon_state VALUES ('written', '')")
        begun.set()
        assert go_on.wait(PATIENCE_S)

    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(path))
        running = await database.writer.submit(work)
        waiting = [await database.writer.submit(work), database.writer.post(work)]
        assert await asyncio.to_thread(begun.wait, PATIENCE_S)
        database.writer.abort(DatabaseReplaced(path, "gone"))
        with pytest.raises(DatabaseReplaced):
            await running
        go_on.set()
        for future in waiting:
            with pytest.raises(DatabaseReplaced):
                await future
        for submit in (database.writer.submit, database.writer.post):
            for _ in range(5):  # more than the queue has room for
                with pytest.raises(WriterStopped, match="gone"):
                    await asyncio.wait_for(_as_awaitable(submit, work), 10)
        with pytest.raises(DatabaseReplaced):
            await stack.aclose()
    with reading(path) as connection:
        assert connection.execute("SELECT * FROM daemon_state WHERE key = 'written'").fetchall() == []


async def _as_awaitable(submit: Callable[[Any], Any], work: Any) -> object:
    """Submit work by either way; one of them has to be awaited."""
    submitted = submit(work)
    return await submitted


async def test_work_for_a_closed_writer_is_refused(tmp_path) -> None:
    """No caller waits forever for a writer that has ended."""
    async with open_database(tmp_path / "mirror.db") as database:
        pass
    with pytest.raises(WriterStopped):
        await database.writer.run(_insert, "late")


@pytest.fixture
def other_program(tmp_path):
    """Another program's connection to the same database."""
    opened = []

    def connect() -> sqlite3.Connection:
        opened.append(sqlite3.connect(tmp_path / "mirror.db", isolation_level=None, check_same_thread=False))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


async def _tries(database) -> asyncio.Queue[str]:
    """Make the writer give up each attempt at once, and record each BEGIN."""
    tries: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def watch(connection) -> None:
        connection.execute("PRAGMA busy_timeout = 5")
        connection.set_trace_callback(
            lambda sql: loop.call_soon_threadsafe(tries.put_nowait, sql) if sql.startswith("BEGIN") else None
        )

    await database.writer.run(watch)
    return tries


async def test_another_programs_lock_is_waited_out(database, other_program, query) -> None:
    """The writer retries until it gets the lock."""
    tries = await _tries(database)
    other = other_program()
    other.execute("BEGIN IMMEDIATE")
    future = await database.writer.submit(_insert, "patient")
    for _ in range(3):
        await tries.get()
    assert not future.done()
    other.execute("ROLLBACK")
    await future
    assert await query("SELECT key FROM daemon_state") == [("patient",)]


async def test_waiting_for_another_program_is_reported_once(database, other_program) -> None:
    """After five seconds, an operator may wonder why nothing happens."""
    tries = await _tries(database)
    other = other_program()
    other.execute("BEGIN IMMEDIATE")
    with structlog.testing.capture_logs() as lines:
        future = await database.writer.submit(_insert, "patient")
        for _ in range(TRIES_UNTIL_LOGGED):
            await tries.get()
        assert lines == []
        for _ in range(TRIES_UNTIL_LOGGED):
            await tries.get()
        other.execute("ROLLBACK")
        await future
    assert [(line["event"], line["log_level"]) for line in lines] == [("store.waiting", "warning")]
    assert "another program writes" in lines[0]["hint"]


async def test_a_lock_does_not_keep_the_writer_from_ending(tmp_path, other_program, monkeypatch) -> None:
    """A service has ten seconds to stop; work that could not be written fails for its submitter."""
    monkeypatch.setattr("retrovue_daemon.store.writer.CLOSING_S", 0.0)
    monkeypatch.setattr("retrovue_daemon.store.writer.BUSY_TRIES", 1_000_000)
    async with asyncio.timeout(10), open_database(tmp_path / "mirror.db") as database:
        tries = await _tries(database)
        other_program().execute("BEGIN IMMEDIATE")
        futures = [database.writer.post(_insert, "late") for _ in range(3)]
        await tries.get()
    for future in futures:
        with pytest.raises(DatabaseBusy, match="locked") as busy:
            await future
        assert busy.value.exit_code == DatabaseHeld.exit_code


ENDLESS = (
    "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
    " INSERT OR REPLACE INTO daemon_state (key, value) SELECT 'endless', x FROM c"
)


async def test_a_transaction_without_an_end_does_not_keep_the_writer_from_ending(tmp_path, monkeypatch) -> None:
    """It is rolled back whole; what was queued behind it is written."""
    monkeypatch.setattr("retrovue_daemon.store.writer.CLOSING_S", 0.01)
    path = tmp_path / "retrovue.db"
    running = threading.Event()

    def endless(connection) -> None:
        _insert(connection, "before")
        running.set()
        connection.execute(ENDLESS)

    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(50), open_database(path) as database:
            late = await database.writer.submit(endless)
            queued = await database.writer.submit(_insert, "behind")
            await asyncio.to_thread(running.wait)
    with pytest.raises(WriteFailed, match="interrupted"):
        await late
    await queued
    assert [line["event"] for line in logs if line["event"].startswith("store.")] == ["store.interrupted"]
    with reading(path) as stored:
        assert stored.execute(
            "SELECT key FROM daemon_state WHERE key IN ('before', 'behind', 'endless')"
        ).fetchall() == [("behind",)]


@pytest.mark.parametrize("is_large", [True, False])
async def test_a_large_log_is_not_merged_while_a_service_stops(tmp_path, monkeypatch, is_large) -> None:
    """That would take longer than the service has; the next start finds everything, and merges it."""
    monkeypatch.setattr("retrovue_daemon.store.writer.LARGEST_MERGED", 1000 if is_large else 1_000_000_000)
    path, closing_begins = tmp_path / "retrovue.db", threading.Event()
    log_file = path.with_name("retrovue.db-wal")

    async def begin(_writer: Writer) -> None:
        closing_begins.set()

    monkeypatch.setattr(Writer, "_interrupt_late_work", begin)

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA wal_autocheckpoint = 1")
        connection.execute(INSERT, ("late",))
        assert closing_begins.wait(PATIENCE_S)

    with structlog.testing.capture_logs() as logs:
        async with open_database(path) as database:
            late = await database.writer.submit(work)
    await late
    assert [line["event"] for line in logs] == ["store.log_left"] * is_large
    assert log_file.exists() is is_large
    without_log = tmp_path / "without_log.db"
    shutil.copyfile(path, without_log)
    with closing(sqlite3.connect(without_log)) as merged:
        assert merged.execute("SELECT count(*) FROM daemon_state WHERE key = 'late'").fetchone() == (not is_large,)
    async with open_database(path):
        pass
    assert not log_file.exists()
    with reading(path) as stored:
        assert stored.execute("SELECT key FROM daemon_state WHERE key = 'late'").fetchall() == [("late",)]


async def test_an_interrupted_transaction_leaves_no_log(tmp_path, monkeypatch) -> None:
    """What it wrote there does not count: nothing of it is merged."""
    monkeypatch.setattr("retrovue_daemon.store.writer.LARGEST_MERGED", 100_000)
    monkeypatch.setattr("retrovue_daemon.store.writer.CLOSING_S", 0.01)
    path, running = tmp_path / "retrovue.db", threading.Event()

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA cache_size = 10")
        connection.execute(
            "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000)"
            " INSERT INTO daemon_state (key, value) SELECT x, hex(zeroblob(500)) FROM c"
        )
        running.set()
        connection.execute(ENDLESS)

    async with open_database(path) as database:
        late = await database.writer.submit(work)
        queued = await database.writer.submit(_insert, "behind")
        await asyncio.to_thread(running.wait)
        assert path.with_name("retrovue.db-wal").stat().st_size > 100_000
    with pytest.raises(WriteFailed, match="interrupted"):
        await late
    await queued
    assert not path.with_name("retrovue.db-wal").exists()


async def test_a_query_without_an_end_does_not_keep_the_database_from_closing(tmp_path) -> None:
    """Its caller is gone, and its thread would go on. The log is merged nevertheless."""
    path = tmp_path / "retrovue.db"
    async with asyncio.timeout(50), open_database(path) as database:
        await database.writer.run(_insert, "whole")
        query = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
        asking = asyncio.create_task(database.reader.execute_fetchall(query))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert not path.with_name("retrovue.db-wal").exists()


async def test_a_lock_at_the_end_does_not_spoil_it(tmp_path, other_program) -> None:
    """Statistics for the query planner, which are due at the end, can wait for the next time."""

    def work(connection) -> list[sqlite3.Row]:
        """Read a table by an index of which nothing is known; return what is to be found out about it."""
        connection.execute("PRAGMA busy_timeout = 5")
        connection.execute("INSERT INTO plex_servers (name, server_url) VALUES ('home', 'http://127.0.0.1:1')")
        mapping = "INSERT INTO plex_path_mappings (server_id, plex_path, local_path) VALUES (1, ?, '/x')"
        connection.executemany(mapping, [(f"/{number}",) for number in range(500)])
        connection.execute("SELECT * FROM plex_path_mappings WHERE server_id = 1 ORDER BY plex_path").fetchall()
        return connection.execute("PRAGMA optimize(3)").fetchall()  # it only reports

    async with open_database(tmp_path / "mirror.db") as database:
        assert await database.writer.run(work)
        other_program().execute("BEGIN IMMEDIATE")


async def test_a_writer_that_breaks_down_fails_everybody_who_waits(database) -> None:
    """If even a rollback fails, the connection is lost, and no caller may wait for it forever."""

    async def broken() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    def fail(connection) -> None:
        _insert(connection, "lost")
        raise LookupError("first")

    database.writer._connection.rollback = broken
    first = database.writer.post(fail)
    second = database.writer.post(_insert, "second")
    with pytest.raises(LookupError):
        await first
    with pytest.raises(WriterStopped):
        await second
    with pytest.raises(WriterStopped, match="failed: disk I/O error"):
        await database.writer.stopped()
    with pytest.raises(WriterStopped):
        await database.writer.run(_insert, "third")
    database.writer._task = None  # so that the fixture's end, which checks the same again, passes


async def test_work_may_have_its_temporary_tables_in_a_file(database, query) -> None:
    """Only such work, whether it succeeds or fails: others are faster without."""
    seen = []

    def look(connection) -> None:
        seen.extend(connection.execute("PRAGMA temp_store"))

    def fail(connection) -> None:
        look(connection)
        raise LookupError("mistake")

    await database.writer.run(look)
    await (await database.writer.submit(look, spills=True))
    await database.writer.run(look)
    with pytest.raises(LookupError):
        await (await database.writer.submit(fail, spills=True))
    await database.writer.run(look)
    assert seen == [(2,), (1,), (2,), (1,), (2,)]
