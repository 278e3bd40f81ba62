"""A database of an earlier release is brought up to date with everything in it."""

from __future__ import annotations

import asyncio
import lzma
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from retrovue_daemon.clock import Clock
from retrovue_daemon.errors import DatabaseMissing, DatabaseUnusable
from retrovue_daemon.records import Kind
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.file.epoch import Mark, leave
from retrovue_daemon.store.file.preparation import prepare
from retrovue_daemon.store.file.visits import make_if_missing, reading
from retrovue_daemon.store.items.lookup import TABLES
from retrovue_daemon.store.items.rekeying import ListingMoments, rekey
from retrovue_daemon.store.items.rows import Target
from retrovue_daemon.store.items.sweep import mark_missing
from retrovue_daemon.store.items.upserts import Change, write_items
from retrovue_daemon.store.migrations import APPLICATION_ID, migrate, migrations
from retrovue_daemon.store.overview import OTHERS, contents
from retrovue_daemon.store.tables.observed_clock import ObservedClock
from tests.support.feed import FeedReader

NEWEST = migrations()[-1].version

SCHEMA_1_ROWS = """
INSERT INTO daemon_state VALUES ('client_identifier', 'c0ffee');
INSERT INTO plex_servers (id, name, server_url, token, source, machine_identifier, created_at, updated_at)
VALUES (3, 'home', 'http://h', 't', 'database', 'm', 10, 11);
INSERT INTO libraries (id, server_id, library_key, uuid, library_name, library_type, library_root, sync_enabled,
                       priority, state, content_changed_at, watermark, last_full_sync_at, created_at, updated_at)
VALUES (5, 3, '1', 'u1', 'Movies', 'movie', '/m', 1, 7, 'active', 70, 40, 1000, 12, 13),
       (6, 3, '2', 'u2', 'TV', 'show', '/t', 0, 100, 'blocked', 71, 41, 1001, 12, 13);
INSERT INTO library_locations VALUES (5, '/m'), (6, '/t');
INSERT INTO plex_path_mappings (id, server_id, plex_path, local_path, created_at) VALUES (4, 3, '/m', '/x', 14);
INSERT INTO media_files (id, server_id, library_id, rating_key, part_id, part_index, plex_path, media_type,
                         created_at)
VALUES (21, 3, 5, '100', 210, 0, '/m/a.mkv', 'movie', 15), (22, 3, 6, '203', 220, 0, '/t/e.mkv', 'episode', 15);
INSERT INTO shows (id, server_id, library_id, rating_key, title, created_at, synced_at)
VALUES (31, 3, 6, '201', 'Show', 16, 17);
INSERT INTO show_guids VALUES (31, 'tvdb', '9');
INSERT INTO seasons (id, server_id, library_id, show_id, rating_key, season_number, title, created_at, synced_at)
VALUES (41, 3, 6, 31, '202', 0, 'Specials', 16, 17);
INSERT INTO episodes (id, server_id, library_id, rating_key, show_id, season_id, media_file_id, episode_title,
                      season_number, episode_number, created_at, synced_at, digest)
VALUES (51, 3, 6, '203', 31, 41, 22, 'Pilot', 0, 0, 16, 17, 18);
INSERT INTO episode_guids VALUES (51, 'imdb', 'tt51');
INSERT INTO movies (id, server_id, library_id, rating_key, media_file_id, title, source_id, created_at, synced_at,
                    digest, state, missing_since)
VALUES (61, 3, 5, '100', 21, 'Film', 'plex://movie/x', 16, 17, 18, 'active', NULL),
       (62, 3, 5, '101', NULL, 'Gone', 'plex://movie/y', 16, 17, 18, 'missing', 900);
INSERT INTO movie_guids VALUES (61, 'imdb', 'tt61');
INSERT INTO sync_runs (id, server_id, library_id, kind, started_at, finished_at, status, listed, removed, error)
VALUES (71, 3, 5, 'full', 1000, 1001, 'ok', 2, 1, NULL), (72, 3, 6, 'full', 1000, 1002, 'blocked', 0, 0, 'why'),
       (73, 3, NULL, 'full', 1000, 1002, 'failed', 0, 0, 'no library');
INSERT INTO sync_requests (id, server_id, library_id, kind, requested_at, run_id)
VALUES (81, 3, 5, 'full', 999, 71), (82, 3, NULL, 'full', 999, 73);
"""
"""At least one row in each table of schema 1, as its release could have left them."""

SCHEMA_3_ROWS = """
UPDATE libraries SET fault = '["a"]', doubt = 'paths', last_error = 'paths', list_again = 1, known_moment = 2,
                     former_names = '["Films"]', listed_from = 3, listed_until = 4 WHERE id = 5;
UPDATE movies SET first_moment = 3, missing_observed = 901 WHERE id = 62;
INSERT INTO damaged_items VALUES (3, '100', 19, 2);
INSERT INTO plex_servers (id, name, server_url, is_active, source, machine_identifier)
VALUES (8, 'attic', 'http://a', 0, 'config', 'm2');
INSERT INTO libraries (id, server_id, library_key, library_name, library_type) VALUES (9, 8, '1', 'Movies', 'movie');
INSERT INTO movies (id, server_id, library_id, rating_key, title, source_id, created_at, synced_at)
VALUES (63, 8, 9, '100', 'Attic', 'plex://movie/z', 16, 17);
"""
"""What schemas 2 and 3 added to those rows: columns with values, a table, and a server that is switched off."""

SCHEMA_4_ROWS = """
UPDATE plex_servers SET last_error = 'the server refused the token', last_error_type = 'Unauthorized',
                        last_error_hint = 'a new token', failing_since = 2000, next_try_at = 2300 WHERE id = 8;
UPDATE libraries SET last_error_hint = 'look', failing_since = 2001, next_try_at = 2301, selected = 0 WHERE id = 6;
"""
"""What schema 4 added: why a server or a library fails, and a library that the configuration does not select."""


def _content(path: Path) -> dict[str, list[dict[str, object]]]:
    """Return all rows of all tables, as they are read by another program."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        tables = [
            row["name"]
            for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if not row["name"].startswith("sqlite_")
        ]
        return {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in tables}


@pytest.fixture
def old_database(tmp_path: Path) -> Path:
    """A database of schema 1, made with the very file that made them, and closed cleanly."""
    path = tmp_path / "mirror.db"
    first = migrations()[0]
    assert first.version == 1
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(first.sql)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(SCHEMA_1_ROWS)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return path


@pytest.fixture
def database_of_schema_3(old_database, monkeypatch) -> Path:
    """A database of schema 3, made from that of schema 1 by the very files that did so."""
    with monkeypatch.context() as patched, closing(sqlite3.connect(old_database, isolation_level=None)) as connection:
        patched.setattr("retrovue_daemon.store.migrations.migrations", lambda: migrations()[:3])
        assert migrate(connection, 1) == 3
        connection.executescript(SCHEMA_3_ROWS)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return old_database


@pytest.fixture
def database_of_schema_4(database_of_schema_3, monkeypatch) -> Path:
    """A database of schema 4, made from that of schema 3 by the very file that did so."""
    path = database_of_schema_3
    with monkeypatch.context() as patched, closing(sqlite3.connect(path, isolation_level=None)) as connection:
        patched.setattr("retrovue_daemon.store.migrations.migrations", lambda: migrations()[:4])
        assert migrate(connection, 3) == 4
        connection.executescript(SCHEMA_4_ROWS)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return path


async def test_every_row_of_schema_4_survives(database_of_schema_4) -> None:
    """All columns keep their values; what is new is unknown, and every film, show and episode wants its details."""
    before = _content(database_of_schema_4)
    async with open_database(database_of_schema_4) as database:
        pragmas = [
            [tuple(row) for row in await database.reader.execute_fetchall(f"PRAGMA {pragma}")]
            for pragma in ("foreign_key_check", "integrity_check")
        ]
    assert pragmas == [[], [("ok",)]]
    after = _content(database_of_schema_4)
    for table, rows in before.items():
        assert rows, table
        # Libraries are listed once more, so that the new columns are filled.
        expected = [row | {"list_again": 1} for row in rows] if table == "libraries" else rows
        assert [{name: row[name] for name in rows[0]} for row in after[table]] == expected, table
        new = [{name: value for name, value in row.items() if name not in rows[0]} for row in after[table]]
        assert all(value is None or name == "details_again" for row in new for name, value in row.items()), table
    assert not any(after[table] for table in after.keys() - before - {"feed"})


async def test_every_row_of_schema_3_survives(database_of_schema_3) -> None:
    """All columns keep their values, and nothing counts as failed or deselected."""
    before = _content(database_of_schema_3)
    async with open_database(database_of_schema_3):
        pass
    after = _content(database_of_schema_3)
    for table, rows in before.items():
        assert rows, table
        expected = [row | {"list_again": 1} for row in rows] if table == "libraries" else rows
        assert [{name: row[name] for name in rows[0]} for row in after[table]] == expected, table
    for table in ("plex_servers", "libraries"):
        assert {(row["last_error_hint"], row["failing_since"], row["next_try_at"]) for row in after[table]} == {
            (None, None, None)
        }
    assert {row["last_error_type"] for row in after["plex_servers"]} == {None}
    assert {row["selected"] for row in after["libraries"]} == {1}


async def test_since_schema_4_views_omit_what_is_switched_off(database_of_schema_3) -> None:
    """Films of an inactive server and episodes of a disabled library were shown before; their rows stay active."""
    views = ("active_movies", "preferred_movies", "active_shows", "active_episodes", "preferred_episodes")

    def shown(connection: sqlite3.Connection) -> list[list[int]]:
        return [[row_id for (row_id,) in connection.execute(f"SELECT id FROM {view} ORDER BY id")] for view in views]

    with closing(sqlite3.connect(database_of_schema_3)) as connection:
        assert shown(connection) == [[61, 63], [61, 63], [31], [51], [51]]
    async with open_database(database_of_schema_3) as database:
        assert await database.reader.run(shown) == [[61], [61], [], [], []]
        query = "SELECT state FROM movies WHERE id = 63 UNION ALL SELECT state FROM episodes WHERE id = 51"
        assert [tuple(row) for row in await database.reader.execute_fetchall(query)] == [("active",)] * 2


async def test_every_row_survives_with_its_id(old_database) -> None:
    """All columns keep their values; a column that is new has a value that means nothing happened yet."""
    before = _content(old_database)
    assert all(before.values())  # each table has a row that could be lost
    async with open_database(old_database):
        pass
    after = _content(old_database)
    assert set(after) >= set(before)
    for table, rows in before.items():
        kept = [row for row in rows if table != "sync_runs" or row["library_id"] is not None]
        shared = [{name: row[name] for name in kept[0]} for row in after[table]]
        assert shared == [row | ({"run_id": None} if row.get("run_id") == 73 else {}) for row in kept], table
    assert {row["first_moment"] for table in ("movies", "shows", "seasons", "episodes") for row in after[table]} == {
        0
    }
    assert [row["last_moment"] for row in after["movies"]] == [None, 0]
    assert {row[name] for row in after["libraries"] for name in ("known_moment", "listed_from", "listed_until")} == {
        0
    }
    assert {row["priority_source"] for row in after["libraries"]} == {"database"}
    assert {row["moved"] for row in after["sync_runs"]} == {0}


async def test_nothing_hangs_loose_afterwards(old_database) -> None:
    """Foreign keys lead somewhere, the file is whole, and its number is the newest schema's."""
    async with open_database(old_database) as database:
        for pragma, expected in (
            ("foreign_key_check", []),
            ("integrity_check", [("ok",)]),
            ("user_version", [(NEWEST,)]),
        ):
            rows = [tuple(row) for row in await database.reader.execute_fetchall(f"PRAGMA {pragma}")]
            assert rows == expected, pragma


async def test_an_upgraded_database_is_like_a_new_one(old_database, tmp_path) -> None:
    """The same tables, columns in the same order, indexes and views."""

    async def schema(path: Path) -> dict[str, object]:
        async with open_database(path) as database:
            found: dict[str, object] = {}
            rows = await database.reader.execute_fetchall("SELECT type, name, tbl_name FROM sqlite_schema")
            for kind, name, table in map(tuple, rows):
                query = f"SELECT * FROM pragma_{'index_xinfo' if kind == 'index' else 'table_xinfo'}('{name}')"
                found[name] = kind, table, [tuple(row) for row in await database.reader.execute_fetchall(query)]
            return found

    assert await schema(old_database) == await schema(tmp_path / "new.db")


async def test_ids_of_items_go_on_from_where_they_were(old_database, make) -> None:
    """Also behind rows that are gone: the table of the highest ids is upgraded with the rest."""
    with closing(sqlite3.connect(old_database)) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 500 WHERE name = 'movies'")
        connection.commit()
    target = Target(3, 5, "Movies", lambda path: path)
    async with open_database(old_database) as database:
        changes = [Change(make.movie("300", make.part(300)), 1)]
        result = await database.writer.run(lambda c: write_items(c, target, Kind.MOVIE, changes, 2_000))
    assert result.ids == [501]


async def test_what_was_missing_before_can_still_come_back(old_database, make) -> None:
    """Its age is unknown, so whatever comes after the upgrade is younger."""
    target = Target(3, 5, "Movies", lambda path: path)
    film = make.movie("300", make.part(300, "/m/y.mkv"), guid="plex://movie/y")
    async with open_database(old_database) as database:
        await database.writer.run(lambda c: write_items(c, target, Kind.MOVIE, [Change(film, 1)], 2_000))
        rekeyed = await database.writer.run(lambda c: rekey(c, target, ListingMoments(0, 0), {Kind.MOVIE: []}))
    assert list(rekeyed.pairs[Kind.MOVIE]) == [62]


async def test_a_time_of_missing_that_lies_ahead_ends_no_retention(old_database) -> None:
    """The clock was wrong when something left: what left before that must not be a year older after the upgrade."""
    with closing(sqlite3.connect(old_database)) as connection:
        connection.executescript(
            "UPDATE shows SET state = 'missing', missing_since = unixepoch() + 400 * 86400;"
            "UPDATE sync_runs SET started_at = unixepoch() + 400 * 86400 WHERE id = 71;"
        )
    observed = ObservedClock(Clock())
    async with open_database(old_database) as database:
        await database.writer.run(observed.start)
        query = "SELECT max(missing_observed) FROM shows UNION ALL SELECT max(observed) FROM sync_runs"
        times = [time for (time,) in await database.reader.execute_fetchall(query)]
    assert all(abs(observed.now() - time) < 60 for time in (*times, Clock().now()))


async def test_a_copy_is_kept_as_it_was(old_database, tmp_path) -> None:
    """An upgrade that turns out badly can be taken back with the release before it."""
    before = _content(old_database)
    old_database.chmod(0o600)
    async with open_database(old_database):
        pass
    copy = tmp_path / "mirror.db.v1.bak"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert _content(copy) == before
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


KILLED_AT_THE_END_OF_THE_COPY = """
import os, signal, sys
from pathlib import Path
from retrovue_daemon.store.file.preparation import prepare

os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
prepare(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("earlier", [None, b"an earlier copy"])
async def test_half_a_copy_never_has_the_name_of_a_whole_one(old_database, tmp_path, earlier) -> None:
    """A process that is killed while it makes one leaves an earlier one as it is; the next start makes it again."""
    before, copy = _content(old_database), tmp_path / "mirror.db.v1.bak"
    if earlier is not None:
        copy.write_bytes(earlier)
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_AT_THE_END_OF_THE_COPY, old_database)
    assert await killed.wait() == -signal.SIGKILL
    assert (copy.read_bytes() if copy.exists() else None) == earlier
    assert copy.with_name("mirror.db.v1.bak.partial").exists()
    async with open_database(old_database):
        pass
    assert _content(copy) == before
    assert not list(tmp_path.glob("*.partial*"))


async def test_a_database_of_this_release_is_not_copied(old_database, tmp_path) -> None:
    """Only an upgrade makes one."""
    async with open_database(old_database):
        pass
    copy = tmp_path / "mirror.db.v1.bak"
    copy.unlink()
    async with open_database(old_database):
        pass
    assert not list(tmp_path.glob("*.bak"))


async def test_a_first_start_that_ends_early_leaves_no_half_of_a_schema(tmp_path, monkeypatch) -> None:
    """An empty file, which commands call empty; the next start makes it, and there was nothing to copy."""
    path = tmp_path / "mirror.db"
    broken = msgspec.structs.replace(migrations()[-1], sql="CREATE TABLE t (x); SELECT nothing;")
    steps = (*migrations()[:-1], broken)
    with monkeypatch.context() as patched:
        patched.setattr("retrovue_daemon.store.migrations.migrations", lambda: steps)
        with pytest.raises(DatabaseUnusable):
            prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    with pytest.raises(DatabaseMissing, match="is empty"), reading(path):
        pass
    make_if_missing(path)
    with reading(path):
        pass
    assert not list(tmp_path.glob("*.bak*"))


async def test_a_database_without_rows_is_empty_and_not_copied(tmp_path) -> None:
    """As killed first starts of former releases left it, whatever its schema."""
    path = tmp_path / "mirror.db"
    for version in (1, NEWEST - 1):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for migration in migrations()[:version]:
                connection.executescript(migration.sql)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version}")
        with pytest.raises(DatabaseMissing, match="is empty") as missing, reading(path):
            pass
        assert missing.value.exit_code == 75
        prepare(path)
        with reading(path):
            pass
        assert not list(tmp_path.glob("*.bak*"))
        path.unlink()


@pytest.mark.parametrize("step", range(2, NEWEST + 1))
async def test_an_upgrade_that_fails_leaves_the_step_before(old_database, monkeypatch, step) -> None:
    """Each step shares one transaction with its number: half a step does not exist."""
    whole = migrations()

    def broken():
        last = whole[step - 1]
        return (*whole[: step - 1], type(last)(last.version, last.name, f"{last.sql}\nCREATE TABLE movies (x);"))

    monkeypatch.setattr("retrovue_daemon.store.migrations.migrations", lambda: whole[: step - 1])
    with closing(sqlite3.connect(old_database, isolation_level=None)) as connection:
        migrate(connection, 1)
    before = _content(old_database)
    monkeypatch.setattr("retrovue_daemon.store.migrations.migrations", broken)
    with pytest.raises(Exception, match="already exists"):
        async with open_database(old_database):
            pass
    monkeypatch.undo()
    assert _content(old_database) == before
    async with open_database(old_database) as database:
        assert [tuple(r) for r in await database.reader.execute_fetchall("PRAGMA user_version")] == [(NEWEST,)]


@pytest.fixture
def database_of_schema_6(tmp_path: Path) -> Path:
    """The built-in library as the last release with schema 6 stored it; one film is missing."""
    path = tmp_path / "mirror.db"
    path.write_bytes(lzma.decompress((Path(__file__).parent / "schema_6.db.xz").read_bytes()))
    return path


async def test_every_row_of_schema_6_survives(database_of_schema_6) -> None:
    """And the change feed begins after them: a reader has to read them all once, then follows."""
    before = _content(database_of_schema_6)
    async with open_database(database_of_schema_6) as database:
        (state,) = await database.reader.execute_fetchall("SELECT floor, last_seq FROM feed_state")
        reader = FeedReader(database_of_schema_6)
        assert reader.follow() == []
        await database.writer.run(lambda c: mark_missing(c, Target(1, 1, "", str), Kind.MOVIE, [1], 5, 5))
        assert reader.follow() == []
    assert tuple(state) == (1, 1)
    assert len(reader.copy["movie"]) == 36
    after = _content(database_of_schema_6)
    kept = before.keys() - {"movies", "media_files"}
    assert {table: after[table] for table in kept} == {table: before[table] for table in kept}
    assert [row["id"] for row in after["movies"]] == [row["id"] for row in before["movies"]]


async def test_every_row_of_schema_8_survives(tmp_path) -> None:
    """And a reader of its feed goes on from where it was, also with what is replaced from then on."""
    path = tmp_path / "mirror.db"
    path.write_bytes(lzma.decompress((Path(__file__).parent / "schema_8.db.xz").read_bytes()))
    before = _content(path)
    reader = FeedReader(path)
    assert reader.follow() == []
    mark = Mark(str(before["feed"][0]["opened"]), path.stat().st_ino, None, reader.last, is_clean=True)
    leave(path, mark, reader.last, {})
    async with open_database(path) as database:
        ((feed_id, floor, last),) = await database.reader.execute_fetchall("SELECT * FROM feed_state")
        assert (feed_id, last) == (reader.feed_id, reader.last)
        assert floor <= last
        assert reader.follow() == []
        after = _content(path)
        sql = "REPLACE INTO plex_servers (name, server_url) VALUES ('home', 'http://h')"
        await database.writer.run(lambda connection: connection.execute(sql))
        ((floor,),) = await database.reader.execute_fetchall("SELECT floor FROM feed_state")
        assert floor > last
        assert reader.follow() == []
    assert reader.copy["movie"] == {}
    assert before["hooks"]
    assert before["hook_events"]
    assert set(after) == set(before)
    for table, rows in before.items():
        assert [{name: row[name] for name in rows[0]} for row in after[table]] == rows, table


async def test_every_row_of_schema_9_survives(tmp_path) -> None:
    """And `status` counts what is not active without reading every row from then on."""
    path = tmp_path / "mirror.db"
    path.write_bytes(lzma.decompress((Path(__file__).parent / "schema_9.db.xz").read_bytes()))
    before = _content(path)
    async with open_database(path) as database:
        counts = await database.reader.run(contents)
        plans = [
            row[3]
            for table in TABLES.values()
            for row in await database.reader.execute_fetchall(f"EXPLAIN QUERY PLAN {OTHERS.format(table)}")
        ]
    assert sum(held.missing for held in counts.values()) == 1
    assert sum(held.unavailable for held in counts.values()) == 3
    assert [plan for plan in plans if plan.startswith("SCAN")] == [
        f"SCAN {table} USING COVERING INDEX {table}_states" for table in TABLES.values()
    ]
    after = _content(path)
    assert set(after) == set(before)
    for table, rows in before.items():
        assert after[table] == rows or table in {"daemon_state", "feed", "sqlite_sequence"}, table


async def test_tables_without_row_ids_begin_with_their_keys(tmp_path: Path) -> None:
    """Otherwise SQLite 3.40 reports damage in sound tables, because it takes one column for another."""
    async with open_database(tmp_path / "mirror.db") as database:
        tables = await database.reader.execute_fetchall(
            "SELECT l.name, c.cid, c.pk FROM pragma_table_list AS l, pragma_table_xinfo(l.name) AS c"
            " WHERE l.wr = 1 AND l.name NOT LIKE 'sqlite%' AND c.pk > 0 ORDER BY l.name, c.cid"
        )
    assert len({name for name, _, _ in tables}) >= 6
    assert [(name, position + 1) for name, position, _ in tables] == [(name, number) for name, _, number in tables]
