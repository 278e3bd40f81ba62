"""What other programs write is in the change feed, whether or not a daemon has the database open."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.migrations import migrate
from tests.support.feed import FeedReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = """
INSERT INTO plex_servers (id, name, server_url) VALUES (1, 'home', 'http://h'), (2, 'attic', 'http://a');
INSERT INTO libraries (id, server_id, library_key, library_name, library_type)
VALUES (1, 1, '1', 'Movies', 'movie'), (2, 1, '2', 'TV', 'show'), (3, 2, '1', 'Movies', 'movie');
INSERT INTO library_locations VALUES (1, '/m'), (2, '/t'), (3, '/m');
INSERT INTO plex_path_mappings (id, server_id, plex_path, local_path) VALUES (1, 1, '/m', '/x'), (2, 2, '/m', '/y');
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 2500)
INSERT INTO movies (server_id, library_id, rating_key, title, created_at, synced_at)
SELECT 1, 1, n, 'Film ' || n, 1, 1 FROM n;
INSERT INTO movies (server_id, library_id, rating_key, title, created_at, synced_at)
VALUES (2, 3, '1', 'Other', 1, 1);
INSERT INTO shows (id, server_id, library_id, rating_key, title, created_at, synced_at)
VALUES (5, 1, 2, '5', 'Show', 1, 1);
INSERT INTO seasons (id, server_id, library_id, show_id, rating_key, title, created_at, synced_at)
VALUES (6, 1, 2, 5, '6', 'One', 1, 1);
INSERT INTO episodes (id, server_id, library_id, show_id, season_id, rating_key, episode_title, created_at, synced_at)
VALUES (7, 1, 2, 5, 6, '7', 'Pilot', 1, 1);
INSERT INTO collections (id, server_id, library_id, rating_key, title, created_at, synced_at)
VALUES (8, 1, 1, '8', 'Good ones', 1, 1);
INSERT INTO collection_items (collection_id, position, movie_id) VALUES (8, 0, 1);
UPDATE feed SET floor = (SELECT last_seq FROM feed_state);
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "mirror.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, 0)
        connection.executescript(f"PRAGMA journal_mode = WAL; BEGIN; {ROWS} COMMIT;")
    return path


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "mirror.db"))


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


@pytest.fixture
def entries(other: sqlite3.Connection) -> Callable[[str], list[tuple[object, ...]]]:
    """Execute statements, and return the entries that they make."""

    def made_by(statements: str) -> list[tuple[object, ...]]:
        ((last,),) = other.execute("SELECT last_seq FROM feed_state")
        other.executescript(f"BEGIN; {statements}; COMMIT")
        query = "SELECT kind, op, ids FROM change_batches WHERE seq > ? ORDER BY seq"
        return other.execute(query, (last,)).fetchall()

    return made_by


WRITTEN = {
    "a server": (
        "INSERT INTO plex_servers (name, server_url, token) VALUES ('new', 'http://n', 'secret')",
        [("server", "added", "[3]")],
    ),
    "another name": ("UPDATE plex_servers SET name = 'x' WHERE id = 1", [("server", "updated", "[1]")]),
    "a switch of a server": ("UPDATE plex_servers SET is_active = 0 WHERE id = 1", [("server", "updated", "[1]")]),
    "the same again": ("UPDATE plex_servers SET is_active = 1, name = name", []),
    "a token": ("UPDATE plex_servers SET token = 'secret', updated_at = 5", []),
    "a failure": ("UPDATE plex_servers SET last_error = 'x', failing_since = 1, next_try_at = 2", []),
    "a switch": ("UPDATE libraries SET sync_enabled = 0 WHERE id = 2", [("library", "updated", "[2]")]),
    "a priority": ("UPDATE libraries SET priority = 3 WHERE server_id = 2", [("library", "updated", "[3]")]),
    "a library that left": ("UPDATE libraries SET state = 'missing' WHERE id = 2", [("library", "missing", "[2]")]),
    "a library that is back": (
        "UPDATE libraries SET state = 'missing' WHERE id = 2; UPDATE libraries SET state = 'active'",
        [("library", "missing", "[2]"), ("library", "restored", "[2]")],
    ),
    "times of a library": (
        "UPDATE libraries SET last_sync_at = 1, watermark = 2, last_error = 'x', updated_at = 3",
        [],
    ),
    "a folder": ("INSERT INTO library_locations VALUES (2, '/t2')", [("library", "updated", "[2]")]),
    "one folder less": ("DELETE FROM library_locations WHERE library_id = 2", [("library", "updated", "[2]")]),
    "a mapping": (
        "INSERT INTO plex_path_mappings (server_id, plex_path, local_path) VALUES (2, '/a', '/b')",
        [("server", "updated", "[2]")],
    ),
    "a changed mapping": (
        "UPDATE plex_path_mappings SET local_path = '/z' WHERE id = 1",
        [("server", "updated", "[1]")],
    ),
    "a mapping of another server": (
        "UPDATE plex_path_mappings SET server_id = 2 WHERE id = 1",
        [("server", "updated", "[1]"), ("server", "updated", "[2]")],
    ),
    "one mapping less": ("DELETE FROM plex_path_mappings WHERE id = 1", [("server", "updated", "[1]")]),
    "what only the daemon keeps": ("UPDATE movies SET digest = 1, synced_at = 2 WHERE id = 3", []),
}


@pytest.mark.parametrize("what", WRITTEN)
def test_a_write_has_its_entries(entries, what) -> None:
    """And no others: values that stay the same, and bookkeeping, are no change."""
    statements, expected = WRITTEN[what]
    assert entries(statements) == expected


def test_a_deleted_server_takes_everything_along(entries, other, path) -> None:
    """Each row once, in entries of at most 1,000 rows, although SQLite deletes them by its own rules."""
    reader = FeedReader(path)
    assert reader.follow() == []
    made = entries("DELETE FROM plex_servers WHERE id = 1")
    assert {op for _, op, _ in made} == {"deleted"}
    assert [kind for kind, *_ in made] == [
        "episode", "season", "show", "movie", "movie", "movie", "collection", "library", "server",
    ]  # fmt: skip
    query = "SELECT max(n) FROM (SELECT count(*) AS n FROM changes WHERE op = 'deleted' GROUP BY seq)"
    assert other.execute(query).fetchone() == (1000,)
    query = "SELECT count(*), count(DISTINCT item_id) FROM changes WHERE op = 'deleted' AND kind = 'movie'"
    assert other.execute(query).fetchone() == (2500, 2500)
    assert reader.follow() == []
    assert len(reader.copy["movie"]) == 1


def test_a_deleted_library_takes_its_rows_along(entries, path) -> None:
    """Nothing of other libraries, and nothing twice."""
    reader = FeedReader(path)
    assert reader.follow() == []
    assert entries("DELETE FROM libraries WHERE id = 2") == [
        ("episode", "deleted", "[7]"),
        ("season", "deleted", "[6]"),
        ("show", "deleted", "[5]"),
        ("library", "deleted", "[2]"),
    ]
    assert reader.follow() == []


LIBRARY = "INTO libraries (id, server_id, library_key, library_name, library_type)"
REPLACED = {
    "a server by its id": "REPLACE INTO plex_servers (id, name, server_url) VALUES (1, 'x', 'http://h')",
    "a server by its name": "INSERT OR REPLACE INTO plex_servers (name, server_url) VALUES ('home', 'http://h')",
    "a server whose name another one gets": "UPDATE OR REPLACE plex_servers SET name = 'home' WHERE id = 2",
    "a library by its id": f"REPLACE {LIBRARY} VALUES (1, 1, '9', 'Movies', 'movie')",
    "a library by its key": f"REPLACE {LIBRARY} VALUES (NULL, 1, '1', 'Movies', 'movie')",
    "a library whose key another one gets": "UPDATE OR REPLACE libraries SET library_key = '1' WHERE id = 2",
    "the id of a server": "INSERT INTO plex_servers (id, name, server_url) VALUES (3, 'x', 'http://h');"
    " UPDATE plex_servers SET id = 4 WHERE id = 3",
    "the id of a library": f"INSERT {LIBRARY} VALUES (9, 1, '9', 'X', 'movie');"
    " UPDATE libraries SET id = 10 WHERE id = 9",
    "the second row of a statement": "REPLACE INTO plex_servers (name, server_url)"
    " VALUES ('new', 'http://n'), ('home', 'http://h'), ('newer', 'http://n')",
}


@pytest.mark.parametrize("what", REPLACED)
def test_readers_read_anew_what_was_replaced(other, path, what) -> None:
    """SQLite deletes replaced rows, and what belongs to them, without the triggers that would name these rows."""
    reader = FeedReader(path)
    assert reader.follow() == []
    other.executescript(f"BEGIN; {REPLACED[what]}; COMMIT")
    ((floor, last),) = other.execute("SELECT floor, last_seq FROM feed_state")
    assert reader.last < floor <= last
    assert reader.follow() == []
    other.execute("UPDATE plex_servers SET name = 'once more' WHERE id = 2")
    assert reader.follow() == []
    assert other.execute("SELECT floor, last_seq FROM feed_state").fetchone() == (floor, last + 1)


NOT_REPLACED = {
    "an upsert of a server": "INSERT INTO plex_servers (name, server_url) VALUES ('home', 'http://other')"
    " ON CONFLICT (name) DO UPDATE SET server_url = excluded.server_url",
    "a server that was there": "INSERT OR IGNORE INTO plex_servers (name, server_url) VALUES ('home', 'http://h')",
    "a name that was taken": "UPDATE OR IGNORE plex_servers SET name = 'home' WHERE id = 2",
    "an upsert of a library": f"INSERT {LIBRARY} VALUES (NULL, 1, '1', 'Films', 'movie')"
    " ON CONFLICT (server_id, library_key) DO UPDATE SET library_name = excluded.library_name",
    "a library that was there": f"INSERT {LIBRARY} VALUES (1, 1, '1', 'Films', 'movie') ON CONFLICT DO NOTHING",
    "a key that was taken": "UPDATE OR IGNORE libraries SET library_key = '1' WHERE id = 2",
    "a mapping that was there": "INSERT OR IGNORE INTO plex_path_mappings (id, server_id, plex_path, local_path)"
    " VALUES (1, 2, '/m', '/x')",
    "a mapping that another one replaced": "UPDATE OR REPLACE plex_path_mappings SET id = 1 WHERE id = 2",
    "a mapping that moved": "REPLACE INTO plex_path_mappings (id, server_id, plex_path, local_path)"
    " VALUES (1, 1, '/m', '/x')",
}


def test_what_replaces_nothing_is_followed(other, path) -> None:
    """Also right after statements that made SQLite look for rows to replace."""
    reader = FeedReader(path)
    assert reader.follow() == []
    floor = other.execute("SELECT floor FROM feed").fetchone()
    for number, what in enumerate(NOT_REPLACED):
        for statement in (
            NOT_REPLACED[what],
            "UPDATE plex_servers SET name = name || '!', id = id WHERE id = 2",
            NOT_REPLACED[what].replace("'home'", f"'{number}'"),
            f"UPDATE libraries SET library_key = '1{number}', id = id, server_id = server_id WHERE id = 2",
            NOT_REPLACED[what],
            f"INSERT INTO plex_servers (name, server_url) VALUES ('new {number}', 'http://h')",
            NOT_REPLACED[what],
            f"INSERT {LIBRARY} VALUES (NULL, 2, '1{number}', 'New', 'movie')",
        ):
            other.execute(statement)
            if statement == NOT_REPLACED[what]:
                assert reader.follow() == [], what
        assert reader.follow() == [], what
        assert other.execute("SELECT floor FROM feed").fetchone() == floor, what


def test_what_is_rolled_back_never_happened(other) -> None:
    """An entry is committed with its row, or not at all; its number is given to another one."""
    before = other.execute("SELECT * FROM feed_state").fetchall()
    other.execute("BEGIN")
    other.execute("DELETE FROM plex_servers")
    other.execute("ROLLBACK")
    assert other.execute("SELECT * FROM feed_state").fetchall() == before


@pytest.mark.parametrize("setting", ["trusted_schema = OFF", "recursive_triggers = ON", "foreign_keys = ON"])
def test_any_connection_may_write(other, entries, setting) -> None:
    """Whatever its program has set."""
    other.execute(f"PRAGMA {setting}")
    made = entries("UPDATE libraries SET sync_enabled = 0 WHERE id = 1; DELETE FROM plex_servers WHERE id = 2")
    assert [entry[:2] for entry in made] == [
        ("library", "updated"), ("movie", "deleted"), ("library", "deleted"), ("server", "deleted"),
    ]  # fmt: skip


async def test_entries_are_written_beside_a_daemon(path, other) -> None:
    """Triggers belong to the database: a daemon that has it open sees them, too."""
    async with open_database(path) as database:
        other.execute("UPDATE libraries SET priority = 1 WHERE id = 1")
        query = "SELECT kind, op, ids FROM change_batches ORDER BY seq DESC LIMIT 1"
        assert [tuple(row) for row in await database.reader.execute_fetchall(query)] == [
            ("library", "updated", "[1]")
        ]
