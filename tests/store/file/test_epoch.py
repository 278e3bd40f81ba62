"""A database that was put back begins a new epoch of its feed, and assigns no id twice; any other goes on."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import pytest

from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.feed.reading import FeedState, feed_state
from retrovue_daemon.store.file.epoch import JUMP, Mark, enter, leave, mark_path
from retrovue_daemon.store.file.maintenance import backup
from retrovue_daemon.store.file.restoring import restore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SERVER = "INSERT INTO plex_servers (name, server_url) VALUES (?, 'http://h')"
SHOW = (
    "INSERT INTO shows (server_id, library_id, rating_key, title, created_at, synced_at) VALUES (1, 1, ?, 'S', 1, 1)"
)


async def _sync(path: Path, *names: str) -> FeedState:
    """Do what a process does that opens the database: add servers, a show each, and end cleanly."""
    async with open_database(path) as database:

        def write(connection: sqlite3.Connection) -> None:
            for name in names:
                connection.execute(SERVER, (name,))
                if name == "first":
                    connection.execute(
                        "INSERT INTO libraries (server_id, library_key, library_name, library_type)"
                        " VALUES (1, '1', 'TV', 'show')"
                    )
                connection.execute(SHOW, (name,))

        await database.writer.run(write)
        return await database.reader.run(feed_state)


def _shows(path: Path) -> list[int]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [row_id for (row_id,) in connection.execute("SELECT id FROM shows ORDER BY id")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


async def test_a_restart_goes_on(path) -> None:
    """Even if other programs wrote meanwhile."""
    first = await _sync(path, "first")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(SERVER, ("other",))
    second = await _sync(path, "second")
    assert (second.feed_id, second.floor) == (first.feed_id, 0)
    assert _shows(path) == [1, 2]
    assert mark_path(path).stat().st_mode & 0o777 == 0o600


def _overwritten(path: Path, copy: Path) -> None:
    shutil.copyfile(copy, path)


def _replaced(path: Path, copy: Path) -> None:
    copy.replace(path)


def _with_mark_of_then(path: Path, copy: Path) -> None:
    """Put both files back, as they were an hour ago, with the times of then."""
    mark = _mark(copy)
    copy.replace(path)
    then = mark.written - 3600 * 10**9
    mark_path(path).write_bytes(msgspec.json.encode(msgspec.structs.replace(mark, written=then)))
    os.utime(mark_path(path), ns=(then, then))


def _without_mark(path: Path, _copy: Path) -> None:
    mark_path(path).unlink()


def _with_garbage(path: Path, _copy: Path) -> None:
    mark_path(path).write_bytes(b"\0" * 50)


@pytest.mark.parametrize("put_back", [_overwritten, _replaced, _with_mark_of_then, _without_mark, _with_garbage])
async def test_a_database_that_may_be_an_earlier_one_begins_a_new_epoch(path, tmp_path, put_back) -> None:
    """Once: the next start goes on. No id is assigned again that may have been assigned after the copy was made."""
    first = await _sync(path, "first")
    copy = tmp_path / "copy.db"
    for name in (path, mark_path(path)):
        shutil.copyfile(name, copy.with_name(name.name.replace("mirror", "copy")))
    await _sync(path, "second")
    put_back(path, copy)
    after = await _sync(path, "third")
    assert after.feed_id != first.feed_id
    assert after.floor >= JUMP
    assert after.last_seq > after.floor
    assert _shows(path)[-1] > JUMP
    assert (await _sync(path)).feed_id == after.feed_id


async def test_the_same_copy_may_be_put_back_again(path, tmp_path) -> None:
    """The ids after the first time are not assigned after the second, either: the mark beside the file has them."""
    await _sync(path, "first")
    copy = tmp_path / "copy.db"
    shutil.copyfile(path, copy)
    ids = []
    for _ in range(3):
        shutil.copyfile(copy, path)
        await _sync(path, "another")
        ids.append(_shows(path)[-1])
    assert ids == [2, JUMP + 3, 2 * JUMP + 4], "the first one was what the last process left"


def _mark(path: Path) -> Mark:
    return msgspec.json.decode(mark_path(path).read_bytes(), type=Mark)


def _moved(path: Path) -> None:
    """Give the file another inode number, as some file systems do whenever they are mounted."""
    shutil.copyfile(path, path.with_name("moved.db"))
    path.with_name("moved.db").replace(path)


async def test_an_inode_number_that_changes_is_no_restore(path) -> None:
    """If all ids are those of the clean end, and the mark was not put back, either."""
    first = await _sync(path, "first")
    for _ in range(2):
        _moved(path)
        assert (await _sync(path)).feed_id == first.feed_id
    assert _mark(path).ids["change_batches"] == first.last_seq


@pytest.mark.parametrize("has_second", [False, True])
async def test_a_snapshot_that_was_rolled_back_shows_by_the_mark_elsewhere(
    path, tmp_path, monkeypatch, has_second
) -> None:
    """Without one, it leaves no trace: both files are as they were, with the same inode numbers."""
    if has_second:
        (tmp_path / "run").mkdir()
        monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path / 'run'}:/nowhere")
    first = await _sync(path, "first")
    then = {file: file.read_bytes() for file in (path, mark_path(path))}
    await _sync(path, "second")
    for file, content in then.items():
        file.write_bytes(content)
    after = await _sync(path, "third")
    assert (after.feed_id != first.feed_id) == has_second
    assert _shows(path)[-1] == (JUMP + 3 if has_second else 2)
    assert (await _sync(path, "fourth")).feed_id == after.feed_id


async def test_a_mark_elsewhere_that_is_of_another_time_says_nothing(path, tmp_path, monkeypatch) -> None:
    """People run commands without that directory, which may also be gone; and the database may be a new one."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    first = await _sync(path, "first")
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    await _sync(path, "second")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    assert (await _sync(path, "third")).feed_id == first.feed_id
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "gone"))
    assert (await _sync(path, "fourth")).feed_id == first.feed_id
    for file in (path, mark_path(path)):
        file.unlink()
    new = await _sync(path, "first")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    assert (await _sync(path, "second")).feed_id == new.feed_id


@pytest.mark.parametrize("differs", ["an id", "the mark is a copy", "the mark was put back", "killed"])
async def test_an_inode_number_that_changes_counts_with_any_other_doubt(path, differs) -> None:
    """Another program may have written to the file that was there before, or both files are from a backup."""
    first = await _sync(path, "first")
    _moved(path)
    mark = _mark(path)
    if differs == "an id":
        mark.ids["sync_requests"] += 1
    if differs == "killed":
        mark = msgspec.structs.replace(mark, is_clean=False)
    if differs == "the mark was put back":
        mark = msgspec.structs.replace(mark, written=mark.written - 6 * 10**9)
    mark_path(path).write_bytes(msgspec.json.encode(mark))
    if differs != "the mark is a copy":
        os.utime(mark_path(path), ns=(mark.written, mark.written))
    assert (await _sync(path)).feed_id != first.feed_id


@pytest.fixture
def killed(path: Path) -> Callable[..., Mark]:
    """Leave the database as a process that was killed does; return the mark."""

    def kill(**changes: object) -> Mark:
        mark = msgspec.structs.replace(_mark(path), is_clean=False, **changes)
        mark_path(path).write_bytes(msgspec.json.encode(mark))
        return mark

    return kill


@pytest.mark.parametrize(
    ("found_log", "changes", "goes_on"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"boot_id": "another"}, False),
        (True, {"last_seq": 500}, False),
        (True, {"inode": 1}, False),
        (True, {"opened": "another"}, False),
    ],
)
async def test_a_killed_process_left_its_log(path, killed, found_log, changes, goes_on) -> None:
    """And no power cut can have lost a commit since; otherwise nothing says that the content is whole."""
    first = await _sync(path, "first")
    killed(**changes)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        leave(path, enter(connection, path, found_log=found_log), first.last_seq, {})
    assert ((await _sync(path)).feed_id == first.feed_id) == goes_on


async def test_a_killed_process_goes_on_with_its_log(path) -> None:
    """With the log, the content is whole."""
    async with open_database(path) as database:
        await database.writer.run(lambda c: c.execute(SERVER, ("first",)).close())
        before = await database.reader.run(feed_state)
        copy, mark = path.read_bytes(), mark_path(path).read_bytes()
        log = path.with_name("mirror.db-wal").read_bytes()
    assert log
    with path.open("r+b") as file:  # the same inode
        file.truncate(0)
        file.write(copy)
    mark_path(path).write_bytes(mark)
    path.with_name("mirror.db-wal").write_bytes(log)
    assert await _sync(path) == before


async def test_a_database_of_the_release_before_goes_on(path) -> None:
    """Nothing had read its feed."""
    first = await _sync(path, "first")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE feed SET opened = NULL")
    mark_path(path).unlink()
    assert (await _sync(path)).feed_id == first.feed_id


async def test_a_restore_begins_one_epoch(path, tmp_path) -> None:
    """The restore itself does, so that readers see it at once; the next start does not once more."""
    first = await _sync(path, "first")
    backup(path, tmp_path / "copy.db")
    await _sync(path, "second", "third")
    restore(path, tmp_path / "copy.db")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        restored = feed_state(connection)
    assert restored.feed_id != first.feed_id
    assert restored.floor == restored.last_seq > JUMP
    assert (await _sync(path, "fourth")).feed_id == restored.feed_id
    assert _shows(path) == [1, JUMP + 4]


async def test_the_highest_ids_stay(path) -> None:
    """A jump beyond them would leave no ids at all."""
    await _sync(path, "first")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('movies', ?)", (2**63 - 2,))
    mark_path(path).unlink()
    await _sync(path)
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT seq FROM sqlite_sequence WHERE name IN ('movies', 'episodes') ORDER BY name"
        assert connection.execute(query).fetchall() == [(JUMP,), (2**63 - 2,)]


async def test_a_mark_that_cannot_be_written_stops_nothing(path, monkeypatch) -> None:
    """The next start then begins a new epoch."""

    def full(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    await _sync(path, "first")
    before = mark_path(path).read_bytes()
    monkeypatch.setattr(os, "write", full)
    leave(path, Mark("x", 1, None, 0, is_clean=False), 7, {})
    monkeypatch.undo()
    assert mark_path(path).read_bytes() == before
    assert not list(path.parent.glob("*.partial"))
