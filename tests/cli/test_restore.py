"""``database restore`` where no daemon runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.errors import DatabaseHeld
from retrovue_daemon.store.file import maintenance, restoring
from retrovue_daemon.store.file.lock import database_lock
from retrovue_daemon.store.migrations import APPLICATION_ID, migrations

if TYPE_CHECKING:
    from pathlib import Path

NEWEST = migrations()[-1].version


@pytest.fixture
def copy(database: Path, rows, tmp_path: Path) -> Path:
    """A backup; since then, films were deleted, and another one got an id of its own."""
    copy = tmp_path / "copy.db"
    maintenance.backup(database, copy)
    rows("DELETE FROM movies WHERE id > 5")
    rows(
        "INSERT INTO movies (id, server_id, library_id, rating_key, title, created_at, synced_at)"
        " SELECT 1000, server_id, library_id, 'x', 'Later', 1, 1 FROM movies WHERE id = 1"
    )
    return copy


def _films(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [title for (title,) in connection.execute("SELECT title FROM movies ORDER BY id")]


def _state(database: Path) -> dict[str, bytes]:
    """Return all files beside the database, but the lock."""
    return {
        file.name: file.read_bytes()
        for file in database.parent.iterdir()
        if file.is_file() and file.suffix != ".lock"
    }


def test_the_content_is_replaced_and_kept(on, database, copy, tmp_path) -> None:
    """What was there before can be restored in turn."""
    before, wanted = _films(database), _films(copy)
    finished = on("database", "restore", copy, "--yes")
    assert finished.code == 0
    assert f"restored {database}" in finished.out
    assert _films(database) == wanted
    (kept,) = tmp_path.glob("mirror.db.before-restore-*")
    assert str(kept) in finished.out
    assert _films(kept) == before
    assert kept.stat().st_mode == database.stat().st_mode
    assert not list(tmp_path.glob("*.partial*"))
    done = json.loads(on("database", "restore", kept, "--yes", "--json").out)
    assert (done["restored"], done["daemon"], done["rows"]["movies"]) == (True, False, 6)
    assert _films(database) == before


def test_the_file_stays_the_same_one(on, database, copy) -> None:
    """Programs that have it open see the new content, and notice the change as they notice any other."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as reader:
        version = reader.execute("PRAGMA data_version").fetchone()
        assert on("database", "restore", copy, "--yes").code == 0
        assert reader.execute("PRAGMA data_version").fetchone() != version
        assert reader.execute("SELECT count(*) FROM movies").fetchone() == (36,)


def test_no_id_is_used_for_another_item(on, rows, copy) -> None:
    """An id that was given after the backup is not given again."""
    assert on("database", "restore", copy, "--yes").code == 0
    rows(
        "INSERT INTO movies (server_id, library_id, rating_key, title, created_at, synced_at)"
        " SELECT server_id, library_id, 'y', 'Latest', 1, 1 FROM movies WHERE id = 1"
    )
    assert int(str(rows("SELECT max(id) FROM movies")[0][0])) > 1000


def test_requests_of_back_then_are_not_restored(on, rows, database, tmp_path) -> None:
    """They may ask for removals that are no longer meant."""
    rows("INSERT INTO sync_requests (kind, options) VALUES ('full', '{\"accept_removals\": true}')")
    maintenance.backup(database, tmp_path / "copy.db")
    assert on("database", "restore", tmp_path / "copy.db", "--yes").code == 0
    assert rows("SELECT * FROM sync_requests") == []


@pytest.mark.parametrize("options", [("--dry-run",), ("--dry-run", "--json"), ()])
def test_nothing_changes_without_consent(on, database, copy, options) -> None:
    """A dry run shows what the copy holds; without a terminal, nobody can be asked."""
    before = _state(database)
    finished = on("database", "restore", copy, *options)
    assert finished.code == (0 if options else 2)
    assert ("36" if options else "--yes") in finished.out + finished.err
    assert _state(database) == before


def test_the_answer_no_changes_nothing(on, database, copy) -> None:
    """The default is no."""
    before = _state(database)
    finished = on("database", "restore", copy, stdin="\n", terminal=True)
    assert finished.code == 1
    assert _state(database) == before
    assert on("database", "restore", copy, stdin="y\n", terminal=True).code == 0
    assert len(_films(database)) == 36


def _foreign(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE notes (x)")


def _newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 1}")


def _damaged(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'movies_title'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with file.open("r+b") as content:
        content.seek((page - 1) * size)
        content.write(b"\xff" * size)


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize(
    ("spoil", "code", "word"),
    [
        (_foreign, 78, "is an SQLite database of another program"),
        (_newer, 78, f"has schema version {NEWEST + 1}"),
        (_damaged, 78, "is damaged"),
        (_cut, 78, ""),
        (lambda file: file.write_text("a letter" * 100), 78, "is not an SQLite database"),
        (lambda file: os.truncate(file, 0), 78, "is empty"),
        (lambda file: file.unlink(), 2, "does not exist"),
        (lambda file: (file.unlink(), file.mkdir()), 78, "is a directory"),
    ],
)
def test_a_copy_that_is_none_is_refused(on, database, copy, spoil, code, word) -> None:
    """Also by a dry run; the database stays as it is."""
    spoil(copy)
    before = _state(database)
    for option in ("--yes", "--dry-run"):
        finished = on("database", "restore", copy, option)
        assert finished.code == code
        assert word in finished.err
        assert "hint: " in finished.err
        assert "--config" not in finished.err
    assert _state(database) == before


def test_the_database_is_no_copy_of_itself(on, database, tmp_path) -> None:
    """Under no name."""
    (tmp_path / "link").symlink_to(database)
    for name in (database, tmp_path / "link"):
        finished = on("database", "restore", name, "--yes")
        assert finished.code == 2
        assert "is the database itself" in finished.err


def test_a_copy_of_an_earlier_release_is_upgraded(on, database, tmp_path) -> None:
    """It is only read."""
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(
            f"{migrations()[0].sql}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;"
        )
    before = old.read_bytes()
    assert "to be upgraded" in on("database", "restore", old, "--yes").out
    assert _films(database) == []
    assert on("database", "check").code == 0
    assert old.read_bytes() == before


def test_a_copy_with_a_log_is_restored_with_it(on, database, copy) -> None:
    """Such as that of a daemon that was killed."""
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA journal_mode = WAL'); c.execute('DELETE FROM movies WHERE id > 2');"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, copy], check=False).returncode == -signal.SIGKILL
    assert copy.with_name("copy.db-wal").stat().st_size > 0
    assert on("database", "restore", copy, "--yes").code == 0
    assert len(_films(database)) == 2


def test_a_copy_with_other_pages_is_restored(on, database, copy) -> None:
    """Their size cannot change in a database with a log."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("VACUUM")
    assert on("database", "restore", copy, "--yes").code == 0
    assert len(_films(database)) == 36


@pytest.mark.parametrize("spoil", [_damaged, _cut, _newer])
def test_an_unusable_database_is_moved_away(on, database, copy, tmp_path, spoil) -> None:
    """With its log, so that it is applied to nothing else."""
    spoil(database)
    database.with_name("mirror.db-wal").write_bytes(b"a log of the old file")
    content = database.read_bytes()
    finished = on("database", "restore", copy, "--yes")
    assert finished.code == 0
    assert len(_films(database)) == 36
    kept = min(tmp_path.glob("mirror.db.before-restore-*"))
    assert kept.read_bytes() == content
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == b"a log of the old file"
    assert database.stat().st_mode == kept.stat().st_mode


@pytest.mark.parametrize("content", [b"a letter" * 100, bytes(8192), b"x"])
def test_a_database_without_its_beginning_is_moved_away(on, database, copy, tmp_path, content) -> None:
    """It is no database any more; the mark of the last process shows that it was one of ours."""
    database.write_bytes(content)
    database.with_name("mirror.db.epoch").write_text("{}")
    assert on("database", "restore", copy, "--yes").code == 0
    assert len(_films(database)) == 36
    assert min(tmp_path.glob("mirror.db.before-restore-*")).read_bytes() == content


@pytest.mark.parametrize("left", [None, b""])
def test_a_missing_database_is_made(on, database, copy, left) -> None:
    """A log without a database belongs to none."""
    database.unlink()
    if left is not None:
        database.write_bytes(left)
    database.with_name("mirror.db-wal").write_bytes(b"an old log")
    finished = on("database", "restore", copy, "--yes")
    assert finished.code == 0
    assert "the content before" not in finished.out
    assert len(_films(database)) == 36
    assert database.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("spoil", [_foreign, lambda file: file.write_text("a letter" * 100)])
def test_what_is_not_ours_is_not_moved_away(on, database, copy, spoil) -> None:
    """It may be there by a mistake in --database."""
    spoil(database)
    before = _state(database)
    assert on("database", "restore", copy, "--yes").code == 78
    assert _state(database) == before


def test_a_process_that_cannot_go_on_is_waited_for(on, database, copy) -> None:
    """Such as a sync; only the daemon begins anew."""
    before = _films(database)
    with database_lock(database):
        finished = on("database", "restore", copy, "--yes")
    assert finished.code == 75
    assert "wait until that process has ended" in finished.err
    assert _films(database) == before


def test_a_damaged_database_is_not_replaced_under_a_daemon(on, database, copy) -> None:
    """It has the file open: it has to be stopped first."""
    _damaged(database)
    before = _state(database)
    with database_lock(database) as lock:
        lock.serve()
        finished = on("database", "restore", copy, "--yes")
    assert finished.code == 78
    assert "stop the daemon" in finished.err
    assert _state(database) == before


def test_another_programs_transaction_is_waited_for(database, copy, monkeypatch) -> None:
    """Not for ever, and then nothing is left."""
    monkeypatch.setattr(restoring, "PATIENCE_S", 0)
    monkeypatch.setattr(restoring, "BUSY_S", 0)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = set(database.parent.iterdir())
        with pytest.raises(DatabaseHeld):
            restoring.restore(database, copy)
        other.execute("ROLLBACK")
        assert set(database.parent.iterdir()) - before <= {database.with_name("mirror.db.lock")}
    assert len(_films(database)) == 6


KILLED = """
import os, signal, sys
from pathlib import Path
from retrovue_daemon.store.file import restoring

for name in sys.argv[3:]:
    setattr(restoring, name, lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL))
restoring.restore(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("step", ["migrate", "_keep", "_write_into"])
def test_a_killed_restore_changes_nothing(on, database, copy, tmp_path, step) -> None:
    """The next one removes what it left."""
    before = _films(database)
    killed = subprocess.run([sys.executable, "-c", KILLED, database, copy, step], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert _films(database) == before
    assert list(tmp_path.glob("*.partial"))
    assert on("database", "restore", copy, "--yes").code == 0
    assert not list(tmp_path.glob("*.partial*"))
    assert len(_films(database)) == 36


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("left", ["database", "nothing"])
def test_what_root_restores_belongs_to_the_daemon(on, database, copy, left) -> None:
    """The daemon could not open it otherwise."""
    shutil.chown(database.parent, 1234, 1234)
    shutil.chown(database, 1234, 1234)
    if left == "nothing":
        database.unlink()
    assert on("database", "restore", copy, "--yes").code == 0
    made = {file for file in database.parent.glob("mirror.db*") if not file.name.endswith(("-wal", "-shm"))}
    assert len(made) == (3 if left == "database" else 2), made
    assert {(file.stat().st_uid, file.stat().st_gid) for file in made} == {(1234, 1234)}
