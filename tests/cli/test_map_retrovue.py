"""``database map-retrovue``: what the ids of an original Retrovue database are here."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.retrovue import LAYOUTS, make_old_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.retrovue import Truth

PAGE = (Path(__file__).parents[2] / "docs" / "retrovue.md").read_text("utf-8")
OLD = "/home/me/retrovue/retrovue.db"
STATEMENTS = dict(re.findall(r"<!-- example: ([^\n]+) -->\n```sql\n(.+?)```", PAGE, re.DOTALL))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    (tmp_path / "retrovue").mkdir()
    return tmp_path / "retrovue" / "retrovue.db"


@pytest.fixture
def mapped(on, old) -> Callable[[], dict[tuple[str, int], dict[str, Any]]]:
    """Map all ids of the old database."""

    def rows() -> dict[tuple[str, int], dict[str, Any]]:
        finished = on("database", "map-retrovue", old, "--json")
        assert finished.code == 0, finished.err
        return {(row["old_table"], row["old_id"]): row for row in json.loads(finished.out)["rows"]}

    return rows


def _ask(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def _change(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def _right(rows: dict[tuple[str, int], dict[str, Any]], truth: Truth) -> set[tuple[str, int]]:
    """Assert that no row was mapped to a wrong item, and return those that were mapped."""
    found = {row: (each["kind"], each["item_id"]) for row, each in rows.items() if each["item_id"] is not None}
    assert found == {row: truth[row] for row in found}
    return set(found)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_id_is_found(mapped, old, database, layout) -> None:
    """Also without a guid, with a guid that several libraries have, and of two episodes in one file."""
    truth = make_old_database(old, layout, database)
    rows = mapped()
    assert set(rows) == set(truth)
    left = {row: each for row, each in rows.items() if each["item_id"] is None}
    assert len(_right(rows, truth)) == len(truth) - len(left)
    # Retrovue imported no show of which Plex lists no episode with a file: nothing says which show that is.
    assert {each["old_table"] for each in left.values()} <= {"shows"}, left
    assert len(left) <= 1
    different = [row for row, (_, item_id) in truth.items() if row[1] != item_id]
    assert len(different) > 0.9 * len(truth)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_id_has_its_own_file(mapped, old, database, layout) -> None:
    """Of an item with several files, each keeps the one that it was."""
    make_old_database(old, layout, database)
    here = dict(_ask(database, "SELECT id, plex_path FROM media_files"))
    column = {"1.2": "file_path", "1.2 with movies": "plex_file_path"}.get(layout, "plex_path")
    there = dict(_ask(old, f"SELECT id, replace({column}, '/mnt/nas', '/srv/media') FROM media_files"))
    rows = mapped()
    assert {row[1]: here[each["media_file_id"]] for row, each in rows.items() if row[0] == "media_files"} == there


@pytest.mark.parametrize("layout", LAYOUTS[:2])
def test_the_documented_statements_give_a_schedule_its_new_ids(on, old, database, tmp_path, layout) -> None:
    """Every entry plays the file that it played; what is not found is set aside, with the reason."""
    make_old_database(old, layout, database)
    gone = "file_path = '/gone', source_id = 'plex://movie/gone', " if layout == "2" else ""
    _change(old, f"UPDATE media_files SET {gone} plex_path = '/gone' WHERE id = 7")
    schedule = tmp_path / "schedule.db"
    _change(schedule, STATEMENTS["the schedule"].replace(OLD, str(old)))
    files = dict(_ask(old, "SELECT id, plex_path FROM media_files"))
    planned = dict(_ask(schedule, "SELECT id, media_file_id FROM schedules"))
    here = dict(_ask(database, "SELECT id, plex_path FROM media_files"))
    wrong = [entry for entry, file in planned.items() if here.get(file) != files[file]]
    assert len(wrong) > 0.9 * len(planned)

    finished = on("database", "map-retrovue", old, "--sql")
    _change(schedule, finished.out)
    _change(schedule, STATEMENTS["new ids"])

    kept = dict(_ask(schedule, "SELECT id, media_file_id FROM schedules"))
    assert {entry: here[file] for entry, file in kept.items()} == {
        entry: files[file] for entry, file in planned.items() if file != 7
    }
    reason = "no item has its guid or its file" if layout == "2" else "it has no guid, and no item has its file"
    assert _ask(schedule, "SELECT media_file_id, reason FROM schedules_left") == [(7, reason)]
    with closing(sqlite3.connect(schedule, isolation_level=None)) as connection:
        for statement in STATEMENTS["new ids"].split(";"):
            with suppress(sqlite3.OperationalError):  # sqlite3 goes on after an error, too
                connection.execute(statement)
    assert dict(_ask(schedule, "SELECT id, media_file_id FROM schedules")) == kept


def test_the_documented_statements_work_for_releases_1_2(on, old, database, tmp_path) -> None:
    """An id of ``content_items`` may be a film or an episode here, so that the file is what a schedule needs."""
    truth = make_old_database(old, "1.2", database)
    schedule = tmp_path / "schedule.db"
    _change(schedule, STATEMENTS["the schedule of a release 1.2.x"].replace(OLD, str(old)))
    planned = dict(_ask(schedule, "SELECT id, content_item_id FROM schedule_instances"))
    _change(schedule, on("database", "map-retrovue", old, "--sql").out)
    _change(schedule, STATEMENTS["new ids of a release 1.2.x"])
    primary = {
        (kind, row_id): file_id
        for kind in ("movie", "episode")
        for row_id, file_id in _ask(database, f"SELECT id, media_file_id FROM {kind}s")
    }
    found = _ask(schedule, "SELECT id, item_kind, item_id, media_file_id FROM schedule_instances")
    assert {entry: (kind, item_id) for entry, kind, item_id, _ in found} == {
        entry: truth["content_items", item] for entry, item in planned.items()
    }
    assert all(primary[kind, item_id] == file_id for _, kind, item_id, file_id in found)
    shows = dict(_ask(database, "SELECT id, show_id FROM episodes"))
    for kind, item_id, show_id in _ask(schedule, "SELECT item_kind, item_id, show_id FROM schedule_instances"):
        assert show_id == (shows[item_id] if kind == "episode" else None)


def test_the_guid_decides_and_never_a_path_alone(mapped, old, database, rows) -> None:
    """A file that belongs to another work now is not the old one; a work whose file was replaced is."""
    truth = make_old_database(old, "2", database)
    ids = {title: row_id for row_id, title in _ask(old, "SELECT media_file_id, title FROM movies")}
    rows("UPDATE movies SET source_id = 'plex://movie/another' WHERE title = 'The Kid'")
    rows("UPDATE media_files SET plex_path = '/n.mkv', file_path = NULL WHERE plex_path LIKE '%/The General (1926)%'")
    found = mapped()
    kid = found["media_files", ids["The Kid"]]
    assert (kid["item_id"], kid["candidates"]) == (None, [truth["media_files", ids["The Kid"]][1]])
    assert kid["reason"] == "no item has its guid; its file is that of another one"
    assert found["media_files", ids["The General"]]["by"] == "guid"
    _right(found, truth)


def test_what_is_ambiguous_is_listed(mapped, on, old, database, rows) -> None:
    """Several items with the guid and none with the file, or several with the file and none with the key."""
    make_old_database(old, "2", database)
    rows("UPDATE media_files SET plex_path = '/new.mkv', file_path = NULL WHERE plex_path LIKE '%/Charade (1963)%'")
    ((charade,),) = _ask(old, "SELECT media_file_id FROM movies WHERE title = 'Charade'")
    row = mapped()["media_files", charade]
    assert row["reason"] == "several items have its guid, none of them its file"
    assert len(row["candidates"]) == 2
    assert "several items have its guid, none of them its file" in on("database", "map-retrovue", old).out

    old.unlink()
    make_old_database(old, "3", database)
    _change(old, "UPDATE media_files SET plex_rating_key = 'x' || id WHERE plex_path LIKE '%S02E03-E04%'")
    double = [each for each in mapped().values() if each["reason"] and each["old_table"] == "media_files"]
    assert [each["reason"] for each in double] == ["it has no guid, and several items have its file"] * 2
    assert len({tuple(each["candidates"]) for each in double}) == 1


def test_rows_of_a_known_server_are_only_looked_for_there(mapped, old, database, rows) -> None:
    """Two servers may have the same path; of a server that is not here, the path must be unique."""
    make_old_database(old, "3", database)
    _change(old, "INSERT INTO plex_servers (name, server_url, token) VALUES ('Attic', 'http://10.0.0.2:1', 't')")
    _change(old, "UPDATE media_files SET server_id = 2; UPDATE shows SET server_id = 2;")
    assert {each["by"] for each in mapped().values() if each["kind"] == "movie"} == {"path"}
    rows("INSERT INTO plex_servers (name, server_url, token) VALUES ('attic', 'http://10.0.0.2:1/', 't')")
    assert {each["reason"] for each in mapped().values() if each["kind"] == "movie"} == {
        "it has no guid, and no item has its file"
    }


SPELLINGS = {
    "/srv/Caf\N{LATIN SMALL LETTER E WITH ACUTE}/1.mkv": "/srv/Cafe\N{COMBINING ACUTE ACCENT}/1.mkv",
    "/srv//media/2.mkv": "/srv/media/2.mkv",
    "M:\\Filme\\Größe.mkv": "m:/filme/GRÖßE.mkv",
    "\\\\nas\\Filme\\A b.MKV": "//nas/Filme/a B.mkv",
    "\\\\nas\\Filme\\C.mkv": "\\\\NAS/Filme/c.mkv",
    "/srv/a\\b.mkv": "/srv/a\\b.mkv",
    "/srv/end .mkv": "/srv/end .mkv",
    "/srv/100%_[x]?.mkv": "/srv/100%_[x]?.mkv",
}
"""Paths here, and how they may be spelled there."""


@pytest.mark.parametrize(("layout", "column"), [("3", "plex_path"), ("1.2", "file_path")])
def test_spellings_of_a_path_are_one_path(mapped, old, database, layout, column) -> None:
    """Of Unicode, separators, and of case and shares on Windows; other characters are just characters."""
    films = "SELECT media_file_id FROM movies WHERE media_file_id IS NOT NULL AND title <> 'Charade' ORDER BY id"
    files = dict(zip((row_id for (row_id,) in _ask(database, films)), SPELLINGS, strict=False))
    with closing(sqlite3.connect(database)) as here, here:
        here.executemany(
            "UPDATE media_files SET plex_path = ?1, file_path = ?1 WHERE id = ?2", [(p, i) for i, p in files.items()]
        )
    truth = make_old_database(old, layout, database)
    with closing(sqlite3.connect(old)) as there, there:
        for path, spelled in SPELLINGS.items():
            there.execute(f"UPDATE media_files SET {column} = ? WHERE {column} = ?", (spelled, path))
        if layout == "1.2":  # else the server's path would be there, too
            there.execute("DELETE FROM content_editorial")
    rows = mapped()
    _right(rows, truth)
    found = {each["media_file_id"] for row, each in rows.items() if row[0] == "media_files" and each["by"]}
    assert files.keys() <= found


@pytest.mark.parametrize(
    ("layout", "table", "column"),
    [("3", "media_files", "plex_path"), ("1.2", "content_editorial", "source_payload_json")],
)
def test_one_damaged_text_costs_one_row(mapped, old, database, layout, table, column) -> None:
    """The others are found as usual."""
    truth = make_old_database(old, layout, database)
    _change(old, f"UPDATE {table} SET {column} = CAST(x'ff' || {column} AS TEXT) WHERE rowid = 3")
    rows = mapped()
    assert len(_right(rows, truth)) >= len(rows) - 4
    assert len(rows) == len(truth)


def test_rows_that_are_no_films_or_episodes_have_a_reason(mapped, old, database) -> None:
    """Commercials, files that belong to nothing, and a stored response that cannot be read."""
    make_old_database(old, "1.2", database)
    _change(
        old,
        "INSERT INTO content_items (id, kind, title) VALUES (900, 'ad', 'Soap'), (901, 'movie', 'Lost');"
        "INSERT INTO content_editorial VALUES (901, 'plex', '{\"guid\": 3');"
        "INSERT INTO media_files (id, server_id, library_id, plex_rating_key, file_path)"
        "    VALUES (900, 1, 1, '1', '/a');",
    )
    rows = mapped()
    assert rows["content_items", 900]["reason"] == "items of this kind are not mirrored"
    assert rows["content_items", 901]["reason"] == "it has neither a guid nor a file"
    assert rows["media_files", 900]["reason"] == "it belongs to no item"


def test_the_summary_counts_and_lists(on, old, database) -> None:
    """How many ids were found, by what, and those that were not, also if there are none."""
    make_old_database(old, "1.2 with movies", database)
    finished = on("database", "map-retrovue", old)
    assert finished.code == 0
    assert "ids have an item here" in finished.out
    _change(old, "UPDATE media_files SET plex_file_path = '/gone' || id")
    finished = on("database", "map-retrovue", old)
    assert "it has no guid, and no item has its file" in finished.out
    assert re.search(r"\d+ of \d+ ids have no item here; \d+ are not listed, --json lists all", finished.out)


def test_neither_database_is_changed(on, old, database) -> None:
    """Nor is anything put beside them."""
    make_old_database(old, "2", database)
    before = [(path.name, path.read_bytes()) for path in (old, database)]
    assert on("database", "map-retrovue", old, "--sql").code == 0
    assert [(path.name, path.read_bytes()) for path in (old, database)] == before
    assert list(old.parent.iterdir()) == [old]


def test_bad_input_is_refused(on, run, old, database, tmp_path) -> None:
    """Both formats at once, a file that is no database of Retrovue, and no mirror."""
    make_old_database(old, "2", database)
    assert on("database", "map-retrovue", old, "--sql", "--json").code == 2
    assert "a database of retrovue-daemon itself" in on("database", "map-retrovue", database).err
    os.mkfifo(tmp_path / "pipe")
    assert "pipe is not a regular file" in on("database", "map-retrovue", tmp_path / "pipe").err
    assert "is a directory" in on("database", "map-retrovue", tmp_path).err
    finished = run("database", "map-retrovue", old, "--database", tmp_path / "none.db")
    assert finished.code == 75
    assert "does not exist yet\nhint: " in finished.err
