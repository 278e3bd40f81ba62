"""Opening a database: made where it is missing, upgraded where it is old, never below a daemon."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon import Database
from retrovue_daemon.errors import DatabaseHeld, DatabasePlaceMissing, DatabaseUnusable
from retrovue_daemon.store.file import opening
from retrovue_daemon.store.file.lock import database_lock
from retrovue_daemon.store.migrations import APPLICATION_ID, migrations

if TYPE_CHECKING:
    from pathlib import Path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def make_old(path: Path) -> None:
    """Make a database as the first release left it; one without rows would be made anew."""
    first = migrations()[0]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(
            f"PRAGMA journal_mode = WAL; {first.sql}; PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {first.version};"
            "INSERT INTO plex_servers (name, server_url) VALUES ('home', 'http://127.0.0.1:1')"
        )


async def test_a_missing_database_is_made(path) -> None:
    """For its owner alone, and without anything left to hold."""
    async with Database(path) as database:
        assert await database.get_plex_servers() == []
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with database_lock(path):
        assert version_of(path) == migrations()[-1].version


async def test_a_missing_directory_is_reported(tmp_path) -> None:
    """It may be a disk that is not mounted."""
    with pytest.raises(DatabasePlaceMissing):
        async with Database(tmp_path / "nowhere" / "mirror.db"):
            pass


async def test_another_programs_database_is_left_alone(path) -> None:
    """Byte for byte."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(DatabaseUnusable, match="another program"):
        async with Database(path):
            pass
    assert path.read_bytes() == before


async def test_an_old_database_is_upgraded(path) -> None:
    """A copy of it stays, readable by the same users."""
    make_old(path)
    path.chmod(0o640)
    async with Database(str(path)):
        assert version_of(path) == migrations()[-1].version
    assert version_of(path.with_name("mirror.db.v1.bak")) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_no_schema_is_changed_below_a_daemon(path, monkeypatch) -> None:
    """Its own release has to do it; what to do is reported."""
    monkeypatch.setattr(opening, "PATIENCE_S", 0.0)
    make_old(path)
    with database_lock(path) as lock:
        lock.serve()
        with pytest.raises(DatabaseHeld) as caught:
            async with Database(path):
                pass
    assert caught.value.serves
    assert "schema version 1" in (caught.value.hint or "")
    assert version_of(path) == 1


async def test_a_database_of_this_release_is_opened_below_a_daemon(path) -> None:
    """Both to read and to write."""
    async with Database(path):
        pass
    with database_lock(path):
        async with Database(path) as database:
            assert await database.add_plex_server("home", "http://127.0.0.1:1", "tok-1234") == 1


async def test_opening_waits_for_a_process_that_creates_it(path) -> None:
    """Programs that start at the same moment do not get into each other's way."""
    async with Database(path) as first, Database(path) as second:
        assert first.path == second.path
    path.unlink()

    async def open_it() -> int:
        async with Database(path) as database:
            return len(await database.get_plex_servers())

    assert await asyncio.gather(*(open_it() for _ in range(8))) == [0] * 8


async def test_links_lead_to_the_database_itself(path, tmp_path) -> None:
    """The lock stands beside the file, whatever it is called."""
    async with Database(path):
        pass
    link = tmp_path / "link.db"
    link.symlink_to(path)
    async with Database(link) as database:
        assert database.path == path


async def test_a_database_that_is_not_open_says_so(path) -> None:
    """Before its block, and after it."""
    database = Database(path)
    with pytest.raises(RuntimeError, match="async with"):
        await database.get_plex_servers()
    async with database:
        pass
    with pytest.raises(RuntimeError, match="async with"):
        await database.add_plex_server("home", "http://127.0.0.1:1", "tok-1234")
