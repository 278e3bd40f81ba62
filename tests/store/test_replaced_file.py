"""The open files of the database are deleted, replaced or overwritten: the writer ends, and nothing is mixed."""

from __future__ import annotations

import asyncio
import lzma
import os
import shutil
import sqlite3
from contextlib import AsyncExitStack, asynccontextmanager, closing
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from retrovue_daemon.errors import DatabaseReplaced
from retrovue_daemon.store import file_watch
from retrovue_daemon.store.database import Database, open_database
from retrovue_daemon.store.file import maintenance
from retrovue_daemon.store.file.lock import lock_path
from tests.support.logs import Events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


@pytest.fixture(autouse=True)
def events(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The log; and the files are looked at all the time."""
    monkeypatch.setattr(file_watch, "LOOK_S", 0)
    monkeypatch.setattr(file_watch, "AGAIN_S", 0)
    told = Events()
    structlog.configure(processors=[told])
    yield told
    structlog.reset_defaults()


def _content(path: Path) -> list[str]:
    """Read a database as a program does that could also write, and so would apply a log that it finds."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [
            key for (key,) in connection.execute("SELECT key FROM daemon_state WHERE key LIKE 'row %' ORDER BY 1")
        ]


async def _write(database: Database, *keys: str) -> None:
    insert = "INSERT INTO daemon_state VALUES (?, hex(randomblob(8000)))"
    for key in keys:
        await database.writer.run(methodcaller("execute", insert, (f"row {key}",)))


@asynccontextmanager
async def _lost(path: Path) -> AsyncIterator[Database]:
    """Open a database with content, of which ``copy.db`` has a part; wait at the end until the writer has ended."""
    async with open_database(path) as database:
        await _write(database, "1", "2")
    maintenance.backup(path, path.with_name("copy.db"))
    try:
        async with open_database(path) as database:
            await _write(database, "3", "4")
            yield database
            async with asyncio.timeout(20):
                await database.writer.stopped()
    except DatabaseReplaced as lost:
        assert lost.exit_code == 78  # noqa: PT017 -- the block belongs to the test
        return
    pytest.fail("the loss was not noticed")


def _asides(path: Path) -> list[str]:
    return sorted(file.name.rpartition("-")[2] for file in path.parent.glob("mirror.db.replaced-*"))


async def test_a_restored_copy_stays_as_it_is(path, events) -> None:
    """The log of the file that it replaces is moved away from it, and could be applied to the old file alone."""
    async with _lost(path):
        path.with_name("copy.db").replace(path)
    assert _content(path) == ["row 1", "row 2"]
    assert _asides(path) == ["shm", "wal"]
    (told,) = events.of("store.replaced")
    assert told["error"] == f"database {path}: was replaced by another file while it was open"
    assert told["moved"] == [str(file) for suffix in ("wal", "shm") for file in path.parent.glob(f"*-{suffix}")]
    assert told["moved"][0] in told["hint"]
    async with open_database(path) as database:
        await _write(database, "5")
    assert _content(path) == ["row 1", "row 2", "row 5"]


async def test_the_old_file_gets_what_was_written_to_it(path) -> None:
    """If it was moved, not deleted: it is complete without its log."""
    async with _lost(path):
        path.rename(path.with_name("old.db"))
        path.with_name("copy.db").replace(path)
    assert _content(path) == ["row 1", "row 2"]
    assert _content(path.with_name("old.db")) == ["row 1", "row 2", "row 3", "row 4"]


async def test_a_deleted_database_is_noticed(path) -> None:
    """A copy that gets its place later is as safe."""
    async with _lost(path):
        path.unlink()
    assert not path.exists()
    assert _asides(path) == ["shm", "wal"]
    path.with_name("copy.db").rename(path)
    assert _content(path) == ["row 1", "row 2"]


async def test_a_deleted_database_and_log_are_noticed(path, events) -> None:
    """There is nothing to move then, and nothing is said of it."""
    async with _lost(path):
        for file in path.parent.glob("mirror.db*"):
            file.unlink()
    assert not list(path.parent.glob("mirror.db*"))
    assert events.of("store.replaced")[0]["hint"].startswith("start the daemon again")


async def test_a_moved_directory_is_noticed(tmp_path) -> None:
    """The log has moved along and still belongs to its file."""
    (tmp_path / "place").mkdir()
    path = tmp_path / "place" / "mirror.db"
    async with _lost(path):
        path.parent.rename(tmp_path / "other")
    assert _content(tmp_path / "other" / "mirror.db") == ["row 1", "row 2", "row 3", "row 4"]


@pytest.mark.parametrize("make", ["backup", "vacuum", "sqlite"])
async def test_an_overwritten_database_is_noticed(path, make) -> None:
    """The file is the same one, but its header is not what SQLite has written; the log is not merged into it."""
    async with _lost(path):
        copy = path.with_name("copy.db")
        if make != "backup":
            other = path.with_name("other.db")
            with closing(sqlite3.connect(copy, isolation_level=None)) as source:
                if make == "vacuum":
                    source.execute("VACUUM INTO ?", (str(other),))
                else:
                    source.execute("PRAGMA journal_mode = WAL")
                    with closing(sqlite3.connect(other)) as target:
                        source.backup(target)
            copy = other
        # By another process: if this one closed the file, it would release the locks of SQLite.
        cp = await asyncio.create_subprocess_exec("cp", copy, path)
        assert await cp.wait() == 0
    assert _asides(path) == ["shm", "wal"]
    assert _content(path) == ["row 1", "row 2"]


@pytest.mark.parametrize("version", [None, 9])
async def test_a_schema_that_a_reader_kept_in_the_log_is_not_another_file(path, version) -> None:
    """The file's header is that of before the schema was made or upgraded, until the log is merged."""
    if version is not None:
        path.write_bytes(lzma.decompress((Path(__file__).parent / f"schema_{version}.db.xz").read_bytes()))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        assert reader.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        async with open_database(path) as database:
            await _write(database, "1")
            _, written, merged = reader.execute("PRAGMA wal_checkpoint").fetchone()
            assert written == merged > 0
    assert _content(path) == ["row 1"]
    assert not _asides(path)


async def test_an_emptied_database_is_noticed(path) -> None:
    """Nothing is written to it any more."""
    async with _lost(path):
        os.truncate(path, 0)
    assert path.stat().st_size == 0


@pytest.mark.parametrize("suffixes", [("-wal",), ("-shm",), ("-wal", "-shm")])
async def test_the_log_of_an_open_database_may_be_deleted(path, suffixes) -> None:
    """It is still open: what it holds gets into the database."""
    async with _lost(path):
        for suffix in suffixes:
            path.with_name(path.name + suffix).unlink()
    assert _content(path) == ["row 1", "row 2", "row 3", "row 4"]
    assert not _asides(path)


async def test_a_log_of_another_program_is_not_mixed_with_ours(path) -> None:
    """It was written to the database as it is without our log: one of the two has to go."""
    log, place = path.with_name("mirror.db-wal"), path.with_name("place.db")
    async with _lost(path):
        shutil.copy(path.with_name("copy.db"), place)
        with closing(sqlite3.connect(place, isolation_level=None)) as other:
            other.execute("PRAGMA journal_mode = WAL")
            other.execute("INSERT INTO daemon_state VALUES ('row other', '')")
            await asyncio.to_thread(place.with_name("place.db-wal").replace, log)
    assert "row 3" not in _content(path)


async def test_a_link_that_leads_elsewhere_is_noticed(path, tmp_path) -> None:
    """The log belongs to the file that was open, and is merged into it."""
    link = tmp_path / "link.db"
    link.symlink_to(path)
    async with _lost(link):
        link.with_name("next").symlink_to(tmp_path / "copy.db")
        link.with_name("next").replace(link)
    assert _content(path) == ["row 1", "row 2", "row 3", "row 4"]
    assert _content(link) == ["row 1", "row 2"]
    assert not path.with_name("mirror.db-wal").exists()


def _replace_by_link(lock: Path) -> None:
    lock.unlink()
    lock.symlink_to("elsewhere")


@pytest.mark.parametrize("change", [os.unlink, _replace_by_link])
async def test_a_lost_lock_is_noticed(path, change: Callable[[Path], None]) -> None:
    """A second daemon could have started."""
    async with _lost(path):
        change(lock_path(path))
    assert _content(path) == ["row 1", "row 2", "row 3", "row 4"]
    assert not path.with_name("elsewhere").exists()


async def test_what_is_not_written_yet_gets_the_reason(path) -> None:
    """Whoever waits for the writer, and whoever comes later."""
    async with _lost(path) as database:
        path.unlink()
        with pytest.raises(DatabaseReplaced):
            await _write(database, *(os.urandom(8).hex() for _ in range(10_000)))
        with pytest.raises(DatabaseReplaced):
            await _write(database, "5")


async def test_a_file_that_is_replaced_at_the_very_end_is_noticed(path, monkeypatch) -> None:
    """A sync may end before the next poll."""
    monkeypatch.setattr(file_watch, "LOOK_S", 3600)
    async with open_database(path) as database:
        await _write(database, "1", "2")
    maintenance.backup(path, path.with_name("copy.db"))
    async with AsyncExitStack() as stack:
        await _write(await stack.enter_async_context(open_database(path)), "3")
        path.with_name("copy.db").replace(path)
        with pytest.raises(DatabaseReplaced):
            await stack.aclose()
    assert _content(path) == ["row 1", "row 2"]
    assert _asides(path) == ["shm", "wal"]


async def test_what_sqlite_itself_writes_is_no_loss(path, events) -> None:
    """Checkpoints, growth, another program's changes, and a restore through SQLite."""
    async with open_database(path) as database:
        for number in range(5):
            await _write(database, *(f"{number}{n}" for n in range(20)))
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                other.execute(f"CREATE INDEX index_{number} ON movies (year)")
                other.execute("DELETE FROM daemon_state WHERE key LIKE 'row %'")
                other.execute("VACUUM")
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for _ in range(10):
                await asyncio.sleep(0)
    assert events.of("store.replaced") == []


async def test_a_second_name_of_the_database_is_warned_of(path, tmp_path, events) -> None:
    """SQLite would look for the log under that name; once is enough."""
    async with open_database(path) as database:
        (tmp_path / "second.db").hardlink_to(path)
        told = await events.next("store.hard_links")
        assert told["links"] == 2
        await _write(database, "1")
    assert len(events.of("store.hard_links")) == 1
