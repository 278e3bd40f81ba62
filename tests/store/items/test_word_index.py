"""The index of words, and what searches find with and without it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items import word_index
from retrovue_daemon.store.items.chosen import Chosen
from retrovue_daemon.store.items.filters import Filters
from retrovue_daemon.store.items.word_index import build_step, is_behind, is_complete, word_tests
from retrovue_daemon.store.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

STORED = """
PRAGMA foreign_keys = ON;
INSERT INTO plex_servers (id, name, server_url) VALUES (1, 'home', 'http://127.0.0.1:1');
INSERT INTO libraries (id, server_id, library_key, library_name, library_type) VALUES (1, 1, '1', 'All', 'movie');
INSERT INTO movies (server_id, library_id, rating_key, title, original_title, year, created_at, synced_at)
VALUES (1, 1, 'm1', 'Der letzte Mann', 'The Last Laugh', 1924, 1, 1), (1, 1, 'm2', 'Moonlight', NULL, 2016, 1, 1),
       (1, 1, 'm3', 'Été en mer', NULL, 1950, 1, 1), (1, 1, 'm4', '生れてはみたけれど', NULL, 1932, 1, 1);
INSERT INTO shows (server_id, library_id, rating_key, title, created_at, synced_at)
VALUES (1, 1, 's1', 'Light', 1, 1);
INSERT INTO episodes (server_id, library_id, rating_key, show_id, episode_title, created_at, synced_at)
VALUES (1, 1, 'e1', 1, 'Light the Lamp', 1, 1), (1, 1, 'e2', 1, 'The Lamp-Lighter', 1, 1);
INSERT INTO people (id, name) VALUES (1, 'Emil Jannings'), (2, 'Lamp Maker');
INSERT INTO movie_credits (movie_id, job, position, person_id) VALUES (1, 'actor', 0, 1);
INSERT INTO show_credits (show_id, job, position, person_id) VALUES (1, 'actor', 0, 1);
INSERT INTO collections (id, server_id, library_id, rating_key, title, created_at, synced_at)
VALUES (1, 1, 1, 'c1', 'Weimar Nights', 1, 1);
INSERT INTO collection_items (collection_id, position, movie_id) VALUES (1, 0, 1);
"""


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, 0)
    connection.executescript(STORED)
    yield connection
    connection.close()


def _build(connection: sqlite3.Connection) -> int:
    total = 0
    while rows := build_step(connection):
        total += rows
    return total


def _found(connection: sqlite3.Connection, text: str, **filters: Any) -> list[str]:
    chosen = Chosen(connection, Filters(**filters), text, most=500)
    found = [item.title for item in chosen.found(limit=10)]
    connection.execute("COMMIT")
    assert chosen.total == len(found)
    return found


def test_words_are_found_in_all_that_is_indexed(connection) -> None:
    """Equal titles first, then those that begin so; people and collections stand for their items."""
    assert _build(connection) == 10
    assert is_complete(connection)
    assert _found(connection, "light") == ["Light", "Light the Lamp", "The Lamp-Lighter"]
    assert _found(connection, "last laugh") == ["Der letzte Mann"]
    assert _found(connection, "lamp LIGHT") == ["Light the Lamp", "The Lamp-Lighter"]
    assert _found(connection, "jannings") == ["Der letzte Mann", "Light"]
    assert _found(connection, "weimar") == ["Der letzte Mann"]
    assert _found(connection, "ete") == ["Été en mer"]
    assert _found(connection, "生れて") == ["生れてはみたけれど"]
    assert _found(connection, "light", kinds=(Kind.EPISODE,)) == ["Light the Lamp", "The Lamp-Lighter"]
    assert _found(connection, "jannings", years=(1920, 1930)) == ["Der letzte Mann"]


def test_parts_of_words_are_found_by_reading_the_titles(connection) -> None:
    """So is everything while there is no index."""
    assert is_complete(connection) is None
    assert _found(connection, "laugh") == ["Der letzte Mann"]
    assert _found(connection, "jannings") == []
    _build(connection)
    for text in ("oonlig", "Été en", "%", "'"):
        assert _found(connection, text) == {"oonlig": ["Moonlight"], "Été en": ["Été en mer"]}.get(text, [])


def test_an_index_that_is_behind_is_not_used(connection, monkeypatch) -> None:
    """A search says so; nothing is missing in its result."""
    monkeypatch.setattr(word_index, "ROWS_AT_ONCE", 2)
    build_step(connection)
    assert is_complete(connection) is False
    chosen = Chosen(connection, Filters(), "light")
    assert chosen.is_index_behind
    assert chosen.total == 4
    connection.execute("COMMIT")
    _build(connection)
    assert not Chosen(connection, Filters(), "light").is_index_behind


@pytest.mark.parametrize(
    ("change", "text", "found"),
    [
        ("UPDATE movies SET title = 'Sunlight' WHERE id = 2", "sunl", ["Sunlight"]),
        ("UPDATE movies SET original_title = 'Vacances' WHERE id = 3", "vacances", ["Été en mer"]),
        ("UPDATE shows SET title = 'Dark' WHERE id = 1", "dark", ["Dark"]),
        ("UPDATE episodes SET episode_title = 'Oil' WHERE id = 2", "oil", ["Oil"]),
        ("UPDATE collections SET title = 'Noir' WHERE id = 1", "noir", ["Der letzte Mann"]),
        ("DELETE FROM episodes WHERE id = 1", "the lamp", ["The Lamp-Lighter"]),
        ("DELETE FROM people WHERE id = 1", "jannings", []),
        ("DELETE FROM collections WHERE id = 1", "weimar", []),
        ("DELETE FROM plex_servers", "light", []),
    ],
)
def test_changes_reach_the_index(connection, change, text, found) -> None:
    """It is behind until then, and keeps nothing of what was deleted."""
    _build(connection)
    connection.execute(change)
    assert is_behind(connection)
    _build(connection)
    assert not is_behind(connection)
    assert _found(connection, text) == found
    indexed = {
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("search_index", "search_titles")
    }
    stored = (
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("movies", "shows", "episodes", "collections", "people")
    )
    assert indexed == {sum(stored)}


def test_what_changes_nothing_that_is_indexed_costs_nothing(connection) -> None:
    """Neither a new summary nor the same title again."""
    _build(connection)
    connection.execute("UPDATE movies SET summary = 'x', title = title")
    connection.execute("UPDATE episodes SET synced_at = 2")
    assert not is_behind(connection)


def test_the_ids_of_people_may_be_given_out_again(connection) -> None:
    """The new person is found, whenever the index is renewed in between."""
    for is_renewed in (False, True):
        _build(connection)
        connection.execute("DELETE FROM people WHERE id = 2")
        if is_renewed:
            _build(connection)
        connection.execute("INSERT INTO people (id, name) VALUES (2, 'Ada Quill')")
        connection.execute("INSERT OR REPLACE INTO movie_credits VALUES (3, 'actor', 0, 2, NULL)")
        _build(connection)
        assert _found(connection, "quill") == ["Été en mer"]


def test_an_id_given_out_again_between_two_steps_is_noticed(connection) -> None:
    """After the deletion is in the index, and before the next new rows are looked for."""
    _build(connection)
    connection.execute("DELETE FROM people WHERE id = 2")
    assert build_step(connection) == 1
    connection.execute("INSERT INTO people (id, name) VALUES (2, 'Ada Quill')")
    connection.execute("INSERT OR REPLACE INTO movie_credits VALUES (3, 'actor', 0, 2, NULL)")
    assert is_behind(connection)
    _build(connection)
    assert _found(connection, "quill") == ["Été en mer"]


@pytest.mark.parametrize("word", ["a\u19b5b", "x\U00010570"])
def test_letters_that_sqlite_does_not_know_are_searched(connection, word) -> None:
    """Its tables of Unicode are older than Python's; a word that it split would be an error."""
    connection.execute("UPDATE movies SET title = ? WHERE id = 1", (f"A {word} Night",))
    _build(connection)
    assert _found(connection, word) == _found(connection, word[:-1]) == [f"A {word} Night"]


def test_of_many_credits_some_are_read(connection) -> None:
    """And the result says that there are more."""
    connection.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
        " INSERT INTO movies (server_id, library_id, rating_key, title, created_at, synced_at)"
        " SELECT 1, 1, 'n' || i, 'Fog ' || i, 1, 1 FROM n"
    )
    connection.execute("INSERT OR IGNORE INTO movie_credits SELECT id, 'actor', 0, 2, NULL FROM movies")
    _build(connection)
    assert Chosen(connection, Filters(), "maker", most=10).is_capped
    chosen = Chosen(connection, Filters(), "maker")
    assert (chosen.total, chosen.is_capped) == (43, False)


@pytest.mark.parametrize(("text", "most"), [("maker", 5_000), ("weimar", 25_000)])
def test_of_a_person_or_collection_with_many_items_only_some_are_looked_at(connection, text, most) -> None:
    """SQLite takes a few steps for each one read; of a collection, all are read to find none of other kinds."""
    connection.executescript(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
        " INSERT INTO movies (server_id, library_id, rating_key, title, created_at, synced_at)"
        " SELECT 1, 1, 'n' || i, 'Fog', 1, 1 FROM n;"
        "INSERT OR IGNORE INTO movie_credits SELECT id, 'actor', 0, 2, NULL FROM movies;"
        "INSERT OR IGNORE INTO collection_items (collection_id, position, movie_id) SELECT 1, id, id FROM movies"
    )
    _build(connection)
    steps: list[int] = []
    connection.set_progress_handler(lambda: steps.append(100), 100)
    assert Chosen(connection, Filters(), text, most=10).is_capped
    assert sum(steps) < most


def test_of_many_matches_some_are_read(connection) -> None:
    """An equal title is among them, and the result says that there are more."""
    connection.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
        " INSERT INTO movies (server_id, library_id, rating_key, title, created_at, synced_at)"
        " SELECT 1, 1, 'n' || i, 'Fog ' || i, 1, 1 FROM n UNION ALL SELECT 1, 1, 'fog', 'FOG', 1, 1"
    )
    _build(connection)
    chosen = Chosen(connection, Filters(), "fog", most=10)
    assert chosen.is_capped
    assert [item.title for item in chosen.found(limit=2)] == ["FOG", "Fog 1"]
    assert not Chosen(connection, Filters(), "fog").is_capped
    assert Chosen(connection, Filters(), "fog").total == 41


@pytest.mark.parametrize("text", ["fog", "Fóg!", "the fog"])
def test_equal_titles_are_found_among_any_number_of_matches(connection, text) -> None:
    """Of episodes, and of people and collections, too, however late they came."""
    title = text.strip("!").title()
    many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
    connection.executescript(
        f"{many} INSERT INTO episodes"
        " (server_id, library_id, rating_key, show_id, episode_title, created_at, synced_at)"
        f" SELECT 1, 1, 'n' || i, 1, '{title} ' || i, 1, 1 FROM n UNION ALL SELECT 1, 1, 'fog', 1, '{title}', 1, 1;"
        f"{many} INSERT INTO people (name) SELECT '{title} ' || i FROM n UNION ALL SELECT '{title}';"
        f"{many} INSERT INTO collections (server_id, library_id, rating_key, title, created_at, synced_at)"
        f" SELECT 1, 1, 'n' || i, '{title} ' || i, 1, 1 FROM n UNION ALL SELECT 1, 1, 'fog', '{title}', 1, 1;"
        "INSERT INTO movie_credits (movie_id, job, position, person_id) SELECT 2, 'actor', 0, max(id) FROM people;"
        "INSERT INTO collection_items (collection_id, position, movie_id) SELECT max(id), 0, 3 FROM collections;"
    )
    _build(connection)
    found = {item.title for item in Chosen(connection, Filters(), text, most=10).found()}
    assert {title, "Moonlight", "Été en mer"} <= found


def test_parts_of_words_may_frame_whole_ones(connection) -> None:
    """As they stand in a title, one after the other; and a part that no word has costs one look at the words."""
    _build(connection)
    assert _found(connection, "ght the lam") == ["Light the Lamp"]
    assert _found(connection, "ght lam") == []
    assert _found(connection, "tzte man") == ["Der letzte Mann"]
    assert _found(connection, "れては") == ["生れてはみたけれど"]
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    assert _found(connection, "zzz") == []
    assert not [each for each in statements if "x.words LIKE" in each]


@pytest.mark.parametrize(
    ("text", "plans"),
    [
        (
            "ght the lam",
            {"SEARCH search_words USING COVERING INDEX search_words_by_end", "SEARCH search_words USING P"},
        ),
        ("igh", {"SCAN search_words USING COVERING INDEX search_words_by_length"}),
    ],
)
def test_no_part_of_a_word_takes_a_sorted_look_at_all_words(connection, text, plans) -> None:
    """Two parts are read from their ranges alone; a single one by length, so that a frequent letter is soon found."""
    _build(connection)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    assert _found(connection, text)
    connection.set_trace_callback(None)
    steps = [
        step
        for statement in statements
        if "FROM search_words" in statement
        for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]
    assert len([step for step in steps if step.startswith(tuple(plans))]) == len(plans)
    assert len([step for step in steps if "search_words" in step]) == len(plans)
    assert ("USE TEMP B-TREE FOR ORDER BY" in steps) == (len(plans) == 2)


def test_of_many_words_with_a_part_the_shortest_are_taken(connection, monkeypatch) -> None:
    """Whichever side of them the part is at."""
    monkeypatch.setattr(word_index, "_MOST_WHOLE_WORDS", 1)
    connection.execute("UPDATE movies SET title = 'Alight Lamaze' WHERE id = 2")
    _build(connection)
    for text, words in (("igh", "light"), ("ight lam", "light lamp")):
        (test,) = word_index.part_tests(connection, text)
        assert test.values == (" AND ".join(f'("{word}")' for word in words.split()), f"%{text}%")


@pytest.mark.parametrize("lost", ["TABLE search_words", "INDEX search_words_by_end"])
def test_an_index_of_an_earlier_form_is_built_anew(connection, lost) -> None:
    """It lacks what searches need now, and the daemon knows."""
    _build(connection)
    connection.execute(f"DROP {lost}")
    assert is_complete(connection) is None
    assert is_behind(connection)
    assert _build(connection) == 10
    assert _found(connection, "oonlig") == ["Moonlight"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('a "b" OR c*', [('"a" "b" "or" "c"',), ('"a" "b" "or" "c"*',)]),
        ("...", []),
        ("x_y", [('"x" "y"',), ('"x" "y"*',)]),
        ("NEAR(a)", [('"near" "a"',), ('"near" "a"*',)]),
    ],
)
def test_no_text_is_a_search_expression(text, values) -> None:
    """Only its words count."""
    assert [test.values for test in word_tests(text)] == values


def test_progress_that_another_program_spoiled_begins_anew(connection) -> None:
    """Instead of failing for ever."""
    _build(connection)
    for value in ("[1]", "{", '{"x": "y"}', "null"):
        connection.execute("UPDATE daemon_state SET value = ? WHERE key = 'word_index'", (value,))
        assert _build(connection) == 10
