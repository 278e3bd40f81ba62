"""``collections``: which are stored, and what is in them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

STORED = """
DELETE FROM collections;
INSERT INTO collections
(id, server_id, library_id, rating_key, title, summary, item_kind, is_smart, created_at, synced_at)
SELECT 7, 1, id, '9007', 'Café Films', 'Films for a café', 'movie', 0, 1, 1
FROM libraries WHERE library_name = 'Movies'
UNION ALL SELECT 8, 1, id, '9008', 'Twice', NULL, 'movie', 1, 1, 1 FROM libraries WHERE library_name = 'Movies'
UNION ALL SELECT 9, 1, id, '9009', 'Twice', NULL, 'episode', 0, 1, 1 FROM libraries WHERE library_name = 'TV Shows';
INSERT INTO collection_items (collection_id, position, movie_id) VALUES (7, 0, 3), (7, 1, 1), (7, 2, 2);
INSERT INTO collection_items (collection_id, position, episode_id) VALUES (9, 0, 2);
INSERT INTO collection_items (collection_id, position, season_id) VALUES (9, 1, 1);
INSERT INTO collection_items (collection_id, position, show_id) VALUES (9, 2, 1);
"""


@pytest.fixture(autouse=True)
def stored(database) -> None:
    """One collection, and two others with the same title."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(STORED)


def test_collections_are_listed_with_the_number_of_their_members(on) -> None:
    """Of all libraries, or of one."""
    listed = json.loads(on("collections", "list", "--json").out)["collections"]
    assert [(each["id"], each["items"], each["is_smart"]) for each in listed] == [
        (7, 3, False), (8, 0, True), (9, 3, False)
    ]  # fmt: skip
    listed = json.loads(on("collections", "list", "--library", "TV Shows", "--json").out)["collections"]
    assert [each["id"] for each in listed] == [9]
    assert "Café Films" in on("collections", "list").out
    assert on("collections", "list", "--library", "nothing").code == 2


def test_a_collection_is_shown_in_its_order(on, rows) -> None:
    """By its title in any case and without accents, or by its id."""
    shown = json.loads(on("collections", "show", "cafe films", "--json").out)
    assert [each["id"] for each in shown["members"]] == [3, 1, 2]
    columns = {name for (name,) in rows("SELECT name FROM pragma_table_info('collections')")}
    assert set(shown["collection"]) == columns
    assert json.loads(on("collections", "show", "7", "--json").out) == shown
    told = on("collections", "show", "7").out
    for word in ("Films for a café", "3 members", "'Movies'"):
        assert word in told
    mixed = json.loads(on("collections", "show", "9", "--json").out)["members"]
    assert [each["kind"] for each in mixed] == ["episode", "season", "show"]
    assert mixed[0]["show"] == mixed[2]["title"]


def test_a_title_of_several_collections_lists_them(on) -> None:
    """And one of none names similar ones."""
    finished = on("collections", "show", "twice")
    assert (finished.code, finished.out) == (2, "")
    for word in ("id 8", "id 9", "--library"):
        assert word in finished.err
    assert on("collections", "show", "twice", "--library", "Movies").code == 0
    assert "did you mean 'Café Films'?" in on("collections", "show", "Cafe Film").err


def test_an_item_names_its_collections(on) -> None:
    """Also a show that is in one."""
    shown = json.loads(on("items", "show", "3", "--kind", "movie", "--by", "id", "--json").out)
    assert [(each["title"], each["position"]) for each in shown["collections"]] == [("Café Films", 0)]
    shown = json.loads(on("items", "show", "1", "--kind", "show", "--by", "id", "--json").out)
    assert [each["title"] for each in shown["collections"]] == ["Twice"]
