"""``status`` and ``history``: how things stand, beside a running daemon and without one."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from retrovue_daemon.store.file.lock import Holder, database_lock, holder, lock_path
from retrovue_daemon.store.tables.outages import Outage, read_outages, store_outage


def _status(finished) -> dict:
    assert finished.code == 0, finished.err
    return json.loads(finished.out)


# -- what is shown --------------------------------------------------------------------------------------------------


def test_status_shows_servers_libraries_and_passes(on, database) -> None:
    """As a table for people and as one object for programs."""
    told = on("status").out
    for word in ("home", "Movies 4K", "11 shows, 38 episodes", "36 films, 14 shows, 45 episodes", "is not running"):
        assert word in told
    status = _status(on("status", "--json"))
    assert status["database"]["bytes"] == database.stat().st_size
    assert status["database"]["daemon_running"] is False
    (server,) = status["servers"]
    libraries = {library["title"]: library for library in server["libraries"]}
    assert libraries["Movies"]["items"]["movies"] == 27
    assert libraries["Movies"]["last_pass"]["status"] == "ok"
    assert libraries["Movies"]["last_pass"]["added"] == 27
    assert libraries["Movies"]["last_pass"]["duration_s"] >= 0
    assert status["totals"]["episodes"] == 45
    assert status["blocked"] == []
    assert server["next_look_at"] is None


def test_missing_items_do_not_count_as_present(on, rows) -> None:
    """They are counted apart."""
    rows("UPDATE movies SET state = 'missing', missing_since = 1 WHERE library_id = 2")
    status = _status(on("status", "--json"))
    library = next(library for library in status["servers"][0]["libraries"] if library["title"] == "Movies 4K")
    assert (library["items"]["movies"], library["missing"]) == (0, 2)
    assert (status["totals"]["movies"], status["totals"]["missing"]) == (34, 2)
    assert "0 films, 2 missing" in on("status").out


def test_what_is_held_back_is_reported_with_the_reason_and_what_to_do(on, rows) -> None:
    """It is not only in the log."""
    rows("UPDATE libraries SET state = 'blocked', last_error = '27 of 27 items are gone' WHERE id = 1")
    told = on("status").out
    assert "held back: home / Movies: 27 of 27 items are gone" in told
    assert "sync -s home -l Movies --accept-removals" in told
    rows("UPDATE libraries SET last_error_hint = 'what the daemon stored' WHERE id = 1")
    assert "hint: what the daemon stored" in on("status").out
    assert _status(on("status", "--json"))["blocked"] == [
        {"server": "home", "library": "Movies", "error": "27 of 27 items are gone"}
    ]


def test_what_stays_in_doubt_is_reported_until_a_complete_listing(on, rows) -> None:
    """Also when the last pass that was recorded knew nothing of it; and once only."""
    doubt = "the token cannot see file paths; the stored paths of 27 files were kept"
    rows("UPDATE libraries SET doubt = ?1, last_error = ?1 WHERE id = 1", doubt)
    status = _status(on("status", "--json"))
    assert status["doubted"] == [{"server": "home", "library": "Movies", "doubt": doubt}]
    libraries = {library["title"]: library["doubt"] for library in status["servers"][0]["libraries"]}
    assert (libraries["Movies"], libraries["Anime"]) == (doubt, None)
    assert on("status").out.count(doubt) == 1
    assert f"in doubt: home / Movies: {doubt}" in on("status").out
    rows("UPDATE sync_runs SET error = ? WHERE library_id = 1", doubt)
    assert on("status").out.count(doubt) == 1
    rows("UPDATE libraries SET sync_enabled = 0 WHERE id = 1")
    assert _status(on("status", "--json"))["doubted"] == []


def test_a_running_daemon_is_seen_with_the_next_look(run, database, config_file) -> None:
    """By the lock that it holds; its interval says when it looks again."""
    config = config_file('[sync]\ninterval = "7m"\n')
    with database_lock(database) as lock:
        lock.serve()
        status = _status(run("status", "--json", "--config", config))
        assert status["database"]["daemon_running"] is True
        assert status["database"]["daemon_pid"] == os.getpid()
        (server,) = status["servers"]
        last = max(library["last_sync_at"] for library in server["libraries"])
        assert server["next_look_at"] == last + 7 * 60
        assert f"is running (pid {os.getpid()})" in run("status", "--config", config).out
    (server,) = _status(run("status", "--json", "--config", config))["servers"]
    assert server["next_look_at"] is None


def test_the_next_look_stands_beside_each_library_that_is_on(run, database, rows, config_file) -> None:
    """Whichever comes first in the table."""
    config = config_file('[sync]\ninterval = "7d"\n')
    rows("UPDATE libraries SET sync_enabled = 0 WHERE library_name = 'Anime'")
    rows("UPDATE libraries SET last_sync_at = last_sync_at - 60")
    rows("UPDATE sync_runs SET started_at = started_at - 60, finished_at = finished_at - 60")
    with database_lock(database) as lock:
        lock.serve()
        told = run("status", "--config", config).out
    assert ["in 6 d 23 h" in line for line in told.splitlines() if " ago" in line] == [False] + [True] * 6


def test_requests_that_wait_are_reported(on, rows) -> None:
    """Another program requested a pass, and no daemon has run it yet."""
    rows("INSERT INTO sync_requests (kind) VALUES ('full')")
    assert "1 sync request not finished yet" in on("status").out


def test_a_library_that_the_configuration_omits_is_reported(run, config_file) -> None:
    """It looks switched on in the table alone."""
    config = config_file(
        '[[servers]]\nname = "home"\nurl = "http://127.0.0.1:2"\ntoken = "t"\nlibraries = ["Movies"]\n'
    )
    assert "not selected" in run("status", "--config", config).out


def test_an_empty_database_is_reported_as_one(run, tmp_path, config_file) -> None:
    """With what to do."""
    path = tmp_path / "new.db"
    run("servers", "add", "a", "http://127.0.0.1:1", "--no-test", "--token-file", "-", "--database", path, stdin="t")
    assert "not contacted yet" in run("status", "--database", path).out
    run("servers", "remove", "a", "--yes", "--database", path)
    assert "there are no servers yet" in run("status", "--database", path).out


def test_watching_prints_one_object_for_each_change(database, rows, tmp_path) -> None:
    """Until Ctrl-C, which is no failure; between reads the database is closed."""
    command = [sys.executable, "-m", "retrovue_daemon", "status", "--watch", "--json", "--database", str(database)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["totals"]["movies"] == 36
        rows("DELETE FROM movies WHERE library_id = 2")
        assert json.loads(process.stdout.readline())["totals"]["movies"] == 34
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert not database.with_name(database.name + "-wal").exists()


def test_watching_a_small_terminal_keeps_what_matters(database, rows, tmp_path) -> None:
    """The totals and what is held back, although fifty libraries do not fit."""
    rows("UPDATE libraries SET state = 'blocked', last_error = '27 of 27 items are gone' WHERE id = 1")
    for number in range(50):
        rows(
            "INSERT INTO libraries (server_id, library_key, library_name, library_type) VALUES (1, ?1, ?1, 'movie')",
            f"library {number}",
        )
    command = [sys.executable, "-m", "retrovue_daemon", "status", "--watch", "--database", str(database)]
    size = {"COLUMNS": "80", "LINES": "24", "TTY_COMPATIBLE": "1", "TERM": "xterm"}
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **size}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        told = ""
        while "27 of 27 items are gone" not in told:
            told += process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait() == 0
    assert "36 films, 14 shows, 45 episodes; 0 missing" in told
    assert "held back: home / Movies: 27 of 27 items are gone" in told
    assert re.search("… [0-9]+ more lines", told)


# -- what is wrong --------------------------------------------------------------------------------------------------

REFUSED = "server 'home' rejected the token: HTTP 401"


@pytest.fixture
def refused(rows):
    """The server has refused its token for an hour, and the daemon tries again in nine minutes."""
    now = int(time.time())
    rows(
        "UPDATE plex_servers SET last_error_type = 'Unauthorized', last_error = ?, failing_since = ?,"
        " next_try_at = ?, last_error_hint = 'check the token'",
        REFUSED,
        now - 3600,
        now + 9 * 60 + 30,
    )
    return {"type": "Unauthorized", "message": REFUSED, "hint": "check the token", "since": now - 3600}


@pytest.fixture
def daemon(database):
    """Hold the database as a running daemon does."""
    with database_lock(database) as lock:
        lock.serve()
        yield


def test_a_server_that_cannot_be_used_is_seen_everywhere(on, database, daemon, refused) -> None:
    """With the error, what to do, since when, and the next try; its libraries are no longer said to be fine."""
    for command in (("status",), ("history",), ("health",), ("servers", "list")):
        told = " ".join(on(*command).out.split())
        assert REFUSED in told, command
        assert "since 1 h" in told
        assert "check the token" in told
    assert "problem: home: server 'home' rejected" in on("status").out
    assert "home (failing)" in on("status").out
    assert "next try in 9 min" in on("status").out
    next_try_at = refused["since"] + 3600 + 9 * 60 + 30
    plain = {**refused, "next_try_at": next_try_at}
    status = _status(on("status", "--json"))
    assert status["servers"][0]["error"] == plain
    assert status["servers"][0]["next_look_at"] == next_try_at
    assert status["healthy"] is False
    finding = {"server": "home", "library": None, **plain}
    assert status["problems"] == [finding]
    assert json.loads(on("health", "--json").out) == {
        "healthy": False, "daemon_running": True, "problems": [finding]
    }  # fmt: skip
    assert json.loads(on("history", "--json").out)["problems"] == [finding]
    assert json.loads(on("servers", "list", "--json").out)["servers"][0]["error"] == plain


def test_a_pause_that_a_healthy_server_demanded_is_its_next_look(on, daemon, rows) -> None:
    """It is no problem, but an interval later would be too early."""
    rows("UPDATE plex_servers SET next_try_at = unixepoch() + 570")
    status = _status(on("status", "--json"))
    assert (status["problems"], status["servers"][0]["error"]) == ([], None)
    assert status["servers"][0]["next_look_at"] == rows("SELECT next_try_at FROM plex_servers")[0][0]
    assert "in 9 min" in on("status").out


def test_history_shows_past_outages(on, rows, database) -> None:
    """The newest first, as many as passes, of the chosen servers; deleting a server forgets its own."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for number in range(3):
            since = 1_700_000_000 + number * 86_400
            store_outage(connection, Outage(1, "home", "Unauthorized", REFUSED, since, since + 780))
        store_outage(connection, Outage(2, "attic", "ServerTimeout", "no data", since, since + 5))
    told = on("history", "--server", "home").out
    assert told.count(f"past outage: home: {REFUSED}, from 2023-11-1") == 3
    assert "(13 min)" in told
    assert "attic" not in told
    past = json.loads(on("history", "--json", "--limit", "2", "--server", "home").out)["outages"]
    assert [each["since"] for each in past] == [since, since - 86_400]
    assert past[0] == {
        "server": "home", "type": "Unauthorized", "message": REFUSED, "since": since, "until": since + 780
    }  # fmt: skip
    rows("UPDATE plex_servers SET source = 'database'")
    assert on("servers", "remove", "home", "--yes").code == 0
    with closing(sqlite3.connect(database)) as connection:
        assert [each.server for each in read_outages(connection)] == ["attic"]


@pytest.mark.usefixtures("refused")
def test_without_a_daemon_nothing_tries_again(on) -> None:
    """A time that a process stored that is gone would be wrong."""
    status = _status(on("status", "--json"))
    assert [each["next_try_at"] for each in status["problems"]] == [None, None]
    assert status["servers"][0]["next_look_at"] is None


@pytest.mark.usefixtures("refused")
def test_what_is_switched_off_is_not_wrong(on, daemon, rows) -> None:
    """Neither a server nor a library: a person wanted it so."""
    rows("UPDATE libraries SET last_error = 'gone', failing_since = 1, sync_enabled = 0 WHERE id = 1")
    rows("UPDATE libraries SET last_error = 'gone', failing_since = 1, selected = 0 WHERE id = 2")
    healthy = {"healthy": True, "daemon_running": True, "problems": []}
    rows("UPDATE plex_servers SET is_active = 0")
    assert json.loads(on("health", "--json").out) == healthy
    rows("UPDATE plex_servers SET is_active = 1, last_error = NULL")
    assert json.loads(on("health", "--json").out) == healthy


def test_a_server_that_was_never_reached_says_why(run, tmp_path) -> None:
    """Not that nobody has tried; its first contact is what failed."""
    path = tmp_path / "new.db"
    run("servers", "add", "a", "http://127.0.0.1:1", "--no-test", "--token-file", "-", "--database", path, stdin="t")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE plex_servers SET last_error = 'cannot be reached', last_error_type = 'X'")
    told = run("status", "--database", path).out
    assert "cannot be used" in told
    assert "problem: a: cannot be reached" in told
    assert "not contacted yet" not in told
    assert "problem: a: cannot be reached" in run("history", "--server", "a", "--database", path).out


def test_a_library_that_fails_and_one_that_recovered(on, daemon, rows) -> None:
    """A pass without changes leaves no record: the last one recorded may have failed hours ago."""
    now = int(time.time())
    failed = (
        "INSERT INTO sync_runs (server_id, library_id, kind, started_at, finished_at, status, error)"
        " VALUES (1, ?, 'full', ?, ?, 'failed', 'the server went away')"
    )
    for library in (1, 2):
        rows(failed, library, now - 1320, now - 1320)
    rows("UPDATE libraries SET last_sync_at = ? WHERE id = 1", now)
    failing = "UPDATE libraries SET last_sync_at = ?, last_error = 'went away', failing_since = ? WHERE id = 2"
    rows(failing, now, now - 1320)
    movies, movies_4k = (line for line in on("status").out.splitlines() if " Movies" in line and "film" in line)
    assert ", ok" in movies
    assert re.search(r"22 min .*ago, failed", movies_4k)
    assert "problem: home / Movies 4K: went away (since 22 min" in on("status").out
    (problem,) = json.loads(on("health", "--json").out)["problems"]
    assert (problem["server"], problem["library"], problem["type"]) == ("home", "Movies 4K", "PassFailed")


def test_a_failing_server_is_not_repeated_for_each_library(on, daemon, refused, rows) -> None:
    """But what is held back is: it waits for a person."""
    rows("UPDATE libraries SET last_error = 'server went away', failing_since = 1 WHERE id <> 1")
    rows("UPDATE libraries SET state = 'blocked', last_error = '27 of 27 items are gone' WHERE id = 1")
    problems = json.loads(on("health", "--json").out)["problems"]
    assert [(each["library"], each["type"]) for each in problems] == [
        (None, "Unauthorized"),
        ("Movies", "RemovalsHeldBack"),
    ]
    rows("UPDATE plex_servers SET last_error_type = 'LibraryNotFound'")
    assert len(json.loads(on("health", "--json").out)["problems"]) == 8


def test_health_is_one_if_something_is_wrong_or_no_daemon_runs(on, database, rows) -> None:
    """For timers and containers, which read nothing but the code; so does `status` when it is asked to."""
    assert (on("health").code, on("status", "--exit-code").code, on("status").code) == (1, 1, 0)
    assert "problem: daemon: no daemon is running" in on("health").out
    with database_lock(database):
        # A `sync` by hand holds the lock as well, but it goes.
        assert on("health").code == 1
        assert f"process {os.getpid()} is working on the database" in on("health").out
        assert _status(on("status", "--json"))["database"]["daemon_running"] is False
    with database_lock(database) as lock:
        lock.serve()
        finished = on("health")
        assert (finished.code, finished.out) == (0, "ok: 1 server, 7 libraries\n")
        assert on("status", "--exit-code").code == 0
        rows("UPDATE libraries SET state = 'blocked', last_error = '27 of 27 items are gone' WHERE id = 1")
        assert (on("health").code, on("status", "--exit-code").code, on("status", "--exit-code", "--json").code) == (
            1, 1, 1,
        )  # fmt: skip
        assert "sync -s home -l Movies --accept-removals" in on("health").out


def test_a_refused_reload_is_wrong_until_the_next_start(on, daemon, rows) -> None:
    """The daemon works on with the configuration from before."""
    reload = {
        "at": int(time.time()) - 60, "began_ns": 1, "outcome": "refused",
        "problems": [{"path": "sync.interval", "message": "must be a duration"}], "hint": "correct it",
    }  # fmt: skip
    store = "INSERT OR REPLACE INTO daemon_state (key, value) VALUES ('reloads', ?)"
    rows(store, json.dumps([reload]))
    (problem,) = json.loads(on("health", "--json").out)["problems"]
    assert problem["message"] == "the last reload was refused: sync.interval: must be a duration"
    rows(store, json.dumps([{**reload, "before_start": True}]))
    assert on("health").code == 0


def test_health_of_a_database_that_cannot_be_used_is_one_as_well(run, tmp_path) -> None:
    """Containers know no other code."""
    finished = run("health", "--json", "--database", tmp_path / "none.db")
    assert finished.code == 1
    (problem,) = json.loads(finished.out)["problems"]
    assert problem["type"] == "DatabaseMissing"
    assert problem["hint"]


def test_a_user_who_cannot_see_the_lock_is_told_so(as_reader, database) -> None:
    """Whether a daemon runs is unknown then, and no reason to restart it."""
    lock_path(database).touch()
    lock_path(database).chmod(0)
    finished = as_reader("health")
    assert (finished.code, finished.err) == (0, "")
    assert finished.out == "ok: 1 server, 7 libraries; this user cannot see whether a daemon is running\n"
    assert json.loads(as_reader("health", "--json").out)["daemon_running"] is None


def test_watching_has_no_exit_code(on) -> None:
    """It ends by Ctrl-C."""
    finished = on("status", "--watch", "--exit-code")
    assert finished.code == 2
    assert "--exit-code" in finished.err


# -- history --------------------------------------------------------------------------------------------------------


def test_history_shows_the_last_passes_first(on, rows) -> None:
    """With counts, durations and errors; a column of zeros is omitted from the table."""
    rows(
        "INSERT INTO sync_runs (server_id, library_id, kind, started_at, finished_at, status, listed, error)"
        " VALUES (1, 1, 'quick', 1000, 1090, 'incomplete', 5, 'the server went away')"
    )
    told = on("history").out
    for word in ("1 min 30 s", "the server went away", "listed", "Movies 4K"):
        assert word in told
    assert "removed" not in told
    passes = json.loads(on("history", "--json").out)["passes"]
    assert [done["run_id"] for done in passes] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert (passes[0]["kind"], passes[0]["status"], passes[0]["listed"]) == ("quick", "incomplete", 5)


def test_history_can_be_narrowed(on) -> None:
    """To a library, a server, a number; unknown names are reported."""
    assert [done["library"] for done in json.loads(on("history", "--library", "2", "--json").out)["passes"]] == [
        "Movies 4K"
    ]
    assert len(json.loads(on("history", "--server", "home", "--limit", "3", "--json").out)["passes"]) == 3
    finished = on("history", "--library", "Moves")
    assert (finished.code, finished.out) == (2, "")
    assert "did you mean 'Movies'?" in finished.err


# -- reading --------------------------------------------------------------------------------------------------------

READERS = (
    ("status",),
    ("history",),
    ("servers", "list"),
    ("servers", "export"),
    ("libraries", "list"),
    ("mappings", "list"),
    ("mappings", "suggest"),
    ("mappings", "test", "/x"),
    ("items", "search", "x"),
    ("items", "show", "1"),
    ("database", "check"),
    ("database", "stats"),
    ("database", "backup", "copy.db"),
    ("database", "vacuum"),
)
WRITERS = (
    ("servers", "enable", "home"),
    ("servers", "disable", "home"),
    ("servers", "remove", "home", "--yes"),
    ("libraries", "disable", "Movies"),
    ("libraries", "priority", "Movies", "1"),
    ("mappings", "add", "/a", "/b"),
    ("mappings", "remove", "1"),
)


@pytest.mark.parametrize("command", [*READERS, *WRITERS], ids=" ".join)
def test_no_command_makes_a_database(run, tmp_path, command) -> None:
    """Whatever stands there already, a directory without one or an empty file, stays so."""
    for path, code in (
        (tmp_path / "none.db", 75),
        (tmp_path / "nowhere" / "none.db", 75),
        (tmp_path / "empty.db", 75),
    ):
        if path.name == "empty.db":
            path.touch()
        finished = run(*command, "--database", path)
        assert finished.code == code
        assert finished.err.startswith("error: database ")
        assert "hint: " in finished.err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["empty.db"]
    assert (tmp_path / "empty.db").stat().st_size == 0


@pytest.mark.parametrize("command", [*READERS, *WRITERS], ids=" ".join)
def test_other_schemas_are_refused_and_never_upgraded(on, rows, database, command) -> None:
    """An older one is the daemon's to upgrade, a newer one is of a newer release."""
    newest = rows("PRAGMA user_version")[0][0]
    for version, word in ((newest + 1, "newer release"), (-1, "`retrovue-daemon sync`")):
        rows(f"PRAGMA user_version = {version}")
        finished = on(*command)
        assert finished.code == 78
        assert word in finished.err
        assert rows("PRAGMA user_version") == [(version,)]


def test_reading_leaves_nothing_beside_the_database(on, database) -> None:
    """A log created by the reader would lock out the daemon's user."""
    before = sorted(database.parent.iterdir()), database.stat().st_mtime_ns
    for command in READERS:
        if command[1:2] not in {("backup",), ("vacuum",)}:
            on(*command)
    assert (sorted(database.parent.iterdir()), database.stat().st_mtime_ns) == before


def test_a_reader_needs_no_right_to_write(as_reader, database) -> None:
    """Neither to the file nor to its directory, as long as the database was closed."""
    finished = as_reader("status", "--json")
    assert _status(finished)["totals"]["movies"] == 36
    finished = as_reader("servers", "disable", "home")
    assert finished.code == 78
    assert "is not writable for this user" in finished.err


def test_a_reader_sees_what_a_running_daemon_has_written(as_reader, database) -> None:
    """Although it is in the log only."""
    with closing(sqlite3.connect(database)) as daemon:
        daemon.execute("DELETE FROM movies WHERE library_id = 2")
        daemon.commit()
        assert database.with_name(database.name + "-wal").stat().st_size
        assert _status(as_reader("status", "--json"))["totals"]["movies"] == 34


def test_a_log_that_cannot_be_read_is_reported_with_what_to_do(as_reader, database) -> None:
    """What a killed daemon left behind belongs to the content: without it the answer would be wrong."""
    with closing(sqlite3.connect(database)) as daemon:
        daemon.execute("DELETE FROM movies WHERE library_id = 2")
        daemon.commit()
        log = database.with_name(database.name + "-wal")
        left = log.read_bytes()
    log.write_bytes(left)
    finished = as_reader("status", "--json")
    assert finished.code == 78
    assert "start the daemon" in finished.err


def test_a_file_that_may_not_be_read_is_reported(as_reader, database) -> None:
    """With who may, and how that is changed."""
    database.chmod(0)
    finished = as_reader("status")
    assert finished.code == 78
    assert "cannot be read: permission denied" in finished.err
    assert "mode" in finished.err


@pytest.mark.parametrize(
    "content", [b"no database at all, just some text that is long enough" * 100, b"SQLite format 3\0" * 300]
)
def test_what_is_no_database_is_reported(run, tmp_path, content) -> None:
    """Nothing of it is changed."""
    path = tmp_path / "text.db"
    path.write_bytes(content)
    for command in (("status",), ("mappings", "add", "/a", "/b")):
        finished = run(*command, "--database", path)
        assert finished.code == 78
        assert "Traceback" not in finished.err
    assert path.read_bytes() == content


def test_writing_waits_for_a_lock_and_then_gives_up(on, database, monkeypatch) -> None:
    """Exit code 75: it is worth another try."""
    monkeypatch.setattr("retrovue_daemon.store.file.visits.BUSY_S", 0.1)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        finished = on("libraries", "disable", "Movies")
        assert finished.code == 75
        assert "let it commit" in finished.err
        assert on("status").code == 0
        other.execute("ROLLBACK")
    assert on("libraries", "disable", "Movies").code == 0


def test_a_configuration_that_cannot_be_read_does_not_matter_to_a_reader(run, database, tmp_path) -> None:
    """As long as the database is named; without that it says what to do."""
    bad = tmp_path / ".config" / "retrovue-daemon" / "config.toml"
    bad.parent.mkdir(parents=True)
    bad.write_text("nonsense")
    assert run("status", "--database", database).code == 0
    finished = run("status")
    assert finished.code == 78
    assert "--database FILE" in finished.err
    assert run("status", "--config", bad, "--database", database).code == 78


def test_a_look_at_the_lock_keeps_no_daemon_from_starting(database, monkeypatch) -> None:
    """Whoever watches the status looks every second, and has the lock for an instant."""
    glance = os.open(lock_path(database), os.O_RDONLY | os.O_CREAT)
    fcntl.flock(glance, fcntl.LOCK_SH)
    monkeypatch.setattr("retrovue_daemon.store.file.lock.time.sleep", lambda _seconds: os.close(glance))
    with database_lock(database):
        assert holder(database).held
    assert holder(database) == Holder(held=False)


def test_libraries_that_are_not_synced_wait_for_no_details(on, database) -> None:
    """Nothing would ever read them."""

    def pending() -> dict[str, int]:
        (server,) = _status(on("status", "--json"))["servers"]
        return {library["title"]: library["details_pending"] for library in server["libraries"]}

    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE movies SET details_stamp = 1, details_read_stamp = NULL WHERE state <> 'missing'")
    before = pending()
    assert before["Movies"] > 0
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE libraries SET sync_enabled = 0 WHERE library_name = 'Movies'")
    assert pending() == before | {"Movies": 0}
