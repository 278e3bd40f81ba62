"""Details in the database: what is written, what is left alone, and which items want theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.records import Chapter, Credit, Details, Kind, Marker
from retrovue_daemon.store.items.details import ReadItem, write_details
from retrovue_daemon.store.items.tags import delete_unused_people, delete_unused_tags
from retrovue_daemon.store.items.wanting import due_again, in_turn, of_seasons, pending, want_again, wanting
from retrovue_daemon.store.tables.abilities import note_abilities, read_abilities
from tests.store.conftest import Make

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NOW = 1_700_000_500
make = Make


def details(key: str, **fields: Any) -> Details:
    given: dict[str, Any] = {"tags": {}, "credits": (), "chapters": None, "markers": None} | fields
    return Details(Kind.MOVIE, key, given["tags"], given["credits"], given["chapters"], given["markers"])


FULL: dict[str, Any] = {
    "tags": {"genre": ("Horror", "Comedy", "Drama"), "label": ("Night",)},
    "credits": (
        Credit("actor", "B. Karloff", "k1", "Monster", "https://example.org/k1.jpg"),
        Credit("director", "J. Whale", "k2", None, None),
        Credit("actor", "B. Karloff", "k1", "Himself", None),
    ),
    "chapters": (Chapter("One", 0, 10), Chapter(None, 10, 60_000)),
    "markers": (Marker("credits", 50_000, 60_000, is_final=True), Marker("intro", 5, 9, is_final=False)),
}


@pytest.fixture
async def films(write, database) -> None:
    """Three films, whose details are wanted: 1 is the newest, 3 has no date."""
    await write(*(make.movie(str(number), make.part(number)) for number in (1, 2, 3)))
    await database.writer.run(
        lambda connection: connection.execute(
            "UPDATE movies SET details_stamp = 10 + id, added_at = CASE id WHEN 1 THEN 200 WHEN 2 THEN 100 END"
        )
    )


@pytest.fixture
def put(database) -> Callable[..., Awaitable[Any]]:
    """Write the details of films as a batch; the row of each is the one with the id of its key."""

    async def put_details(
        *items: Details | None, now: int = NOW, stamp: int | None = None, again: tuple[int | None, int] = (None, 0)
    ) -> Any:
        rows = [
            ReadItem(number, str(number), 10 + number if stamp is None else stamp, *again, item)
            for number, item in enumerate(items, 1)
        ]
        return await database.writer.run(write_details, Kind.MOVIE, rows, now)

    return put_details


async def stored(query) -> list[Any]:
    return [
        await query(
            "SELECT movie_id, kind, name, position FROM movie_tags JOIN tags ON id = tag_id ORDER BY 1, 2, 4"
        ),
        await query(
            "SELECT movie_id, job, name, role, position"
            " FROM movie_credits, people WHERE id = person_id ORDER BY 1, 2, 5"
        ),
        await query("SELECT movie_id, position, title, starts_at, ends_at FROM chapters ORDER BY 1, 2"),
        await query("SELECT movie_id, kind, starts_at, ends_at, is_final FROM markers ORDER BY 1, 2"),
    ]


async def test_details_are_stored_in_the_servers_order(films, put, query) -> None:
    result = await put(details("1", **FULL))
    assert (result.read, result.changed, result.moved) == (1, 1, 0)
    assert await stored(query) == [
        [(1, "genre", "Horror", 0), (1, "genre", "Comedy", 1), (1, "genre", "Drama", 2), (1, "label", "Night", 0)],
        [
            (1, "actor", "B. Karloff", "Monster", 0),
            (1, "actor", "B. Karloff", "Himself", 1),
            (1, "director", "J. Whale", None, 0),
        ],
        [(1, 0, "One", 0, 10), (1, 1, None, 10, 60_000)],
        [(1, "credits", 50_000, 60_000, 1), (1, "intro", 5, 9, 0)],
    ]
    assert await query("SELECT name, person_key, thumb FROM people ORDER BY id") == [
        ("B. Karloff", "k1", "https://example.org/k1.jpg"),
        ("J. Whale", "k2", None),
    ]
    assert await query(
        "SELECT genre, director, details_read_at, details_read_stamp, synced_at FROM movies WHERE id = 1"
    ) == [("Horror, Comedy, Drama", "J. Whale", NOW, 11, NOW)]


async def test_equal_details_write_nothing_but_the_time(films, put, query) -> None:
    await put(details("1", **FULL))
    before = await stored(query)
    result = await put(details("1", **FULL), now=NOW + 9)
    assert (result.read, result.changed) == (1, 0)
    assert await stored(query) == before
    assert await query("SELECT details_read_at, synced_at FROM movies WHERE id = 1") == [(NOW + 9, NOW)]


async def test_absent_is_not_empty(films, put, query) -> None:
    """A response that says nothing about a list leaves it; an empty list empties it."""
    await put(details("1", **FULL))
    before = await stored(query)
    await put(details("1", tags=None, credits=None))
    assert await stored(query) == before
    assert await query("SELECT genre FROM movies WHERE id = 1") == [("Horror, Comedy, Drama",)]
    await put(details("1", chapters=(), markers=()))
    assert await stored(query) == [[], [], [], []]
    assert await query("SELECT genre, director FROM movies WHERE id = 1") == [(None, None)]


async def test_rows_that_changed_or_left_meanwhile_are_left_alone(films, put, query, database) -> None:
    """The stamp is another one, the key belongs to another item, or the item is missing."""
    await database.writer.run(lambda c: c.execute("UPDATE movies SET state = 'missing' WHERE id = 2"))
    await database.writer.run(lambda c: c.execute("UPDATE movies SET rating_key = '33' WHERE id = 3"))
    await database.writer.run(lambda c: c.execute("UPDATE movies SET details_stamp = 99 WHERE id = 1"))
    result = await put(details("1", **FULL), details("2", **FULL), details("3", **FULL))
    assert (result.read, result.changed, result.moved) == (0, 0, 3)
    assert await stored(query) == [[], [], [], []]


async def test_an_unreadable_item_no_longer_wants_its_details_until_later(films, put, database) -> None:
    """Nor at the next interval: its stamp counts as read, and a time is set."""
    await put(None, again=(NOW + 50, 0))
    items = await database.reader.run(wanting, Kind.MOVIE, 1, 10)
    assert [item.rating_key for item in items] == ["2", "3"]
    assert await database.reader.run(due_again, Kind.MOVIE, 1, NOW, 10) == []
    assert [each.id for each in await database.reader.run(due_again, Kind.MOVIE, 1, NOW + 50, 10)] == [1]


async def test_the_newest_items_come_first_and_each_once(films, database) -> None:
    """Those without a date are last."""
    found, last = [], None
    while items := await database.reader.run(wanting, Kind.MOVIE, 1, 1, last):
        (last,) = items
        found.append(last.rating_key)
    assert found == ["1", "2", "3"]
    everything = await database.reader.run(wanting, Kind.MOVIE, 1, 10)
    assert [item.rating_key for item in everything] == found
    assert [item.changed_at for item in everything] == [200, 100, 7]
    assert await database.reader.run(pending, [1, 2]) == 3
    assert await database.reader.run(wanting, Kind.MOVIE, 2, 10) == []


async def test_wanting_items_are_found_by_their_indexes(films, database) -> None:
    """Not by a search through the library, which happens at every interval."""
    seen: list[str] = []

    def plans(connection) -> None:
        connection.set_trace_callback(seen.append)
        wanting(connection, Kind.MOVIE, 1, 10)
        wanting(connection, Kind.EPISODE, 2, 10)
        due_again(connection, Kind.EPISODE, 2, NOW, 10)
        due_again(connection, Kind.SHOW, 2, NOW, 10, newest=True)
        pending(connection, [1])
        connection.set_trace_callback(None)
        for query in seen:
            plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert "_details" in plan, (query, plan)
            assert "_details" in plan.split("TEMP B-TREE")[0]

    await database.reader.run(plans)


async def test_a_thirtieth_of_a_library_is_read_again_each_day(films, put, database) -> None:
    await put(*(details(str(number)) for number in (1, 2, 3)), now=86_400 * 31 - 1)
    turns = [await database.reader.run(in_turn, Kind.MOVIE, 1, 31 + day, 10) for day in range(30)]
    assert [[item.id for item in turn] for turn in turns[:4]] == [[1], [2], [3], []]
    assert sum(map(len, turns)) == 3
    await put(details("1"), now=86_400 * 31)
    assert await database.reader.run(in_turn, Kind.MOVIE, 1, 31, 10) == []


async def test_episodes_are_read_again_with_their_season(write, database, target) -> None:
    await write(make.show("10"))
    await write(make.season("11", "10", 1), make.season("12", "10", 2))
    await write(*(make.episode(str(20 + n), "10", "11" if n < 3 else "12", n, make.part(n)) for n in range(4)))
    await database.writer.run(
        lambda c: c.execute("UPDATE episodes SET details_stamp = 1, details_read_stamp = 1, details_read_at = 5")
    )
    await database.writer.run(
        lambda c: c.execute("UPDATE episodes SET details_again_at = 9, details_again = 2 WHERE id = 2")
    )
    (due,) = await database.reader.run(due_again, Kind.EPISODE, 1, 9, 10)
    assert due.season_id is not None
    season = await database.reader.run(of_seasons, 1, [due.season_id])
    assert [each.rating_key for each in season] == ["20", "21", "22"]
    assert await database.writer.run(want_again, 1, 7) == 1
    (due,) = await database.reader.run(due_again, Kind.EPISODE, 1, 7, 10)
    assert (due.again_at, due.again) == (7, 3)


async def test_tags_and_people_without_an_item_are_deleted(films, put, query, database) -> None:
    await put(details("1", **FULL), details("2", tags={"genre": ("Drama",)}))
    await put(details("1"))
    assert await database.writer.run(delete_unused_tags) == 3
    assert await database.writer.run(delete_unused_people, 0) == (2, None)
    assert await query("SELECT name FROM tags") == [("Drama",)]
    assert await database.writer.run(delete_unused_people, 0) == (0, None)


async def test_a_person_gets_a_new_picture(films, put, query) -> None:
    """Also where the credits are the same; no picture does not take one away."""
    await put(details("1", credits=(Credit("actor", "B. Karloff", "k1", "Monster", "old"),)))
    await put(details("1", credits=(Credit("actor", "B. Karloff", "k1", "Monster", "new"),)))
    await put(details("1", credits=(Credit("actor", "B. Karloff", "k1", "Monster", None),)))
    assert await query("SELECT name, thumb FROM people") == [("B. Karloff", "new")]


async def test_abilities_are_those_of_a_version(database) -> None:
    """Another version has to show anew what it can do."""
    await database.writer.run(lambda c: c.execute("UPDATE plex_servers SET version = '1.43'"))
    await database.writer.run(note_abilities, 1, {"one": True, "two": [1]})
    await database.writer.run(note_abilities, 1, {"one": False, "two": None, "three": 3})
    assert await database.reader.run(read_abilities, 1) == {"one": False, "three": 3}
    await database.writer.run(lambda c: c.execute("UPDATE plex_servers SET version = '1.44'"))
    assert await database.reader.run(read_abilities, 1) == {}
    await database.writer.run(lambda c: c.execute("UPDATE plex_servers SET abilities = 'x'"))
    assert await database.reader.run(read_abilities, 1) == {}
    await database.writer.run(note_abilities, 7, {"one": True})
    assert await database.reader.run(read_abilities, 7) == {}
