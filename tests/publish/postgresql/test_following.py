"""PostgreSQL has the rows of the mirror after every step: the first fill, changes, deletions, restores."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import pytest

from retrovue_daemon.publish.postgresql import following
from retrovue_daemon.publish.postgresql.following import Step, follow
from retrovue_daemon.publish.postgresql.target import connected, take_origin, upgrade
from retrovue_daemon.records import Kind
from retrovue_daemon.store.feed.published import PUBLISHED
from retrovue_daemon.store.feed.recording import record, record_collections_of
from tests.support.postgresql import PostgresServer, differences

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

TABLES = {Kind.MOVIE: "movies", Kind.SHOW: "shows", Kind.SEASON: "seasons", Kind.EPISODE: "episodes"}

KINDS: tuple[tuple[Kind | Literal["collection"], str], ...] = (*TABLES.items(), ("collection", "collections"))

VIEWS = (
    "active_movies", "active_shows", "active_episodes", "preferred_movies", "preferred_episodes", "movie_genres",
    "show_genres", "episode_genres", "collection_movies", "collection_episodes",
)  # fmt: skip


def steps(server: PostgresServer, mirror: sqlite3.Connection, schema: str, origin: str = "here") -> list[Step]:
    """Follow as the publisher does, until there is nothing more to do."""
    target, taken = server.target(schema, origin), []
    with connected(target) as connection:
        upgrade(connection, target)
        state = take_origin(connection, target, "mirror")
        while True:
            taken.append(follow(connection, mirror, origin, "mirror", state, lambda _: None))
            state = taken[-1].state
            if taken[-1].is_current:
                return taken


@pytest.fixture
def publish(server: PostgresServer, mirror: sqlite3.Connection, path: Path, schema: str) -> Callable[[], list[Step]]:
    """Publish, and find all rows there."""

    def work() -> list[Step]:
        taken = steps(server, mirror, schema)
        assert not differences(server, path, schema)
        return taken

    work()
    return work


def test_the_first_fill_copies_every_table(server, mirror, path, schema) -> None:
    """All rows, in one transaction; what is there afterwards is not copied again."""
    assert not [table.name for table in PUBLISHED if not list(table.all(mirror))]
    (step,) = steps(server, mirror, schema)
    assert (step.filled, step.rows) == (True, sum(len(list(table.all(mirror))) for table in PUBLISHED))
    assert not differences(server, path, schema)
    (step,) = steps(server, mirror, schema)
    assert (step.filled, step.rows) == (False, 0)


def test_the_views_show_the_same_rows(server, mirror, publish, schema) -> None:
    """Also where an item is on two servers: copied under another id, one of both is preferred."""
    with closing(server.connect(schema)) as connection:
        for view in VIEWS:
            columns = [name for _, name, *_ in mirror.execute(f"PRAGMA table_info({view})")]
            known = [each.name for each in connection.execute(f"SELECT * FROM {view} LIMIT 0").description or ()]
            assert "origin" in known
            shared = ", ".join(name for name in columns if name in known)
            query = f"SELECT {shared} FROM {view}"
            assert sorted(map(repr, connection.execute(query))) == sorted(map(repr, mirror.execute(query))), view


@pytest.mark.parametrize("kind", TABLES)
def test_a_changed_item_is_replaced_with_all_that_belongs_to_it(mirror, publish, kind) -> None:
    """Only its own rows are written."""
    ((row_id,),) = mirror.execute(f"SELECT max(id) FROM {TABLES[kind]}")
    mirror.execute(f"UPDATE {TABLES[kind]} SET added_at = 7 WHERE id = ?", (row_id,))
    record(mirror, kind, "updated", [row_id])
    (step,) = publish()
    assert not step.filled
    assert 1 <= step.rows < 200
    (step,) = publish()
    assert step.rows == 0


@pytest.mark.parametrize("most", [50, 100_000])
def test_statistics_are_collected_again_after_many_rows(server, mirror, publish, schema, monkeypatch, most) -> None:
    """Otherwise a mirror that was published while it was nearly empty would be followed ever more slowly."""
    monkeypatch.setattr(following, "MANY_ROWS", most)
    table = f"oid = '{schema}.media_files'::regclass"
    with closing(server.connect(schema)) as connection:
        connection.execute(f"UPDATE pg_class SET reltuples = 1 WHERE {table}")
        record(mirror, Kind.MOVIE, "updated", [row_id for (row_id,) in mirror.execute("SELECT id FROM movies")])
        publish()
        ((rows,),) = connection.execute(f"SELECT reltuples FROM pg_class WHERE {table}")
        assert (rows > 1) == (most == 50)


def test_a_file_that_passes_to_another_item_is_there_once(mirror, publish, monkeypatch) -> None:
    """Whichever of the two has its entry first, each in a transaction of its own."""
    monkeypatch.setattr(following, "ENTRIES_AT_ONCE", 1)
    (one, one_key), (other, other_key) = mirror.execute("SELECT id, rating_key FROM movies ORDER BY id LIMIT 2")
    for key, entries in ((other_key, (other, one)), (one_key, (other, one))):
        mirror.execute("UPDATE media_files SET rating_key = ? WHERE rating_key IN (?, ?)", (key, one_key, other_key))
        for row_id in entries:
            record(mirror, Kind.MOVIE, "updated", [row_id])
        assert len(publish()) == 2


@pytest.mark.parametrize("kind", [Kind.MOVIE, Kind.EPISODE])
def test_rekeyed_items_keep_their_files_in_parts(mirror, publish, monkeypatch, kind) -> None:
    """As re-keying enters them: all items that moved, then all younger rows, which had the keys before."""
    monkeypatch.setattr(following, "ENTRIES_AT_ONCE", 1)
    table = f"{kind.value}s"
    rows = mirror.execute(
        f"SELECT i.id, i.rating_key FROM {table} AS i JOIN media_files AS f ON f.id = i.media_file_id"
        " WHERE EXISTS (SELECT 1 FROM streams WHERE media_file_id = f.id) ORDER BY i.id LIMIT 4"
    ).fetchall()
    for (old, old_key), (young, young_key) in (rows[:2], rows[2:]):
        mirror.execute(
            "DELETE FROM streams WHERE media_file_id IN (SELECT id FROM media_files WHERE rating_key = ?)", (old_key,)
        )
        mirror.execute(
            "UPDATE streams SET media_file_id = (SELECT min(id) FROM media_files WHERE rating_key = ?)"
            " WHERE media_file_id IN (SELECT id FROM media_files WHERE rating_key = ?)",
            (old_key, young_key),
        )
        mirror.execute("DELETE FROM media_files WHERE rating_key = ?", (young_key,))
        mirror.execute("UPDATE media_files SET rating_key = ? WHERE rating_key = ?", (young_key, old_key))
        record_collections_of(mirror, kind, [young])
        mirror.execute(f"DELETE FROM {table} WHERE id = ?", (young,))
        mirror.execute(f"UPDATE {table} SET rating_key = ? WHERE id = ?", (young_key, old))
    record(mirror, kind, "moved", [rows[0][0], rows[2][0]])
    record(mirror, kind, "deleted", [rows[1][0], rows[3][0]])
    assert len(publish()) >= 2


def test_streams_of_a_file_that_passed_to_an_earlier_entry_are_those_of_now(mirror, publish, monkeypatch) -> None:
    """The file is copied with its new item; its former streams have other ids."""
    monkeypatch.setattr(following, "ENTRIES_AT_ONCE", 1)
    (one, one_key), (other, other_key) = mirror.execute(
        "SELECT i.id, i.rating_key FROM movies AS i JOIN streams AS s ON s.media_file_id = i.media_file_id"
        " GROUP BY i.id ORDER BY i.id LIMIT 2"
    )
    mirror.execute(
        "UPDATE streams SET id = id + 1000000 WHERE media_file_id IN"
        " (SELECT id FROM media_files WHERE rating_key = ?)",
        (one_key,),
    )
    mirror.execute("UPDATE media_files SET rating_key = ? WHERE rating_key = ?", (other_key, one_key))
    for row_id in (other, one):
        record(mirror, Kind.MOVIE, "updated", [row_id])
    assert len(publish()) == 2


def test_tags_and_people_that_no_item_has_any_more_disappear(mirror, publish, server, schema) -> None:
    """Those that another item has stay."""
    ((row_id,),) = mirror.execute("SELECT max(movie_id) FROM movie_credits")
    mirror.execute("DELETE FROM movie_credits WHERE movie_id = ?", (row_id,))
    mirror.execute("DELETE FROM movie_tags WHERE movie_id = ?", (row_id,))
    record(mirror, Kind.MOVIE, "updated", [row_id])
    publish()


def test_a_deleted_server_takes_everything_along(mirror, publish, server, schema) -> None:
    """Its trigger enters each row below it."""
    mirror.execute("DELETE FROM plex_servers")
    assert publish()[-1].is_current
    with closing(server.connect(schema)) as connection:
        for table in PUBLISHED:
            assert connection.execute(f"SELECT count(*) FROM {table.name}").fetchone() == (0,)


@pytest.mark.parametrize("owner", ["plex_servers", "libraries"])
def test_files_of_no_item_disappear_with_their_server_and_library(server, mirror, path, schema, owner) -> None:
    """The removal of the server or library enters nothing about them."""
    mirror.execute("UPDATE media_files SET rating_key = 'x' || id WHERE id IN (SELECT media_file_id FROM streams)")
    for change in ("SELECT 1", f"DELETE FROM {owner} WHERE id = (SELECT min(library_id) FROM movies)"):
        mirror.execute(change)
        steps(server, mirror, schema)
        assert not differences(server, path, schema)


def test_the_number_of_statements_does_not_grow_with_the_rows(server, mirror, publish, schema, monkeypatch) -> None:
    """One row of each kind takes as many as all rows, with everything that belongs to them."""
    counted: list[str] = []
    execute, copy = psycopg.Cursor.execute, psycopg.Cursor.copy

    def counts(function: Any) -> Any:
        def counting(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
            counted.append(str(query))
            return function(self, query, *arguments, **named)

        return counting

    numbers = []
    for some in (" LIMIT 1", ""):
        for kind, table in KINDS:
            ids = [row_id for (row_id,) in mirror.execute(f"SELECT id FROM {table} ORDER BY id{some}")]
            record(mirror, kind, "updated", ids)
        counted.clear()
        with monkeypatch.context() as patched:
            patched.setattr(psycopg.Cursor, "execute", counts(execute))
            patched.setattr(psycopg.Cursor, "copy", counts(copy))
            (step,) = steps(server, mirror, schema)
        assert step.rows > len(counted) or some
        numbers.append(len(counted))
    few, many = numbers
    assert many <= few + 12, counted  # a table more, of which the one row had nothing
    assert many < 120


def test_names_switches_and_mappings_follow(mirror, publish) -> None:
    """What other programs may write."""
    mirror.execute("UPDATE plex_servers SET name = 'attic'")
    mirror.execute("UPDATE libraries SET sync_enabled = 0, priority = 3 WHERE id = 1")
    mirror.execute("UPDATE plex_path_mappings SET local_path = '/elsewhere'")
    publish()


def test_a_long_backlog_is_applied_in_parts(mirror, publish) -> None:
    """Each of whole entries."""
    ids = [row_id for (row_id,) in mirror.execute("SELECT id FROM episodes")]
    for _ in range(600):
        record(mirror, Kind.EPISODE, "updated", ids[:1])
    mirror.execute("UPDATE episodes SET added_at = id")
    record(mirror, Kind.EPISODE, "updated", ids)
    assert [step.is_current for step in publish()] == [False, True]


AHEAD = "UPDATE sqlite_sequence SET seq = 2000 WHERE name = 'change_batches';"
PUT_BACK = (
    "DELETE FROM change_batches WHERE seq > 5; UPDATE sqlite_sequence SET seq = 5 WHERE name = 'change_batches'"
)


@pytest.mark.parametrize(
    "change", [f"{AHEAD} UPDATE feed SET feed_id = 'another'", f"{AHEAD} UPDATE feed SET floor = 1000", PUT_BACK]
)
def test_a_feed_that_does_not_go_on_causes_another_fill(mirror, publish, change) -> None:
    """A new epoch, a lost backlog, or an earlier feed: what was changed without an entry is there again."""
    mirror.execute("UPDATE movies SET title = title || '!' WHERE id > 3")
    mirror.executescript(change)
    (step,) = publish()
    assert step.filled


def test_two_origins_keep_to_their_rows(server, mirror, publish, path, schema, tmp_path) -> None:
    """Also where ids are the same, and one of them is emptied."""
    steps(server, mirror, schema, "there")
    mirror.execute("DELETE FROM libraries WHERE id = 1")
    publish()
    assert differences(server, path, schema, "there")
    steps(server, mirror, schema, "there")
    assert not differences(server, path, schema, "there")
