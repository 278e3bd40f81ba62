"""The loops in docs/database.md that follow the change feed do so."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from retrovue_daemon.store.migrations import migrate

PAGE = (Path(__file__).parents[3] / "docs" / "database.md").read_text("utf-8")
LOOPS = dict(re.findall(r"<!-- reader: in (\w+) -->\n```\w+\n(.+?)```", PAGE, re.DOTALL))

ROWS = """
INSERT INTO plex_servers (id, name, server_url) VALUES (1, 'home', 'http://h');
INSERT INTO libraries (id, server_id, library_key, library_name, library_type) VALUES (1, 1, '1', 'Movies', 'movie');
INSERT INTO movies (id, server_id, library_id, rating_key, title, created_at, synced_at)
VALUES (1, 1, 1, '1', 'First', 1, 1), (2, 1, 1, '2', 'Second', 1, 1);
INSERT INTO change_batches (kind, op, ids) VALUES ('movie', 'added', '[1,2]');
"""


def entry(op: str, *ids: int) -> str:
    return f"INSERT INTO change_batches (kind, op, ids) VALUES ('movie', '{op}', '{[*ids]}');"


INSERTED = "INSERT INTO movies (id, server_id, library_id, rating_key, title, created_at, synced_at)"
PUT_BACK = (
    "DELETE FROM change_batches WHERE seq > 5; UPDATE sqlite_sequence SET seq = 5 WHERE name = 'change_batches';"
)
STEPS = (
    "UPDATE movies SET title = 'Other' WHERE id = 2;" + entry("updated", 2),
    "DELETE FROM movies WHERE id = 1;" + entry("deleted", 1),
    f"{INSERTED} VALUES (3, 1, 1, '3', 'Third', 1, 1);" + entry("added", 3) + entry("updated", 3),
    # An earlier copy of the file was put back, and no daemon has noticed it yet.
    f"DELETE FROM movies WHERE id = 3; {PUT_BACK}",
    f"{INSERTED} VALUES (3, 1, 1, '3', 'Third again', 1, 1);" + entry("added", 3),
    # A copy was restored, without a film and without the entries.
    "UPDATE feed SET feed_id = 'another'; DELETE FROM movies WHERE id = 3; DELETE FROM change_batches;",
    # A reader has not looked for long.
    f"{INSERTED} VALUES (4, 1, 1, '4', 'Fourth', 1, 1);"
    + entry("added", 4)
    + "DELETE FROM change_batches; UPDATE feed SET floor = (SELECT last_seq FROM feed_state);",
)


class Ended(Exception):
    """All steps are done."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mirror.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, 0)
        connection.executescript(f"PRAGMA journal_mode = WAL; BEGIN; {ROWS} COMMIT;")
    return path


def films(path: Path) -> dict[int, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT id, title FROM movies"))


def step(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(f"BEGIN; {STEPS[number]} COMMIT;")


def test_the_loop_in_python(path) -> None:
    """It has the films after each change, after a restore, and if it comes too late."""
    assert len(LOOPS["Python"].splitlines()) <= 13
    copy: dict[int, str] = {}
    position: list[Any] = [None, 0]
    read_anew: list[int] = []
    steps = iter(range(len(STEPS)))

    def read_all(db: sqlite3.Connection) -> None:
        read_anew.append(len(copy))
        copy.clear()
        copy.update(db.execute("SELECT id, title FROM movies"))

    def read_again(db: sqlite3.Connection, kind: str, item_id: int) -> None:
        if kind == "movie":
            copy.pop(item_id, None)
            copy.update(db.execute("SELECT id, title FROM movies WHERE id = ?", (item_id,)))

    def store(*now: Any) -> None:
        position[:] = now

    def sleep(_seconds: float) -> None:
        assert copy == films(path)
        number = next(steps, None)
        if number is None:
            raise Ended
        step(path, number)
        # Each time, another file is at its place.
        shutil.copyfile(path, path.with_name("copy.db"))
        path.with_name("copy.db").replace(path)

    code = LOOPS["Python"].replace("/var/lib/retrovue-daemon/retrovue.db", str(path))
    own = {"load": lambda: position, "store": store, "read_all": read_all, "read_again": read_again}
    with pytest.raises(Ended):
        exec(code, own | {"sqlite3": sqlite3, "time": SimpleNamespace(sleep=sleep)})  # noqa: S102 -- from our own page
    assert copy == {2: "Other", 4: "Fourth"}
    assert len(read_anew) == 4


def test_the_statements_in_sql(path, tmp_path) -> None:
    """A program's own table has the films, likewise."""
    with closing(sqlite3.connect(f"file:{tmp_path / 'own.db'}", uri=True, isolation_level=None)) as own:
        own.execute("CREATE TABLE films (id INTEGER PRIMARY KEY, title TEXT, state TEXT, file_path TEXT)")
        own.execute("CREATE TABLE position (feed_id TEXT NOT NULL, seq INTEGER NOT NULL)")
        own.execute("INSERT INTO position VALUES ('', 0)")
        own.execute("ATTACH ? AS mirror", (f"file:{path}?mode=ro",))
        for number in range(len(STEPS) + 1):
            own.executescript(LOOPS["SQL"])
            assert dict(own.execute("SELECT id, title FROM films")) == films(path), number
            if number < len(STEPS):
                step(path, number)
