"""``changes`` prints the change feed: as a table, as JSON lines, and as it grows."""

from __future__ import annotations

import asyncio
import importlib
import json
import signal
import sqlite3
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.commands("here")

KEYS = ["seq", "at", "op", "kind", "id", "title", "server", "library", "file_path", "rest"]


def _write(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for statement in statements:
            connection.execute(statement)


def _state(database: Path) -> tuple[str, int, int]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        state: tuple[str, int, int] = connection.execute("SELECT * FROM feed_state").fetchone()
        return state


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_everything_that_a_sync_stored_is_printed(on) -> None:
    """In order, with what each row is now; only films and episodes have a path."""
    lines = _lines(on("changes", "--since", "0", "--json").out)
    assert all(list(line) == KEYS for line in lines)
    assert [line["seq"] for line in lines] == sorted(line["seq"] for line in lines)
    (film,) = [line for line in lines if line["title"] == "Nosferatu (1922)" and line["op"] == "added"]
    assert film | {"seq": 0, "at": 0, "id": 0} == {
        "seq": 0, "at": 0, "op": "added", "kind": "movie", "id": 0, "title": "Nosferatu (1922)", "server": "home",
        "library": "Movies", "file_path": film["file_path"], "rest": film["rest"],
    }  # fmt: skip
    assert film["file_path"].endswith(".mkv")
    assert {line["kind"] for line in lines} == {
        "movie", "show", "season", "episode", "collection", "library", "server",
    }  # fmt: skip
    assert abs(time.time() - film["at"]) < 3600


def test_a_reader_that_is_killed_after_any_line_misses_nothing(on, database) -> None:
    """Many lines share a number, which counts only once the last of them was handled."""
    start = _state(database)[2]
    _write(
        database,
        "INSERT INTO change_batches (kind, op, ids)"
        " VALUES ('movie', 'updated', '[1,2,3]'), ('show', 'updated', '[1]'),"
        " ('movie', 'deleted', '[901,902]')",
    )
    lines = _lines(on("changes", "--since", start, "--json").out)
    assert [(line["seq"] - start, line["rest"]) for line in lines] == [(1, 2), (1, 1), (1, 0), (2, 0), (3, 1), (3, 0)]
    for killed_after in range(len(lines) + 1):
        handled = lines[:killed_after]
        position = max((line["seq"] for line in handled if line["rest"] == 0), default=start)
        again = _lines(on("changes", "--since", position, "--json").out)
        assert [line for line in lines if line not in handled + again] == []


def test_a_damaged_title_hides_no_change(on, database) -> None:
    """Another program stored a text that is not UTF-8, which Python refuses to read."""
    start = _state(database)[2]
    _write(
        database,
        "UPDATE movies SET title = CAST(x'41ff42' AS TEXT), year = NULL WHERE id = 2",
        "INSERT INTO change_batches (kind, op, ids) VALUES ('movie', 'updated', '[1,2]')",
    )
    first, second = _lines(on("changes", "--since", start, "--json").out)
    assert "\N{REPLACEMENT CHARACTER}" not in first["title"]
    assert second["title"] == "A\N{REPLACEMENT CHARACTER}B"


def test_a_damaged_name_is_an_error_of_the_database(on, database) -> None:
    """Not a traceback, although the error comes from Python and has no name."""
    _write(database, "UPDATE plex_servers SET name = CAST(x'41ff42' AS TEXT)")
    finished = on("servers", "list")
    assert finished.code == 78
    assert "Could not decode to UTF-8" in finished.err
    assert "database check" in finished.err


def test_many_changes_are_printed_in_tables(on, database, monkeypatch) -> None:
    """One after the other, so that a million of them neither fills the memory nor begins to print only at the end."""
    module = importlib.import_module("retrovue_daemon.cli.commands.changes")  # its name is also that of a function
    whole = on("changes", "--since", 0).out.splitlines()
    monkeypatch.setattr(module, "_ROWS", 100)
    parts = on("changes", "--since", 0).out.splitlines()
    heads = [line for line in parts if line.split()[:2] == ["seq", "when"]]
    rows = [line.split()[:1] for line in whole if line.split()[:1] and line.split()[0].isdecimal()]
    assert len(rows) > 100
    assert len(heads) == -(-len(rows) // 100)
    assert [line.split()[:1] for line in parts if line.split()[:1] and line.split()[0].isdecimal()] == rows


def test_the_table_shows_the_newest(on, database) -> None:
    """Fifty of them, or a few more, because an entry is shown as a whole; a row that is gone has no title."""
    _write(database, "UPDATE libraries SET priority = 7 WHERE library_name = 'Anime'", "DELETE FROM plex_servers")
    out = on("changes").out.strip()
    assert out.splitlines()[-1].split()[3:5] == ["deleted", "server"]
    assert _lines(on("changes", "--json").out)[-1]["title"] is None


def test_nothing_is_said_plainly(on, database) -> None:
    """On standard error, because there is no result."""
    finished = on("changes", "--since", _state(database)[2])
    assert (finished.code, finished.out) == (0, "")
    assert "nothing changed" in finished.err


@pytest.mark.parametrize(
    ("since", "found"), [("1h", True), ("2001-02-03", True), ("2001-02-03T04:05", True), ("2999-01-01", False)]
)
def test_times_choose_where_to_begin(on, since, found) -> None:
    """As an age, a date, or a date and a time."""
    assert bool(on("changes", "--since", since, "--json").out) == found


@pytest.mark.parametrize("since", ["yesterday", "-5", "", "1.5", "2001-13-01", "5 apples"])
def test_what_is_neither_a_number_nor_a_time_is_refused(on, since) -> None:
    """With examples."""
    finished = on("changes", f"--since={since}")
    assert finished.code == 2
    assert "2026-03-14" in finished.err


def test_a_position_that_the_feed_does_not_reach_back_to_is_an_error(on, database) -> None:
    """A program must not take the rest for everything. A time is just the earliest that is there."""
    _write(
        database,
        "DELETE FROM change_batches WHERE seq < (SELECT last_seq FROM feed_state)",
        "UPDATE feed SET floor = (SELECT last_seq - 1 FROM feed_state)",
    )
    _, floor, last = _state(database)
    for since in (floor - 1, last + 1):
        finished = on("changes", "--since", since, "--json")
        assert (finished.code, finished.out) == (1, "")
        assert f"after {floor} up to {last}" in finished.err
        assert "read everything anew" in finished.err
    assert on("changes", "--since", floor, "--json").out == on("changes", "--since", "1h", "--json").out != ""
    assert on("changes").code == 0


async def _following(database: Path, *options: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "retrovue_daemon", "changes", "--follow", "--database", str(database), *options]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)


async def test_it_follows_until_it_is_interrupted(database) -> None:
    """What was there, then each commit, without a daemon; a restored database ends it with an error."""
    since = ("--since", str(_state(database)[2]))
    _write(database, "UPDATE libraries SET priority = 7 WHERE library_name = 'Anime'")
    process = await _following(database, "--json", *since)
    assert process.stdout is not None
    first = json.loads(await process.stdout.readline())
    assert (first["op"], first["kind"], first["title"]) == ("updated", "library", "Anime")
    for number in range(2):
        _write(database, f"UPDATE libraries SET priority = {number} WHERE library_name = 'Anime'")
        line = json.loads(await process.stdout.readline())
        assert (line["seq"], line["title"]) == (first["seq"] + number + 1, "Anime")
    process.send_signal(signal.SIGINT)
    assert await process.communicate() == (b"", b"")
    assert process.returncode == 0
    people = await _following(database, *since)
    assert people.stdout is not None
    assert (await people.stdout.readline()).decode().split(maxsplit=2)[2] == (
        "updated       library     Anime  (home / Anime)\n"
    )
    _write(database, "UPDATE feed SET feed_id = 'another'")
    _, error = await people.communicate()
    assert people.returncode == 1
    assert b"read everything anew" in error


async def test_it_ends_when_its_reader_does(database) -> None:
    """Even if nothing changes any more."""
    process = await _following(database, "--json", "--since", "0")
    assert process.stdout is not None
    await process.stdout.readline()
    # asyncio has no other way.
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    await process.wait()
    assert process.returncode == 0
