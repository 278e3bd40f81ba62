"""Visits to a database that a daemon may be using."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.errors import (
    DatabaseHeld,
    DatabaseMissing,
    DatabaseOutOfReach,
    DatabaseUnusable,
    DiskFull,
    WriteFailed,
)
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.file import space, visits
from retrovue_daemon.store.file.lock import database_lock
from retrovue_daemon.store.file.preparation import check_place
from retrovue_daemon.store.file.visits import changing, explained, make_if_missing, reading

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "mirror.db"
    make_if_missing(place)
    return place


ADD = "INSERT INTO plex_servers (name, server_url) VALUES ('home', 'http://127.0.0.1:1')"


def _names(path: Path) -> list[str]:
    with reading(path) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM plex_servers")]


def test_a_change_is_one_transaction(path) -> None:
    """All of it is there afterwards, or, where something fails, nothing of it."""
    with changing(path) as connection:
        connection.execute(ADD)
    assert _names(path) == ["home"]

    def fail() -> None:
        with changing(path) as connection:
            connection.execute("DELETE FROM plex_servers")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert _names(path) == ["home"]


def test_a_change_keeps_what_others_refer_to(path) -> None:
    """Foreign keys also apply to commands, and violations of a table's rules are reported."""
    with changing(path) as connection:
        connection.execute(ADD)
        connection.execute(
            "INSERT INTO libraries (server_id, library_key, library_name, library_type) VALUES (1, '1', 'M', 'movie')"
        )
        connection.execute("DELETE FROM plex_servers")
        assert connection.execute("SELECT count(*) FROM libraries").fetchone() == (0,)
        connection.execute(ADD)
    with pytest.raises(WriteFailed, match="UNIQUE"), changing(path) as connection:
        connection.execute(ADD)


def test_who_only_reads_cannot_write(path) -> None:
    """By mistake, or by an injected statement."""
    for opened_by_daemon in (False, True):
        with closing(sqlite3.connect(path)) as daemon:
            if opened_by_daemon:
                daemon.execute("SELECT * FROM plex_servers").fetchall()
            with pytest.raises(Exception, match=r"readonly|is not writable"), reading(path) as connection:
                connection.execute(ADD)
    assert _names(path) == []


def test_a_database_is_made_only_where_there_is_none(path, tmp_path) -> None:
    """With the requested permissions; an existing file is not even opened."""
    made = tmp_path / "other.db"
    make_if_missing(made, mode=0o640)
    assert made.stat().st_mode & 0o777 == 0o640
    before = path.stat().st_mtime_ns
    with database_lock(path):
        make_if_missing(path, mode=0o644)
    assert (path.stat().st_mtime_ns, path.stat().st_mode & 0o777) == (before, 0o600)


def test_a_database_that_root_makes_belongs_to_the_daemon(tmp_path) -> None:
    """To whom its directory belongs; everybody else makes it for himself."""
    place = tmp_path / "state" / "mirror.db"
    place.parent.mkdir()
    if os.geteuid() == 0:
        os.chown(place.parent, 65534, 65534)
    make_if_missing(place)
    owner = place.parent.stat().st_uid
    assert {file.name: file.stat().st_uid for file in place.parent.iterdir()} == {
        "mirror.db": owner,
        "mirror.db.lock": owner,
    }


def test_a_look_creates_nothing(tmp_path) -> None:
    """Not even an empty file, which would have the permissions of the umask."""
    check_place(tmp_path / "mirror.db", own=False)
    with pytest.raises(DatabaseMissing), reading(tmp_path / "mirror.db"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_refused_at_once(tmp_path) -> None:
    """Opening a pipe would wait forever."""
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path):
        with pytest.raises(DatabaseUnusable), reading(place):
            pass


def test_a_database_that_is_just_being_made_is_left_to_its_maker(tmp_path) -> None:
    """The daemon holds the lock before there is anything in the file."""
    place = tmp_path / "new.db"
    with database_lock(place), pytest.raises(DatabaseHeld):
        make_if_missing(place)
    with pytest.raises(DatabaseMissing), reading(place):
        pass


def test_a_link_leads_to_the_database(path, tmp_path) -> None:
    """The log that matters is beside the file itself."""
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    with closing(sqlite3.connect(path)) as daemon:
        daemon.execute(ADD)
        daemon.commit()
        assert _names(link) == ["home"]
    assert [file.name for file in link.parent.iterdir()] == ["link.db"]


async def test_a_visit_leaves_the_locks_of_this_process_alone(path) -> None:
    """Closing a file releases all locks of the process on it: another program then takes the log for its own."""
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM movies').fetchone()"
    async with open_database(path):
        with reading(path):
            pass
        with changing(path):
            pass
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", code, path)
        assert await other.wait() == 0
        assert path.with_name("mirror.db-wal").exists()


def _failure(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorname = name
    return error


def test_a_full_disk_is_named_as_such(path, monkeypatch) -> None:
    """SQLite calls it an error of the disk; there is no next pass that would write what is missing."""
    monkeypatch.setattr(space, "free_space", lambda _: 0)
    for name in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"):
        error = explained(path, _failure(name))
        assert isinstance(error, DiskFull)
        assert error.detail == (
            "what SQLite says" if name == "SQLITE_FULL" else "the disk is full (what SQLite says)"
        )
        assert f"on the disk of {path.parent}; free some space" in (error.hint or "")
        assert (error.hint or "").endswith("then try again: nothing was changed")


def test_a_file_beside_the_database_that_cannot_be_opened_is_named(path) -> None:
    """Not damage of the database, for which a backup would have to be restored."""
    error = explained(path, _failure("SQLITE_CANTOPEN"))
    assert (type(error), error.detail) == (DatabaseOutOfReach, "cannot be opened")
    assert "check its mode" in (error.hint or "")
    assert "restore" not in (error.hint or "")
    error = explained(path, _failure("SQLITE_READONLY_DIRECTORY"))
    assert error.detail == "is not writable for this user"


def test_a_read_only_file_system_is_the_reason(path, monkeypatch) -> None:
    monkeypatch.setattr(visits, "is_read_only", lambda _: True)
    assert explained(path, _failure("SQLITE_CANTOPEN")).detail == "is on a file system that is read-only"
