"""``database``: checking, copying, shrinking and measuring the file."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.errors import BadInput, WriteFailed
from retrovue_daemon.store.file import maintenance
from retrovue_daemon.store.file.lock import database_lock
from retrovue_daemon.store.tables.servers import delete_server

if TYPE_CHECKING:
    from pathlib import Path


def _checks(finished) -> dict[str, list[str]]:
    return {check["name"]: check["problems"] for check in json.loads(finished.out)["checks"]}


# -- check ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--quick",)])
def test_a_sound_database_is_reported_as_one(on, options) -> None:
    """Integrity, foreign keys, orphans and the schema's version are looked at."""
    finished = on("database", "check", "--json", *options)
    assert finished.code == 0
    assert json.loads(finished.out)["sound"] is True
    assert {"schema version", "integrity", "foreign keys", "files of no item"} <= set(_checks(finished))
    assert "ok" in on("database", "check", *options).out


@pytest.mark.parametrize(
    ("change", "check", "word"),
    [
        ("DELETE FROM shows WHERE id = 1", "foreign keys", "refer to a missing row of shows"),
        ("DELETE FROM movies WHERE id = 1", "files of no item", "rows, such as"),
        ("INSERT INTO sync_requests (id) VALUES (9223372036854775807)", "free ids", "sync_requests have no more ids"),
        ("UPDATE sqlite_sequence SET seq = 9223372036854775807 WHERE name = 'movies'", "free ids", "movies"),
        (
            "UPDATE movies SET title = CAST(x'41ff42' AS TEXT) WHERE id < 3",
            "texts",
            "2 texts of movies.title are not UTF-8, such as 'A\N{REPLACEMENT CHARACTER}B'; write them again",
        ),
        (
            "UPDATE movies SET server_id = 2 WHERE library_id = 2",
            "items in a library of another server",
            "2 rows, such as",
        ),
    ],
)
def test_what_is_wrong_is_reported(on, rows, change, check, word) -> None:
    """With exit code 78, and what else is wrong besides does not hide it."""
    rows("INSERT INTO plex_servers (name, server_url) VALUES ('attic', 'http://127.0.0.1:1')")
    rows(change)  # without foreign keys, as another program may
    finished = on("database", "check", "--json")
    assert finished.code == 78
    assert any(word in problem for problem in _checks(finished)[check])
    told = on("database", "check")
    assert (told.code, "restore a backup" in told.err) == (78, check not in {"free ids", "texts"})


def test_a_request_with_an_id_that_does_not_exist_is_no_damage(on, rows) -> None:
    """Another program may have written it without foreign keys: the daemon refuses it, and keeps it for 90 days."""
    rows("INSERT INTO sync_requests (server_id, library_id) VALUES (9999, NULL), (NULL, 9999)")
    finished = on("database", "check", "--json")
    assert (finished.code, json.loads(finished.out)["sound"]) == (0, True)
    (remark,) = [check["remark"] for check in json.loads(finished.out)["checks"] if check["name"] == "foreign keys"]
    assert "1 rows of sync_requests refer to a missing row of plex_servers" in remark
    assert "1 rows of sync_requests refer to a missing row of libraries" in remark


def _damage(database, rows, table: str, begin: int = 0) -> None:
    """Overwrite the first page of a table, from this byte on."""
    ((page, size),) = rows(
        "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = ?", table
    )
    with database.open("r+b") as file:
        file.seek((page - 1) * size + begin)
        file.write(b"\xff" * (size - begin))


@pytest.mark.parametrize(("table", "begin"), [("movies", 0), ("movies", 12), ("plex_path_mappings", 1), ("shows", 8)])
def test_a_damaged_page_is_a_finding(on, database, rows, table, begin) -> None:
    """With what SQLite says of it, each in one line; the hint names something else than this very command."""
    _damage(database, rows, table, begin)
    finished = on("database", "check", "--json")
    assert finished.code == 78
    problems = _checks(finished)["integrity"]
    assert problems
    assert {"schema version", "files of no item"} <= set(_checks(finished)), "what can be read is told all the same"
    assert not any("\n" in problem for problem in problems)
    told = on("database", "check")
    assert told.code == 78
    assert "a backup" in told.err
    assert "database check" not in told.err


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_a_log_of_another_database_is_no_part_of_a_copy(on, tmp_path, suffix) -> None:
    """SQLite would apply it to the copy at the first poll."""
    (tmp_path / f"copy.db{suffix}").touch()
    finished = on("database", "backup", tmp_path / "copy.db")
    assert finished.code == 2
    assert f"copy.db{suffix} exists" in finished.err
    assert not (tmp_path / "copy.db").exists()


def test_a_damaged_schema_is_a_finding_too(on, database) -> None:
    """Nothing can be read then, and the error says so."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE nonsense (' WHERE name = 'movies'")
    finished = on("database", "check", "--json")
    assert finished.code == 78
    assert "malformed" in _checks(finished)["integrity"][0]
    assert "database check" not in on("database", "check").err


def test_json_reports_a_file_that_cannot_even_be_opened(on, rows) -> None:
    """One object on standard output, also then."""
    rows("PRAGMA user_version = 999")
    finished = on("database", "check", "--json")
    assert finished.code == 78
    result = json.loads(finished.out)
    assert (result["sound"], result["error"]["type"]) == (False, "DatabaseUnusable")


_SCHEDULE = """
CREATE TABLE channels (id INTEGER PRIMARY KEY);
CREATE TABLE schedules (
    id INTEGER PRIMARY KEY, channel_id INTEGER REFERENCES channels ON DELETE CASCADE,
    media_file_id INTEGER NOT NULL REFERENCES Media_Files (id) ON DELETE CASCADE
);
CREATE TABLE notes (schedule_id INTEGER REFERENCES schedules ON DELETE CASCADE);
CREATE TABLE favourites (movie_id INTEGER REFERENCES movies ON DELETE SET NULL);
CREATE TABLE blocks (show_id INTEGER REFERENCES shows);
INSERT INTO blocks SELECT id FROM shows;
CREATE TABLE apart (channel_id INTEGER REFERENCES channels ON DELETE CASCADE);
"""


def test_tables_of_other_programs_that_deletes_reach_are_a_warning(on, database) -> None:
    """Named by what a delete does to them, also those that only refer to one of these; the exit code stays 0."""
    plain = on("database", "check")
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(_SCHEDULE)
    finished = on("database", "check", "--json")
    assert finished.code == 0
    (found,) = (check for check in json.loads(finished.out)["checks"] if check["name"] == "tables of other programs")
    assert found["ok"]
    assert found["remark"] == (
        "rows of schedules, notes are deleted with the rows that they refer to;"
        " columns of favourites are emptied when the rows that they refer to are deleted;"
        " rows of blocks keep the daemon from deleting the rows that they refer to, which it logs as errors"
    )
    told = on("database", "check")
    assert told.code == 0
    assert told.err == f"warning: {found['remark']}; keep such tables in a database of their own\n"
    assert plain.err == ""
    refused = on("servers", "remove", "home", "--yes")
    assert refused.code != 0
    assert "`database check` names it" in refused.err


def test_what_the_next_sync_mends_is_only_a_remark(on, rows) -> None:
    """An episode may come before its show."""
    rows("UPDATE episodes SET show_id = NULL WHERE id = 1")
    finished = on("database", "check", "--json")
    assert finished.code == 0
    remarks = {check["name"]: check["remark"] for check in json.loads(finished.out)["checks"]}
    assert remarks["episodes of no show"].startswith("1 rows")


def test_damage_is_reported(on, database, rows) -> None:
    """A page that was overwritten makes no traceback."""
    ((page,),) = rows("SELECT rootpage FROM sqlite_schema WHERE name = 'movies_title'")
    ((size,),) = rows("PRAGMA page_size")
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    finished = on("database", "check")
    assert finished.code == 78
    assert "Traceback" not in finished.err
    for command in (("database", "backup", database.parent / "copy.db"), ("status",)):
        finished = on(*command)
        assert "Traceback" not in finished.err
    assert not (database.parent / "copy.db").exists()


# -- backup ---------------------------------------------------------------------------------------------------------


def test_a_backup_is_one_private_file_with_everything(on, rows, tmp_path) -> None:
    """It needs no log beside it, and can be used as a database."""
    target = tmp_path / "copy.db"
    finished = on("database", "backup", target)
    assert finished.code == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with closing(sqlite3.connect(f"{target.as_uri()}?mode=ro", uri=True)) as copy:
        for table in ("movies", "episodes", "media_files", "plex_servers", "sync_runs"):
            assert copy.execute(f"SELECT * FROM {table}").fetchall() == rows(f"SELECT * FROM {table}")
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert copy.execute("PRAGMA user_version").fetchall() == rows("PRAGMA user_version")
    assert [file.name for file in tmp_path.glob("copy*")] == ["copy.db"]
    assert on("database", "check", "--database", target).code == 0


def test_a_backup_never_overwrites(on, tmp_path) -> None:
    """Neither a file nor a link nor a directory."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "directory").mkdir()
    for name in ("file", "link", "directory"):
        finished = on("database", "backup", tmp_path / name)
        assert finished.code == 2
        assert "already exists and was left unchanged" in finished.err
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()
    finished = on("database", "backup", tmp_path / "none" / "copy.db")
    assert finished.code == 2
    assert "cannot write" in finished.err
    for name in (".", ""):
        finished = on("database", "backup", name)
        assert (finished.code, "names no file" in finished.err) == (2, True)


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal", ".lock"])
def test_a_backup_never_gets_the_name_of_a_file_of_a_database(on, database, tmp_path, suffix) -> None:
    """SQLite would take it for a log, and refuse or damage the database."""
    other = tmp_path / "other.db"
    other.touch()
    for base in (database, other):
        target = base.with_name(base.name + suffix)
        target.unlink(missing_ok=True)
        finished = on("database", "backup", target)
        assert (finished.code, f"belongs to {base}" in finished.err) == (2, True)
        assert not target.exists() or not target.stat().st_size
    assert on("database", "backup", tmp_path / f"copy.db{suffix}").code == 0


def test_a_name_that_is_too_long_for_a_backup_is_reported(on, tmp_path) -> None:
    """With its path and what to do, as for each name that cannot be created."""
    finished = on("database", "backup", tmp_path / ("x" * 254))
    assert (finished.code, f"cannot write {tmp_path}" in finished.err, "hint: " in finished.err) == (2, True, True)


def test_a_backup_is_one_state_while_the_daemon_writes(database, tmp_path) -> None:
    """What is written meanwhile neither gets into it nor makes it begin anew."""
    with database_lock(database), closing(sqlite3.connect(database, isolation_level=None)) as daemon:
        daemon.execute("CREATE TABLE pairs (a INTEGER, b INTEGER)")
        daemon.execute("PRAGMA wal_autocheckpoint = 1")
        rows = [(number, number) for number in range(400_000)]
        daemon.execute("BEGIN")
        daemon.executemany("INSERT INTO pairs VALUES (?, ?)", rows)
        daemon.execute("COMMIT")
        reports = []

        def write_more(done: int, total: int) -> None:
            reports.append((done, total))
            if len(reports) > 5:
                return
            daemon.execute("UPDATE pairs SET a = a + 1, b = b + 1 WHERE rowid % 1000 = 0")
            daemon.execute("INSERT INTO pairs VALUES (-1, 1)")

        maintenance.backup(database, tmp_path / "copy.db", progress=write_more)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*), sum(a <> b) FROM pairs").fetchone() == (400_000, 0)
    assert len(reports) > 1
    assert [total for _, total in reports] == [reports[0][1]] * len(reports)


def test_a_daemon_that_starts_during_a_backup_spoils_it(database, tmp_path) -> None:
    """No process had the file open, so it was expected not to change: the copy is discarded."""

    def start(done: int, total: int) -> None:
        with closing(sqlite3.connect(database)) as daemon:
            daemon.execute("DELETE FROM movies")
            daemon.commit()

    with pytest.raises(WriteFailed, match="started writing"):
        maintenance.backup(database, tmp_path / "copy.db", progress=start)
    assert not list(tmp_path.glob("copy*"))


def test_a_full_disk_leaves_no_half_backup(database, tmp_path, monkeypatch) -> None:
    """It would look like a whole one."""
    connect = sqlite3.connect

    def small(path, *arguments, **options):
        connection = connect(path, *arguments, **options)
        if str(path).endswith("copy.db.partial"):
            connection.execute("PRAGMA max_page_count = 5")
        return connection

    monkeypatch.setattr("retrovue_daemon.store.file.maintenance.sqlite3.connect", small)
    with pytest.raises(WriteFailed, match="full"):
        maintenance.backup(database, tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy*"))


STUCK_BACKUP = """
import sys
from pathlib import Path
from retrovue_daemon.store.file.maintenance import backup

def stop(done, total):
    print("copying", flush=True)
    sys.stdin.read()

backup(Path(sys.argv[1]), Path(sys.argv[2]), progress=stop)
"""


@pytest.fixture
def stuck_backup(database, tmp_path):
    """Start a process that stops in the middle of a backup; it ends with the test."""
    command = [sys.executable, "-c", STUCK_BACKUP, database, tmp_path / "copy.db"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"copying\n"
        yield process
        process.kill()


def test_a_killed_backup_leaves_no_file_of_its_name(on, tmp_path, stuck_backup) -> None:
    """What it leaves is named for what it is, and the next backup to the same file removes it."""
    stuck_backup.kill()
    stuck_backup.wait(10)
    assert not (tmp_path / "copy.db").exists()
    assert (tmp_path / "copy.db.partial").exists()
    (tmp_path / "copy.db.partial-journal").touch()
    assert on("database", "backup", tmp_path / "copy.db").code == 0
    assert [file.name for file in tmp_path.glob("copy*")] == ["copy.db"]
    assert on("database", "check", "--database", tmp_path / "copy.db").code == 0


def test_two_backups_to_one_file_do_not_disturb_each_other(on, tmp_path, stuck_backup) -> None:
    """The second is refused while the first is at work."""
    finished = on("database", "backup", tmp_path / "copy.db")
    assert finished.code == 2
    assert "another process may be writing the same copy" in finished.err
    stuck_backup.stdin.close()
    assert stuck_backup.wait(10) == 0
    assert on("database", "check", "--database", tmp_path / "copy.db").code == 0


@pytest.mark.parametrize("make", [lambda file: file.write_text("mine"), lambda file: file.symlink_to("mine")])
def test_a_file_that_is_no_unfinished_copy_is_left_alone(on, tmp_path, make) -> None:
    """Its name alone does not make it one of ours."""
    make(tmp_path / "copy.db.partial")
    before = _as_written(tmp_path / "copy.db.partial")
    finished = on("database", "backup", tmp_path / "copy.db")
    assert finished.code == 2
    assert "is not an unfinished copy" in finished.err
    assert _as_written(tmp_path / "copy.db.partial") == before
    assert not (tmp_path / "copy.db").exists()


def _as_written(path: Path) -> tuple[int, ...]:
    """Return what only writing or replacing a file changes; reading it changes the time of access."""
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns


def test_a_file_made_during_a_backup_is_not_overwritten(database, tmp_path, monkeypatch) -> None:
    """The name is only taken at the end, with and without hard links."""
    for link in (os.link, _no_links):
        monkeypatch.setattr(os, "link", link)
        with pytest.raises(BadInput, match="already exists"):
            maintenance.backup(
                database, tmp_path / "copy.db", progress=lambda *_: (tmp_path / "copy.db").write_text("mine")
            )
        assert (tmp_path / "copy.db").read_text() == "mine"
        (tmp_path / "copy.db").unlink()
    maintenance.backup(database, tmp_path / "copy.db")
    assert [file.name for file in tmp_path.glob("copy*")] == ["copy.db"]


def _no_links(*_names: object) -> None:
    """Fail as a file system without hard links does."""
    raise PermissionError(errno.EPERM, "Operation not permitted")


# -- vacuum and stats -----------------------------------------------------------------------------------------------


def test_vacuum_returns_what_deleted_rows_left(on, rows, database) -> None:
    """The rest stays as it is."""
    rows(
        "INSERT INTO daemon_state SELECT 'fill' || m.id || '/' || e.id, hex(randomblob(500))"
        " FROM movies AS m, episodes AS e"
    )
    rows("DELETE FROM daemon_state WHERE key LIKE 'fill%'")
    before = database.stat().st_size
    free = json.loads(on("database", "stats", "--json").out)["free_bytes"]
    assert free > 300_000
    result = json.loads(on("database", "vacuum", "--json").out)
    assert result["bytes_before"] == before
    assert result["bytes_after"] == database.stat().st_size <= before - free
    assert rows("SELECT count(*) FROM movies") == [(36,)]
    assert rows("PRAGMA journal_mode") == [("wal",)]


def test_vacuum_waits_for_no_daemon(on, database) -> None:
    """It would stop the daemon's writing for as long as it works: the daemon has to be stopped first."""
    with database_lock(database):
        finished = on("database", "vacuum")
    assert finished.code == 75
    assert "locked by another process (pid " in finished.err
    assert "stop that process" in finished.err


def test_stats_count_rows_and_bytes(on, database) -> None:
    """Of every table; bytes of each only when requested, because that reads everything."""
    stats = json.loads(on("database", "stats", "--json").out)
    tables = {table["name"]: table for table in stats["tables"]}
    assert (tables["movies"]["rows"], tables["movies"]["bytes"]) == (36, None)
    assert stats["bytes"] == database.stat().st_size
    stats = json.loads(on("database", "stats", "--by-table", "--json").out)
    assert sum(table["bytes"] for table in stats["tables"]) <= stats["bytes"]
    assert {table["name"]: table["bytes"] for table in stats["tables"]}["movies"] > 4096
    told = on("database", "stats", "--by-table").out
    assert "media_files" in told
    assert "with indexes" in told


# -- beside the daemon ----------------------------------------------------------------------------------------------


def test_settings_change_beside_a_running_daemon(on, database) -> None:
    """The lock is the daemon's; a transaction is enough for a row."""
    with database_lock(database), closing(sqlite3.connect(database)) as daemon:
        daemon.execute("PRAGMA data_version").fetchone()
        for command in (
            ("libraries", "disable", "Movies"),
            ("mappings", "add", "/a", "/b"),
            ("servers", "disable", "home"),
            ("database", "check"),
        ):
            assert on(*command).code == 0
        assert daemon.execute("SELECT sync_enabled FROM libraries WHERE id = 1").fetchone() == (0,)
        assert daemon.execute("SELECT is_active FROM plex_servers").fetchone() == (0,)


def test_the_daemon_writes_between_the_steps_of_a_removal(database, rows, monkeypatch) -> None:
    """Its writing waits for one small transaction, not for hundreds of thousands of rows."""
    monkeypatch.setattr("retrovue_daemon.store.tables.servers._AT_ONCE", 10)
    steps = 0
    for gone in delete_server(database, 1, 0):
        assert gone <= 10
        assert rows("SELECT sum(is_active) FROM plex_servers") == [(0,)]  # so that nothing is added again
        with closing(sqlite3.connect(database, timeout=0)) as daemon:
            daemon.execute("INSERT INTO daemon_state VALUES (?, '')", (f"step {steps}",))
            daemon.commit()
        steps += 1
    assert steps > 82 / 10 + 45 / 10 + 36 / 10
    assert rows("SELECT count(*) FROM daemon_state WHERE key LIKE 'step%'") == [(steps,)]
