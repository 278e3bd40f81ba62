"""The publisher follows by itself, whatever happens to the server, and never disturbs anything else."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import Secret, parse_config
from retrovue_daemon.errors import WriteFailed
from retrovue_daemon.errors.publish import PublishRefused
from retrovue_daemon.logs.redaction import Redactor
from retrovue_daemon.publish.postgresql import copying, patience, publisher, worker
from retrovue_daemon.publish.postgresql.examination import examine
from retrovue_daemon.publish.postgresql.publication import Publication
from retrovue_daemon.publish.postgresql.publisher import Publisher
from retrovue_daemon.publish.postgresql.target import Target
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.feed.reading import feed_state
from retrovue_daemon.store.file.epoch import JUMP
from retrovue_daemon.store.file.visits import reading
from retrovue_daemon.store.tables.publishing import PublishReport, read_report, request_resync
from tests.support.clocks import FakeClock
from tests.support.logs import Events, events_recorded
from tests.support.patience import PATIENCE_S
from tests.support.postgresql import PASSWORD, PostgresServer, differences

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    import psycopg

    from retrovue_daemon.config import PostgresqlSection
    from retrovue_daemon.store.database import Database


@pytest.fixture
def events() -> Iterator[Events]:
    with events_recorded() as recorder:
        yield recorder


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with open_database(path, serves=True) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOOK_S", 0.01)
    monkeypatch.setattr(copying, "BLOCK", 1)


@pytest.fixture
async def publishing(
    database: Database, server: PostgresServer, schema: str, clock: FakeClock, events: Events
) -> AsyncIterator[Callable[..., Awaitable[asyncio.Task[None]]]]:
    """Start a publisher, as a task named ``postgresql``."""
    tasks = []

    async def start(target: Target | None = None) -> asyncio.Task[None]:
        work = Publisher(database, target or server.target(schema), clock).run()
        tasks.append(asyncio.create_task(work, name="postgresql"))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def waits_are(looker: psycopg.Connection, *expected: str) -> None:
    """Look until the daemon's sessions wait for this, each of them; without any, until they are gone."""
    query = "SELECT wait_event_type FROM pg_stat_activity WHERE application_name = 'retrovue-daemon'"
    async with asyncio.timeout(PATIENCE_S):
        while [found for (found,) in looker.execute(query)] != [*expected]:  # noqa: ASYNC110 -- the server is asked
            await asyncio.sleep(0)


async def rename(database: Database, name: str) -> None:
    await database.writer.run(lambda connection: connection.execute("UPDATE plex_servers SET name = ?", (name,)))


async def test_it_fills_an_empty_schema_and_follows(publishing, database, server, schema, path, events) -> None:
    """Without a request, as soon as the writer has committed."""
    await publishing()
    filled = await events.next("postgresql.filled")
    assert filled["level"] == "info"
    await rename(database, "attic")
    published = await events.next("postgresql.published")
    assert (published["level"], published["seq"]) == ("debug", filled["seq"] + 1)
    assert not differences(server, path, schema)


PUT_BACK = (
    "DELETE FROM change_batches WHERE seq > {seq}",
    "UPDATE sqlite_sequence SET seq = {seq} WHERE name = 'change_batches'",
)


async def test_a_mirror_that_a_snapshot_put_back_begins_a_new_epoch(
    publishing, database, server, schema, path, events, clock
) -> None:
    """The target has come further than the feed, so ids are known that would be assigned again: they jump."""
    first = await publishing()
    filled = await events.next("postgresql.filled")
    first.cancel()
    await asyncio.wait([first])
    before = await database.reader.run(feed_state)

    def put_back(connection: sqlite3.Connection) -> None:
        for statement in PUT_BACK:
            connection.execute(statement.format(seq=filled["seq"] - 1))

    await database.writer.run(put_back)
    await publishing()
    assert (await events.next("feed.epoch_began"))["level"] == "warning"
    await rename(database, "attic")
    await clock.wake("postgresql")
    again = await events.next("postgresql.filled")
    after = await database.reader.run(feed_state)
    assert after.feed_id != before.feed_id
    assert again["seq"] == after.last_seq == filled["seq"] + JUMP
    assert not differences(server, path, schema)
    assert len([line for line in events.lines if line["event"] == "feed.epoch_began"]) == 1


async def test_entries_of_this_process_are_no_sign_of_a_snapshot(publishing, database, events, server, clock) -> None:
    """A server that is away after the target was filled finds the target further than the feed was at the start."""
    await publishing()
    await events.next("postgresql.filled")
    await rename(database, "attic")
    await events.next("postgresql.published")
    with closing(server.connect("public")) as looker:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'retrovue-daemon'"
        looker.execute(query)
    await rename(database, "loft")
    await events.next("postgresql.failed")
    await clock.wake("postgresql")
    await events.next("postgresql.published")
    assert not [line for line in events.lines if line["event"] == "feed.epoch_began"]


@pytest.fixture
def interrupting(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """Do something after so many rows of the next transaction, once."""

    def prepare(rows: int, act: Callable[[], object]) -> None:
        check, left = worker.Worker._check, [rows]

        def interrupted(worker, count: int) -> None:
            left[0] -= bool(count)
            if count and left[0] == 0:
                act()
            check(worker, count)

        monkeypatch.setattr(worker.Worker, "_check", interrupted)

    return prepare


@pytest.mark.parametrize("rows", [30, 300])
async def test_a_server_that_dies_in_mid_batch_costs_one_line(
    publishing, interrupting, database, server, schema, path, events, clock, rows
) -> None:
    """And one when it is over. Each change is there then, once."""
    interrupting(rows, server.kill)
    await publishing()
    try:
        failed = await events.next("postgresql.failed")
        assert failed["level"] == "warning"
        await clock.wake("postgresql")
        await rename(database, "attic")
        assert await clock.asleep("postgresql") > clock.time + 3
    finally:
        server.start()
    await clock.wake("postgresql")
    await events.next("postgresql.filled")
    assert [line["event"] for line in events.lines if line["level"] != "debug"] == [
        "postgresql.failed", "postgresql.recovered", "postgresql.filled",
    ]  # fmt: skip
    assert not differences(server, path, schema)


@pytest.fixture
def stopping(server: PostgresServer, schema: str) -> Iterator[Callable[[], None]]:
    """Stop the process that serves the daemon, as a disk that hangs does: the connection remains, and is silent."""
    stopped = []

    def stop() -> None:
        with closing(server.connect(schema)) as looker:
            query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'retrovue-daemon'"
            ((pid,),) = looker.execute(query).fetchall()
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)

    def resume() -> None:
        while stopped:
            os.kill(stopped.pop(), signal.SIGCONT)

    stop.resume = resume  # type: ignore[attr-defined]
    yield stop
    resume()


def is_open(path: Path) -> bool:
    """Return whether a view of the mirror is open, so that SQLite's log cannot be emptied."""
    with closing(sqlite3.connect(path)) as connection:
        ((busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return bool(busy)


async def recovers(server: PostgresServer, schema: str, path: Path, events: Events, clock: FakeClock) -> None:
    """Wait until the former session has gone, and find all rows, and a line about the begin and end of trouble."""
    with closing(server.connect(schema)) as looker:
        await waits_are(looker)
    await clock.wake("postgresql")
    await events.next("postgresql.recovered")
    assert not differences(server, path, schema)
    lines = [line["event"] for line in events.lines if line["level"] == "warning"]
    assert lines == ["postgresql.failed"]


async def test_a_server_that_hangs_in_a_fill_is_given_up(
    publishing, interrupting, stopping, database, server, schema, path, events, clock, monkeypatch
) -> None:
    """The view of the mirror is closed then, so that the log does not grow for as long as the server hangs."""
    monkeypatch.setattr(patience, "HURRY_S", 0.3)
    interrupting(30, stopping)
    await publishing()
    failed = await events.next("postgresql.failed")
    assert "has not responded for 0 seconds" in failed["error"]
    assert "again by itself" in failed["hint"]
    await clock.asleep("postgresql")
    assert not is_open(path)
    stopping.resume()
    await recovers(server, schema, path, events, clock)


async def test_a_server_that_hangs_while_it_is_followed_never_holds_the_mirror(
    publishing, stopping, database, server, schema, path, events, clock, monkeypatch
) -> None:
    """Rows are read into memory first, so the log can be emptied even before the limit."""
    monkeypatch.setattr(patience, "PATIENCE_S", 0.5)
    await publishing()
    await events.next("postgresql.filled")
    stopping()
    await rename(database, "attic")
    assert not is_open(path)
    assert "has not responded" in (await events.next("postgresql.failed"))["error"]
    assert not is_open(path)
    stopping.resume()
    await recovers(server, schema, path, events, clock)


async def test_a_stop_does_not_wait_for_a_server_that_hangs(
    publishing, interrupting, stopping, database, events
) -> None:
    """Its thread ends in the middle of a transaction, although nothing comes from the server."""
    task = await publishing()
    await events.next("postgresql.filled")
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    (thread,) = [each for each in threading.enumerate() if each.name == "postgresql"]
    interrupting(1, lambda: (stopping(), loop.call_soon_threadsafe(begun.set)))
    await rename(database, "attic")
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.to_thread(thread.join, PATIENCE_S)
    assert not thread.is_alive()


async def test_a_schema_that_is_dropped_is_made_again(
    publishing, database, server, schema, path, events, clock
) -> None:
    """After the usual pause."""
    await publishing()
    await events.next("postgresql.filled")
    with closing(server.connect(schema)) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")
    await rename(database, "attic")
    assert "does not exist" in (await events.next("postgresql.failed"))["error"]
    assert await clock.asleep("postgresql") == clock.time + publisher.FIRST_RETRY_S
    await clock.wake("postgresql")
    await events.next("postgresql.filled")
    assert not differences(server, path, schema)


@pytest.mark.parametrize("lost", ["TABLE plex_servers CASCADE", "TABLE mirror_state", "VIEW preferred_movies"])
async def test_one_table_that_is_dropped_is_made_again(
    publishing, database, server, schema, path, events, clock, lost
) -> None:
    """With the views that were dropped along; a view alone is made again at a resync, too, and costs no trouble."""
    await publishing()
    await events.next("postgresql.filled")
    with closing(server.connect(schema)) as connection:
        before = relations_of(connection)
        connection.execute(f"DROP {lost}")
        if "TABLE" in lost:
            await rename(database, "attic")
            assert "does not exist" in (await events.next("postgresql.failed"))["error"]
            await clock.wake("postgresql")
        else:
            await database.writer.run(lambda mirror: request_resync(mirror, take_over=False))
        await events.next("postgresql.filled")
        assert relations_of(connection) == before
    assert not differences(server, path, schema)


async def test_every_daemon_fills_a_table_that_one_of_them_made_again(
    publishing, database, server, schema, path, events, clock
) -> None:
    """Rows of all origins were in it."""
    for origin in ("here", "there"):
        await publishing(server.target(schema, origin))
        await events.next("postgresql.filled")
    with closing(server.connect(schema)) as connection:
        connection.execute("DROP TABLE plex_servers CASCADE")
    await rename(database, "attic")
    for _ in range(2):
        await events.next("postgresql.failed")
    async with asyncio.timeout(PATIENCE_S):
        while len([line for line in events.lines if line["event"] == "postgresql.filled"]) < 4:
            clock.advance(publisher.LONGEST_RETRY_S)
            await asyncio.sleep(0)
    assert not differences(server, path, schema, "here")
    assert not differences(server, path, schema, "there")


def relations_of(connection: psycopg.Connection) -> set[str]:
    query = "SELECT relname, relkind FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    return {f"{kind} {name}" for name, kind in connection.execute(query)}


async def test_a_changed_table_is_named_and_replaced_by_a_resync(
    publishing, database, server, schema, path, events, clock
) -> None:
    """Not by itself: somebody may have wanted the change. The check says the same. An added column is no damage."""
    await publishing()
    await events.next("postgresql.filled")
    with closing(server.connect(schema)) as connection:
        before = relations_of(connection)
        connection.execute("TRUNCATE streams")
        connection.execute("ALTER TABLE tags DROP COLUMN name CASCADE")
        connection.execute("ALTER TABLE streams ALTER COLUMN language TYPE varchar(1)")
        connection.execute("ALTER TABLE people DROP CONSTRAINT people_pkey")
        connection.execute("ALTER TABLE movies ADD COLUMN seen boolean")
    touch = "INSERT INTO change_batches (kind, op, ids) SELECT 'movie', 'updated', json_group_array(id) FROM movies"
    await database.writer.run(lambda mirror: mirror.execute(touch))
    await events.next("postgresql.failed")
    await clock.wake("postgresql")
    await clock.asleep("postgresql")
    with pytest.raises(PublishRefused) as refused:
        examine(server.target(schema), "mirror")
    assert str(refused.value) == (
        f"PostgreSQL: tables in the schema {schema} were changed: streams: the column language is"
        " character varying(1); tags: the column name is missing; people: the primary key (origin, id) is missing"
    )
    with reading(path) as mirror:
        report = read_report(mirror)
    assert report is not None
    assert (report.error, report.hint) == (str(refused.value), refused.value.hint)
    await database.writer.run(lambda mirror: request_resync(mirror, take_over=False))
    await clock.wake("postgresql")
    await events.next("postgresql.filled")
    assert not differences(server, path, schema)
    with closing(server.connect(schema)) as connection:
        assert relations_of(connection) == before


async def test_what_depends_on_a_changed_table_is_named(
    publishing, database, server, schema, path, events, clock
) -> None:
    """It is not dropped along."""
    await publishing()
    await events.next("postgresql.filled")
    with closing(server.connect(schema)) as connection:
        connection.execute("CREATE VIEW summaries AS SELECT id FROM streams")
        connection.execute("ALTER TABLE streams DROP COLUMN language")
    await database.writer.run(lambda mirror: request_resync(mirror, take_over=False))
    failed = await events.next("postgresql.failed")
    assert "cannot drop table streams" in failed["error"]
    assert "view summaries depends on table streams" in failed["hint"]


async def test_a_stop_in_the_middle_of_a_fill_leaves_nothing_behind(
    publishing, interrupting, server, schema, events
) -> None:
    """The transaction is rolled back, and the connection closed."""
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    interrupting(100, lambda: loop.call_soon_threadsafe(begun.set))
    task = await publishing()
    await begun.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    with closing(server.connect(schema)) as connection:
        assert connection.execute("SELECT count(*) FROM movies").fetchone() == (0,)
        await waits_are(connection)
    assert not [line for line in events.lines if line["event"] == "postgresql.failed"]


async def test_a_stop_ends_a_statement_that_waits_for_a_lock(publishing, database, server, schema, events) -> None:
    """It is cancelled, and nothing of the daemon remains in the server."""
    task = await publishing()
    await events.next("postgresql.filled")
    with (
        closing(server.connect(schema)) as looker,
        closing(server.connect(schema)) as holder,
        holder.transaction(),
    ):
        holder.execute("LOCK TABLE plex_servers IN ACCESS EXCLUSIVE MODE")
        await rename(database, "attic")
        await waits_are(looker, "Lock")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await waits_are(looker)
    assert not [line for line in events.lines if line["event"] == "postgresql.failed"]


async def test_texts_that_postgresql_cannot_hold_are_mended(publishing, database, server, schema, events) -> None:
    """U+0000 and bytes that are no UTF-8, which another program wrote into the mirror."""
    bad = "CAST(x'6100ff62' AS TEXT)"
    await database.writer.run(lambda connection: connection.execute(f"UPDATE plex_servers SET name = {bad}"))
    await publishing()
    await events.next("postgresql.filled")
    with closing(server.connect(schema)) as connection:
        assert connection.execute("SELECT name FROM plex_servers").fetchone() == ("a\ufffdb",)


async def test_two_writers_of_one_origin_are_refused(publishing, server, schema, events, clock) -> None:
    """The second waits, and takes over when the first one has gone."""
    first = await publishing()
    await events.next("postgresql.filled")
    await publishing()
    failed = await events.next("postgresql.failed")
    with closing(server.connect(schema)) as looker:
        holders = looker.execute("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted").fetchall()
    ((pid,),) = holders
    assert f"another process publishes under the origin 'here' now (session {pid})" in failed["error"]
    assert failed["hint"].endswith(f"pg_terminate_backend({pid})")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await clock.wake("postgresql")
    await events.next("postgresql.recovered")


async def test_the_rows_of_another_mirror_are_not_replaced(publishing, database, server, schema, events) -> None:
    """Under the same origin, only a person may do that."""
    task = await publishing()
    await events.next("postgresql.filled")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    forget = "DELETE FROM daemon_state WHERE key = 'mirror_id'"
    await database.writer.run(lambda connection: connection.execute(forget))
    await publishing()
    failed = await events.next("postgresql.failed")
    assert "from another mirror" in failed["error"]
    assert "--take-over" in failed["hint"]


async def test_without_the_driver_the_hint_says_what_to_install(publishing, events, monkeypatch) -> None:
    """The daemon starts, and goes on."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, patience.__name__)
    await publishing()
    failed = await events.next("postgresql.failed")
    assert failed["error"] == "PostgreSQL: the package psycopg is not installed"
    assert failed["hint"] == "install it: pip install 'retrovue-daemon[postgresql]'"


async def test_what_went_wrong_is_stored_without_the_password(
    publishing, schema, path, tmp_path, events, clock
) -> None:
    """`status` shows it."""
    url = f"postgresql://postgres:{PASSWORD}@/postgres?host={tmp_path}"
    await publishing(Target(Secret(url), schema, "here"))
    failed = await events.next("postgresql.failed")
    await clock.asleep("postgresql")
    with reading(path) as connection:
        report = read_report(connection)
    assert report is not None
    assert (report.error, report.hint, report.since) == (failed["error"], failed["hint"], clock.wall)
    assert "No such file" in failed["error"]
    assert PASSWORD not in f"{report}{events.lines}"


async def test_a_reload_applies_the_section(server, schema, path, database, events, clock) -> None:
    """It starts, goes to another schema, and ends."""
    redactor = Redactor()

    def config(**section: object) -> PostgresqlSection:
        return parse_config({"database": {"path": str(path)}, "postgresql": section}, environ={}).postgresql

    work = Publication(database, redactor, clock)
    try:
        work.apply(config())
        work.apply(config(url=server.url(), schema=schema))
        await events.next("postgresql.filled")
        work.apply(config(url=server.url(), schema=schema, origin="berlin"))
        await events.next("postgresql.filled")
        assert not differences(server, path, schema, "berlin")
        work.apply(config())
        assert redactor.text(f"the password {PASSWORD}") == "the password ***"
    finally:
        await work.stop()


async def test_an_address_whose_file_is_missing_is_waited_for(
    server, schema, path, database, events, clock, tmp_path
) -> None:
    """Nothing else waits; `status` says why, and publishing begins once the file is there."""
    file = tmp_path / "url"
    tables = {"database": {"path": str(path)}, "postgresql": {"url_file": str(file), "schema": schema}}
    work = Publication(database, Redactor(), clock)
    try:
        work.apply(parse_config(tables, environ={}).postgresql)
        failed = await events.next("postgresql.failed")
        why = f"url_file: cannot be read: no such file or directory (looked in {tmp_path})"
        assert (failed["error"], "put the file back" in failed["hint"]) == (f"PostgreSQL: {why}", True)
        file.write_text(f"{server.url()}\n")
        await clock.wake("postgresql")
        await events.next("postgresql.recovered")
    finally:
        await work.stop()


async def test_a_mirror_that_cannot_be_written_to_is_trouble_of_the_publisher(
    server, schema, path, database, events, clock, monkeypatch
) -> None:
    """Also before its id was read, at the start; it is no crash, and ends by itself."""
    section = parse_config(
        {"database": {"path": str(path)}, "postgresql": {"url": server.url(), "schema": schema}}, environ={}
    ).postgresql

    def full(connection: sqlite3.Connection) -> str:
        raise WriteFailed(path, "database or disk is full", hint="free some space")

    work = Publication(database, Redactor(), clock)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(publisher, "mirror_id", full)
            work.apply(section)
            failed = await events.next("postgresql.failed")
            assert (failed["level"], "disk is full" in failed["error"]) == ("warning", True)
            await clock.asleep("postgresql")
        await clock.wake("postgresql")
        await events.next("postgresql.filled")
    finally:
        await work.stop()
    assert not [line for line in events.lines if line["event"] == "postgresql.crashed"]
    with reading(path) as connection:
        ((own_id,),) = connection.execute("SELECT value FROM daemon_state WHERE key = 'mirror_id'")
    assert not differences(server, path, schema, own_id)


async def test_progress_is_stored(publishing, database, path, events, clock) -> None:
    """At most every other second."""
    await publishing()
    filled = await events.next("postgresql.filled")
    await clock.asleep("postgresql: report")
    with reading(path) as connection:
        report = read_report(connection)
    assert report is not None
    assert (report.seq, report.error) == (filled["seq"], None)


async def test_the_progress_of_a_fill_is_stored_and_logged(
    publishing, interrupting, database, server, schema, path, events, clock, monkeypatch
) -> None:
    """In the log once a minute; afterwards, the report has no progress any more."""
    monkeypatch.setattr(worker, "ADVANCE_S", 0.0)
    loop, begun, goes_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def pause() -> None:
        loop.call_soon_threadsafe(begun.set)
        goes_on.wait(PATIENCE_S)

    def stored() -> PublishReport:
        with reading(path) as connection:
            report = read_report(connection)
        assert report is not None
        return report

    interrupting(100, pause)
    await publishing()
    await begun.wait()
    await clock.asleep("postgresql: report")
    report = stored()
    assert report.copied is not None
    assert report.to_copy is not None
    assert report.seq is None
    assert 0 < report.copied < 100 < report.to_copy
    clock.wall += publisher.LOGGED_EVERY_S
    goes_on.set()
    line = await events.next("postgresql.filling")
    assert 100 <= line["rows"] < line["total"] == report.to_copy
    filled = await events.next("postgresql.filled")
    assert filled["rows"] == report.to_copy
    assert len([line for line in events.lines if line["event"] == "postgresql.filling"]) == 1
    await clock.wake("postgresql: report")
    await clock.asleep("postgresql: report")
    assert (stored().copied, stored().to_copy, stored().seq) == (None, None, filled["seq"])


async def test_a_requested_resync_replaces_what_others_have_changed(
    publishing, database, server, schema, path, events
) -> None:
    """Once; also the rows of another mirror if the request says so."""
    task = await publishing()
    await events.next("postgresql.filled")
    with closing(server.connect(schema)) as connection:
        connection.execute("DELETE FROM movies")
    await database.writer.run(lambda connection: request_resync(connection, take_over=False))
    await events.next("postgresql.filled")
    assert not differences(server, path, schema)
    await rename(database, "loft")
    await events.next("postgresql.published")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    forget = "DELETE FROM daemon_state WHERE key = 'mirror_id'"
    await database.writer.run(lambda connection: connection.execute(forget))
    await database.writer.run(lambda connection: request_resync(connection, take_over=True))
    await publishing()
    await events.next("postgresql.filled")
    await rename(database, "attic")
    await events.next("postgresql.published")
    assert len([line for line in events.lines if line["event"] == "postgresql.filled"]) == 3
    assert not differences(server, path, schema)
