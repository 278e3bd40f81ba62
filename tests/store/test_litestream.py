"""The database beside Litestream, which takes over its checkpoints: docs/litestream.md."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.feed.reading import feed_state
from retrovue_daemon.store.file import maintenance, restoring
from retrovue_daemon.store.file.epoch import JUMP
from tests.support.litestream import Litestream

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.store.database import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


def _content(path: Path) -> list[str]:
    """Everything that a file holds, if it has no log."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return list(connection.iterdump())


def _same(litestream: Litestream, path: Path, tmp_path: Path) -> bool:
    litestream.sync()
    litestream.restore(tmp_path / "replica.db")
    return _content(tmp_path / "replica.db") == _content(path)


def _add(connection: sqlite3.Connection, first: int, number: int = 50) -> None:
    connection.executemany(
        "INSERT INTO people (name, thumb) VALUES (?, ?)",
        [(f"Person {each}", "x" * 900) for each in range(first, first + number)],
    )


async def _write(database: Database, begin: int, *, times: int = 10) -> None:
    for each in range(times):
        await database.writer.run(_add, begin + each * 50)


@pytest.fixture
def small_log(monkeypatch) -> int:
    """Checkpoints of ours after 20 pages instead of 4,000, and a log that is cut to 40."""
    from retrovue_daemon.store import database  # noqa: PLC0415 -- its private text

    pragmas = database._PRAGMAS.replace("wal_autocheckpoint = 4000", "wal_autocheckpoint = 20")
    monkeypatch.setattr(database, "_PRAGMAS", pragmas.replace("67108864", str(40 * 4096)))
    return 20


async def test_our_checkpoints_never_take_the_log_from_litestream(path, tmp_path, small_log) -> None:
    """Nothing is missed, and it never has to copy everything again: its read lock keeps the log as it is."""
    async with open_database(path) as database:
        await _write(database, 0)
        with Litestream(path) as litestream:
            for begin in range(1000, 6000, 1000):
                await _write(database, begin)
                litestream.sync()
                await _write(database, begin + 500, times=3)
                assert litestream.checkpoint()[0] == 0
            assert litestream.snapshots == 1
            assert _same(litestream, path, tmp_path)


async def test_a_log_that_grew_is_cut_by_its_truncating_checkpoint(path, tmp_path, small_log) -> None:
    """Beyond 500 MB, Litestream waits for all others; then it copies everything once, as it does by itself."""
    async with open_database(path) as database:
        with Litestream(path) as litestream:
            await _write(database, 0)
            log = path.with_name("mirror.db-wal")
            assert log.stat().st_size > 4 * small_log * 4096, "neither merged nor cut by us"
            assert litestream.checkpoint("TRUNCATE")[0] == 0
            assert log.stat().st_size < small_log * 4096
            await _write(database, 1000)
            assert litestream.snapshots == 2
            assert _same(litestream, path, tmp_path)


async def test_a_checkpoint_of_ours_between_two_locks_costs_a_snapshot_and_no_data(path, tmp_path, small_log) -> None:
    """It notices that the log has begun anew, or is shorter than it was (journal_size_limit)."""
    async with open_database(path) as database:
        with Litestream(path) as litestream:
            await _write(database, 0)
            litestream.release()
            await _write(database, 1000)
            litestream.finish()
            assert litestream.snapshots == 2
            assert _same(litestream, path, tmp_path)


async def test_a_restart_of_the_daemon_beside_litestream_costs_nothing(path, tmp_path, small_log) -> None:
    """The log stays, because the daemon is not the last to close the database."""
    async with open_database(path) as database:
        litestream = Litestream(path).__enter__()
        await _write(database, 0)
    for begin in (1000, 2000):
        async with open_database(path) as database:
            await _write(database, begin)
    assert litestream.snapshots == 1
    assert _same(litestream, path, tmp_path)
    litestream.__exit__()


async def test_what_is_written_while_litestream_is_down_costs_a_snapshot(path, tmp_path) -> None:
    """The daemon merges and removes the log at its end; so it starts after Litestream, and ends before it."""
    async with open_database(path) as database:
        with Litestream(path) as litestream:
            await _write(database, 0, times=1)
        await _write(database, 1000, times=1)
    assert not path.with_name("mirror.db-wal").exists()
    with litestream:
        assert litestream.snapshots == 2
        assert _same(litestream, path, tmp_path)


async def test_litestreams_tables_are_no_problem(path, tmp_path) -> None:
    """Neither for a check and a copy, nor for the next start."""
    async with open_database(path) as database:
        with Litestream(path):
            await _write(database, 0, times=1)
            assert not [finding for finding in maintenance.check(path) if finding.problems]
            maintenance.backup(path, tmp_path / "copy.db")
    assert "_litestream_seq" in {table.name for table in maintenance.sizes(tmp_path / "copy.db").tables}


async def test_after_a_restore_of_ours_litestream_has_to_be_started_again(path, tmp_path, monkeypatch) -> None:
    """The copy may be older than its tables, which it only makes when it starts; it then copies everything.

    The restore waits for its read lock before it leaves the log as it is.
    """
    monkeypatch.setattr(restoring, "BUSY_S", 0.1)
    async with open_database(path) as database:
        await _write(database, 0, times=1)
    maintenance.backup(path, tmp_path / "copy.db")
    async with open_database(path) as database:
        await _write(database, 1000, times=1)
    litestream = Litestream(path).__enter__()
    litestream.sync()
    restoring.restore(path, tmp_path / "copy.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table: _litestream_seq"):
        litestream.checkpoint()
    again = Litestream(path).__enter__()
    assert _same(again, path, tmp_path)


@pytest.mark.parametrize("place", ["another machine", "the same path"])
async def test_identity_goes_on_in_what_litestream_restores_and_ids_jump(path, tmp_path, place) -> None:
    """The epoch of the feed is another one, and ids jump: those after the last replicated change may be known."""
    async with open_database(path) as database:
        await database.writer.run(_identify)
        with Litestream(path) as litestream:
            await database.writer.run(_delete_last)
            litestream.sync()
            replicated = await database.reader.run(feed_state)
            litestream.sync = lambda: None  # type: ignore[method-assign]  # the rest is lost
            await database.writer.run(_add_server, "lost")
            lost = await database.reader.run(feed_state)
    restored = path
    if place == "another machine":
        restored = tmp_path / "other" / "mirror.db"
        restored.parent.mkdir()
    else:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(f"mirror.db{suffix}").unlink(missing_ok=True)
    litestream.restore(restored)
    async with open_database(restored) as database:
        begun = await database.reader.run(feed_state)
        await database.writer.run(_add_server, "new")
        await database.writer.run(_request)
        query = (
            "SELECT value FROM daemon_state WHERE key = 'client_identifier' UNION ALL SELECT id FROM sync_requests"
        )
        (identity,), (request,) = map(tuple, await database.reader.execute_fetchall(query))
        seqs = await database.reader.execute_fetchall("SELECT seq FROM changes WHERE seq > ?", (begun.floor,))
    assert identity == "this-daemon"
    assert request == 3 + JUMP + 1
    assert begun.feed_id != replicated.feed_id == lost.feed_id
    assert begun.floor == begun.last_seq >= replicated.last_seq + JUMP > lost.last_seq > replicated.last_seq
    assert [tuple(row) for row in seqs] == [(begun.last_seq + 1,)]
    async with open_database(restored) as database:
        assert (await database.reader.run(feed_state)).feed_id == begun.feed_id, "once"


def _identify(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO daemon_state (key, value) VALUES ('client_identifier', 'this-daemon')")
    _add_server(connection, "home")
    for _ in range(3):
        _request(connection)


def _add_server(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("INSERT INTO plex_servers (name, server_url) VALUES (?, 'http://h')", (name,))


def _delete_last(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM sync_requests")


def _request(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO sync_requests DEFAULT VALUES")
