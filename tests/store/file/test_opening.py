"""Opening a database: schema, pragmas, permissions, the lock, and what is refused."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import sqlite3
import stat
import struct
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.errors import DatabaseDamaged, DatabaseHeld, DatabasePlaceMissing, DatabaseUnusable
from retrovue_daemon.store import database as opened_database
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.file.lock import database_lock, holder
from retrovue_daemon.store.file.preparation import prepared
from retrovue_daemon.store.file.visits import reading
from retrovue_daemon.store.migrations import APPLICATION_ID, migrations

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

TABLES = {
    "daemon_state", "plex_servers", "libraries", "library_locations", "plex_path_mappings", "media_files", "shows",
    "show_guids", "seasons", "episodes", "episode_guids", "movies", "movie_guids", "sync_runs", "sync_requests",
    "damaged_items", "tags", "movie_tags", "show_tags", "episode_tags", "people", "movie_credits", "show_credits",
    "episode_credits", "collections", "collection_items", "streams", "chapters", "search_queue", "markers",
    "change_batches", "feed", "hooks", "hook_events",
}  # fmt: skip
VIEWS = {
    "active_movies", "active_shows", "active_episodes", "preferred_movies", "preferred_episodes", "movie_genres",
    "show_genres", "episode_genres", "collection_movies", "collection_episodes", "changes", "feed_state",
}  # fmt: skip


async def _open_and_close(path: Path, **options: Any) -> None:
    async with open_database(path, **options):
        pass


async def test_a_new_database_has_the_whole_schema(tmp_path) -> None:
    """All tables and views, the program's mark and the schema's version, in a write-ahead log."""
    async with open_database(tmp_path / "mirror.db") as database:
        rows = await database.reader.execute_fetchall("SELECT type, name FROM sqlite_schema")
        found = {(row[0], row[1]) for row in rows if not row[1].startswith("sqlite_")}
        assert {name for kind, name in found if kind == "table"} == TABLES
        assert {name for kind, name in found if kind == "view"} == VIEWS
        for pragma, value in {
            "application_id": APPLICATION_ID,
            "user_version": migrations()[-1].version,
            "journal_mode": "wal",
            "foreign_keys": 1,
            "synchronous": 1,
            "busy_timeout": 5000,
            "wal_autocheckpoint": 4000,
            "trusted_schema": 0,
        }.items():
            ((found_value,),) = await database.reader.execute_fetchall(f"PRAGMA {pragma}")
            assert found_value == value, pragma


async def test_every_table_is_strict_and_every_foreign_key_has_an_index(tmp_path) -> None:
    """Deleting a parent must not scan its children."""
    await _open_and_close(tmp_path / "mirror.db")
    with closing(sqlite3.connect(tmp_path / "mirror.db")) as connection:
        for _, name, kind, _, _, strict in connection.execute("PRAGMA main.table_list"):
            if kind != "table" or name.startswith("sqlite_"):
                continue
            assert strict, name
            columns = {row[3] for row in connection.execute(f"PRAGMA foreign_key_list({name})")}
            leading = {
                next(connection.execute(f"PRAGMA index_info({row[1]})"))[2]
                for row in connection.execute(f"PRAGMA index_list({name})")
            }
            assert columns <= leading, name


async def test_the_reader_cannot_write(database) -> None:
    """Whoever reads cannot change a row by mistake."""
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.reader.execute("DELETE FROM plex_servers")


async def test_files_are_private_unless_configured(tmp_path) -> None:
    """The database, its log and its lock are 0600 by default; a configured mode holds for all of them."""
    async with open_database(tmp_path / "private.db"):
        for name in ("private.db", "private.db-wal", "private.db.lock"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
    async with open_database(tmp_path / "shared.db", mode=0o640):
        for name in ("shared.db", "shared.db-wal"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640, name


async def test_a_group_that_this_user_is_no_member_of_is_reported_as_such(tmp_path, monkeypatch) -> None:
    """The directory is not to blame, and to make it writable would not help."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(shutil, "chown", refuse)  # root may do it, and tests may run as root
    with pytest.raises(DatabaseUnusable) as caught:
        await _open_and_close(tmp_path / "mirror.db", group="media")
    assert caught.value.detail == "cannot be given to the group 'media': Operation not permitted"
    assert "member of media" in (caught.value.hint or "")


async def test_a_second_process_learns_who_holds_the_database(tmp_path) -> None:
    """The lock is the kernel's: another real process gets it neither by waiting nor by luck."""
    path = tmp_path / "mirror.db"
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from retrovue_daemon.store.database import open_database\n"
        "async def main():\n"
        f"    async with open_database(Path({str(path)!r})):\n"
        "        print('open', flush=True)\n"
        "        sys.stdin.read()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(DatabaseHeld) as held:
            await _open_and_close(path)
        assert held.value.pid == holder.pid
        assert held.value.exit_code == 75
        holder.stdin.close()
        assert holder.wait(10) == 0
    await _open_and_close(path)


async def test_a_daemon_that_starts_does_not_say_that_it_serves_before_the_database_is_there(
    tmp_path, monkeypatch
) -> None:
    """A request would find no table then: the caller retries, nothing more."""
    path, seen = tmp_path / "mirror.db", []

    def meet() -> None:
        with pytest.raises(DatabaseHeld) as caught, database_lock(path):
            pass
        seen.append((caught.value.pid, caught.value.serves))

    def meet_and_prepare(place: Path, **options: Any) -> AbstractContextManager[sqlite3.Connection]:
        meet()
        return prepared(place, **options)

    monkeypatch.setattr(opened_database, "prepared", meet_and_prepare)
    async with open_database(path, serves=True):
        meet()
    assert seen == [(os.getpid(), False), (os.getpid(), True)]


async def test_a_link_is_the_file_that_it_leads_to(tmp_path) -> None:
    """The lock stands beside the file itself, so a second name is no way around it."""
    (tmp_path / "other").mkdir()
    link = tmp_path / "other" / "link.db"
    link.symlink_to(tmp_path / "mirror.db")
    async with open_database(tmp_path / "mirror.db"):
        with pytest.raises(DatabaseHeld):
            await _open_and_close(link)


async def test_a_special_file_is_left_alone(tmp_path) -> None:
    """A pipe or a device is no database, and keeps its mode."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o666)
    before = pipe.stat().st_mode
    with pytest.raises(DatabaseUnusable, match="not a regular file"):
        await _open_and_close(pipe)
    assert pipe.stat().st_mode == before


async def test_another_programs_database_is_left_alone(tmp_path) -> None:
    """It is refused by a clear error; no byte, no permission and no write-ahead log of it changes."""
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE theirs (x)")
        connection.commit()
        path.chmod(0o644)
        log = path.with_name("theirs.db-wal")
        before = path.read_bytes(), log.read_bytes(), path.stat().st_mode

        with pytest.raises(DatabaseUnusable, match="another program") as refused:
            await _open_and_close(path, mode=0o600)

        assert refused.value.exit_code == 78
        assert (path.read_bytes(), log.read_bytes(), path.stat().st_mode) == before


async def test_nothing_is_put_beside_another_programs_database(tmp_path) -> None:
    """Neither the lock nor a log and its index, also where that program uses a log."""
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(DatabaseUnusable, match="another program"):
        await _open_and_close(path)
    assert [file.name for file in tmp_path.iterdir()] == ["theirs.db"]


async def test_a_database_that_is_locked_at_start_is_worth_another_try(tmp_path, monkeypatch) -> None:
    """Another program may be writing just then; a restart later helps."""
    monkeypatch.setattr("retrovue_daemon.store.file.preparation.BUSY_S", 0.01)
    path = tmp_path / "mirror.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseHeld) as held:
            await _open_and_close(path)
    assert held.value.exit_code == 75


async def test_a_file_that_is_no_database_is_left_alone(tmp_path) -> None:
    """Text instead of SQLite gives one clear line."""
    path = tmp_path / "notes.db"
    path.write_text("shopping list: " + "milk " * 500)
    with pytest.raises(DatabaseUnusable, match="not a database"):
        await _open_and_close(path)
    assert path.read_text().startswith("shopping list")


async def test_a_database_of_a_newer_release_is_refused(tmp_path) -> None:
    """It is never downgraded, emptied or recreated."""
    path = tmp_path / "mirror.db"
    await _open_and_close(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseUnusable, match="schema version 99"):
        await _open_and_close(path)


async def test_a_damaged_database_is_refused_after_an_unclean_end(tmp_path) -> None:
    """The check runs when a write-ahead log was left behind, and names what is broken."""
    path = tmp_path / "mirror.db"
    async with open_database(path) as database:
        await database.writer.run(
            lambda c: c.executemany(
                "INSERT INTO daemon_state (key, value) VALUES (?, ?)", [(str(n), "x" * 200) for n in range(2000)]
            )
        )
    content = bytearray(path.read_bytes())
    content[-4096 * 20 :] = b"\xff" * (4096 * 20)
    path.write_bytes(content)
    path.with_name("mirror.db-wal").write_bytes(b"left over")

    with pytest.raises(DatabaseUnusable, match=r"damaged|malformed"):
        await _open_and_close(path)


KILLED = """
import os, signal, sqlite3, sys

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA wal_autocheckpoint = 0")
for name, rows in (("on disk", 60), ("in the log", 2000)):
    connection.execute(
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT ?)"
        " INSERT INTO daemon_state SELECT ? || x, hex(randomblob(200)) FROM n", (rows, name)
    )
    if name == "on disk":
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_the_log_of_a_killed_process_is_not_merged_into_a_copy(tmp_path) -> None:
    """The file was replaced since: it is refused, and not destroyed by that."""
    path = tmp_path / "mirror.db"
    await _open_and_close(path)
    copy = path.read_bytes()
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, path)
    assert await killed.wait() == -signal.SIGKILL
    log = path.with_name("mirror.db-wal").read_bytes()
    path.write_bytes(copy)
    for _ in range(2):
        with pytest.raises(DatabaseDamaged, match="does not fit the log beside it") as refused:
            await _open_and_close(path)
        assert refused.value.exit_code == 78
        assert "move mirror.db-wal and mirror.db-shm away" in (refused.value.hint or "")
        assert path.read_bytes() == copy
        assert path.with_name("mirror.db-wal").read_bytes() == log
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    await _open_and_close(path)


JOURNAL_OF_AN_EMPTY_FILE = struct.pack(">8sIIIII484x", bytes.fromhex("d9d505f920a163d7"), 0, 4711, 0, 512, 4096)
"""A rollback journal that says that the file had no pages: https://sqlite.org/fileformat2.html#the_rollback_journal."""


async def test_a_first_start_that_was_killed_while_it_made_the_file_can_be_tried_again(tmp_path) -> None:
    """Turning the write-ahead log on writes the first page, and only then deletes the journal."""
    path = tmp_path / "mirror.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    path.with_name("mirror.db-journal").write_bytes(JOURNAL_OF_AN_EMPTY_FILE)
    await _open_and_close(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def _kill_in_a_transaction(path: Path, statement: str) -> None:
    """Leave what a process leaves that is killed after it wrote half a transaction, without a write-ahead log."""
    half = [path, path.with_name(f"{path.name}-journal")]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute(statement)
        connection.execute("CREATE TABLE filler (x)")
        connection.execute(
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2000)"
            " INSERT INTO filler SELECT hex(randomblob(200)) FROM n"
        )
        contents = [file.read_bytes() for file in half]
        connection.execute("ROLLBACK")
    for file, content in zip(half, contents, strict=True):
        file.write_bytes(content)


async def test_a_transaction_of_a_killed_program_is_rolled_back(tmp_path) -> None:
    """Another program turned the write-ahead log off, and was killed in the middle of a change.

    Until then, commands that only read refuse the file: they would take half a transaction for a whole one.
    """
    path = tmp_path / "mirror.db"
    await _open_and_close(path)
    _kill_in_a_transaction(path, "DELETE FROM daemon_state")
    half = path.read_bytes()
    with pytest.raises(DatabaseUnusable, match="has a rollback journal") as refused, reading(path):
        pass
    assert "start the daemon" in (refused.value.hint or "")
    assert path.read_bytes() == half
    await _open_and_close(path)
    # One that is over, as PRAGMA journal_mode = PERSIST leaves it.
    path.with_name("mirror.db-journal").write_bytes(bytes(512))
    with reading(path) as connection:
        assert connection.execute("SELECT count(*) FROM plex_servers").fetchone() == (0,)
    path.with_name("mirror.db-journal").unlink()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'filler'").fetchone() is None


async def test_another_programs_database_with_half_a_transaction_is_left_alone(tmp_path) -> None:
    """It is refused by what its file says, and neither it nor its journal is changed."""
    path = tmp_path / "mirror.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")
    _kill_in_a_transaction(path, "INSERT INTO theirs VALUES (1)")
    before = [file.read_bytes() for file in sorted(tmp_path.iterdir())]
    with pytest.raises(DatabaseUnusable, match="another program"):
        await _open_and_close(path)
    assert [file.read_bytes() for file in sorted(tmp_path.iterdir()) if ".lock" not in file.name] == before


async def test_a_missing_directory_may_be_an_unmounted_disk(tmp_path) -> None:
    """A configured directory is not created, and the exit code means: try again later."""
    with pytest.raises(DatabasePlaceMissing) as missing:
        await _open_and_close(tmp_path / "nas" / "mirror.db")
    assert missing.value.exit_code == 75
    assert not (tmp_path / "nas").exists()


async def test_the_default_directory_is_made(tmp_path) -> None:
    """The first start on a fresh machine needs no preparation."""
    await _open_and_close(tmp_path / "share" / "retrovue-daemon" / "retrovue.db", own_place=True)
    assert (tmp_path / "share" / "retrovue-daemon" / "retrovue.db").exists()


@pytest.mark.parametrize("path", ["/proc/mirror.db", "/"])
async def test_a_place_that_cannot_be_written_is_reported_as_such(path) -> None:
    """Whatever keeps the file from being made, the message names the database and what to do."""
    with pytest.raises(DatabaseUnusable) as unusable:
        await _open_and_close(Path(path))
    assert str(path) in str(unusable.value)
    assert unusable.value.hint


async def test_a_link_that_leads_to_itself_is_refused(tmp_path) -> None:
    """Not with a traceback, and nothing is put beside it."""
    (tmp_path / "mirror.db").symlink_to(tmp_path / "other.db")
    (tmp_path / "other.db").symlink_to(tmp_path / "mirror.db")
    with pytest.raises(DatabaseUnusable, match="leads to itself"):
        await _open_and_close(tmp_path / "mirror.db")
    assert {file.name for file in tmp_path.iterdir()} == {"mirror.db", "other.db"}


async def test_programs_can_add_servers_and_mappings_as_they_used_to(database, query) -> None:
    """Only the columns of the original schema are needed; the rest has defaults."""
    await database.writer.run(
        lambda c: c.execute(
            "INSERT INTO plex_servers (name, server_url, token, is_active) VALUES ('attic', 'http://a', 't', 1)"
        )
    )
    await database.writer.run(
        lambda c: c.execute(
            "INSERT INTO plex_path_mappings (server_id, library_root, library_name, plex_path, local_path)"
            " VALUES (2, NULL, NULL, '/a', '/b')"
        )
    )
    assert await query("SELECT source, is_active FROM plex_servers WHERE name = 'attic'") == [("database", 1)]
    assert await query("SELECT source FROM plex_path_mappings") == [("database",)]


async def test_the_lock_stays_until_abandoned_work_has_ended(tmp_path) -> None:
    """A signal ends the wait for a schema upgrade, not the upgrade: no other process may begin one."""
    path = tmp_path / "mirror.db"
    begun, may_end = threading.Event(), threading.Event()

    def upgrade() -> None:
        begun.set()
        may_end.wait()

    with database_lock(path) as lock:
        waiting = asyncio.create_task(lock.during(upgrade))
        await asyncio.to_thread(begun.wait)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert holder(path).held
    may_end.set()
    async with asyncio.timeout(10):
        while holder(path).held:  # noqa: ASYNC110 -- the thread sends no event
            await asyncio.sleep(0)


async def test_a_check_without_an_end_does_not_keep_a_start_from_ending(tmp_path, monkeypatch) -> None:
    """After an unclean end, the whole file is checked, which takes minutes on a slow disk; the log stays as it is."""
    path, begun = tmp_path / "mirror.db", threading.Event()
    await _open_and_close(tmp_path / "origin.db")
    with closing(sqlite3.connect(tmp_path / "origin.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO plex_servers (name, server_url) VALUES ('home', 'http://127.0.0.1:1')")
        for suffix in ("", "-wal"):
            shutil.copyfile(tmp_path / f"origin.db{suffix}", tmp_path / f"mirror.db{suffix}")
    log = path.with_name("mirror.db-wal").read_bytes()

    def check(connection: sqlite3.Connection, _path: Path) -> None:
        begun.set()
        endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
        connection.execute(endless).fetchone()

    with monkeypatch.context() as patched:
        patched.setattr("retrovue_daemon.store.file.preparation._quick_check", check)
        opening = asyncio.create_task(_open_and_close(path))
        await asyncio.to_thread(begun.wait)
        opening.cancel()
        async with asyncio.timeout(10):
            await asyncio.gather(opening, return_exceptions=True)
    assert opening.cancelled()
    assert not holder(path).held
    assert path.with_name("mirror.db-wal").read_bytes() == log
    async with open_database(path) as database:
        names = await database.reader.execute_fetchall("SELECT name FROM plex_servers")
        assert [*names] == [("home",)]
        assert path.with_name("mirror.db-wal").stat().st_size < len(log), "merged before it was opened"
