"""Marking what left: only rows that are still the library's own; and deleting what has been missing for long."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from retrovue_daemon.records import Kind
from retrovue_daemon.sources.plex.client import Listing
from retrovue_daemon.store.items.sweep import mark_missing, present, purge, purgeable, still_of
from retrovue_daemon.store.items.upserts import Change, write_items
from retrovue_daemon.sync.passes.vanished import VanishedPass
from retrovue_daemon.sync.removal import plan_removal
from retrovue_daemon.sync.rounds import MergedRows, Round
from retrovue_daemon.sync.seen import SeenIds, ids_of_library, unseen_rows

NOW = 1_700_000_000


async def test_missing_items_keep_their_rows_and_files(write, query, make, database, target) -> None:
    """State and time are set on the item, the state on its files; others stay active."""
    await write(make.movie("7", make.part(70)), make.movie("8", make.part(80)))

    removed = await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [1], 123, 124))

    assert removed == 1
    assert await query("SELECT rating_key, state, missing_since, missing_observed FROM movies ORDER BY id") == [
        ("7", "missing", 123, 124),
        ("8", "active", None, None),
    ]
    assert await query("SELECT rating_key, state FROM media_files ORDER BY id") == [
        ("7", "missing"),
        ("8", "active"),
    ]


async def test_a_row_that_moved_to_another_library_is_left_alone(write, query, make, database, target) -> None:
    """It was judged as the first library's, but the second one's pass has taken it over."""
    await write(make.movie("7", make.part(70)))
    await database.writer.run(lambda c: c.execute("UPDATE movies SET library_id = 2"))

    removed = await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [1], 123, 124))

    assert removed == 0
    assert await query("SELECT state FROM movies") == [("active",)]
    assert await query("SELECT state FROM media_files") == [("active",)]


async def test_an_item_goes_missing_once(write, make, database, query, target) -> None:
    """A second sweep neither counts it again nor moves the time at which it left."""
    await write(make.movie("7"))
    await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [1], 123, 124))
    assert await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [1], 456, 457)) == 0
    assert await query("SELECT missing_since, missing_observed FROM movies") == [(123, 124)]


async def test_what_is_missing_is_not_present(write, make, database, target) -> None:
    """Only rows that are still listed count."""
    await write(*(make.movie(str(number)) for number in range(5)))
    await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [1], 100, 100))
    await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [2], 200, 200))
    assert await database.reader.run(present, Kind.MOVIE, 1) == 3


async def test_rows_that_were_judged_may_be_anothers_by_now(write, make, database, target) -> None:
    """Those that moved to another library, went missing or are gone are not the library's to remove."""
    await write(*(make.movie(str(number)) for number in range(1, 8)))
    await database.writer.run(lambda c: c.execute("UPDATE movies SET library_id = 2 WHERE id = 2"))
    await database.writer.run(lambda c: c.execute("DELETE FROM movies WHERE id = 5"))
    await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [4], 100, 100))
    left = await database.reader.run(still_of, Kind.MOVIE, 1, [1, 2, 3, 4, 5, 6], chunk=2)
    assert list(left) == [1, 3, 6]


async def test_ids_of_a_library_come_in_pieces(write, make, database, target) -> None:
    """All of its rows and no other's, in order of id, never more than a piece at a time."""
    await write(*(make.movie(str(number)) for number in range(8)))
    await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [4], 100, 100))
    await database.writer.run(lambda c: c.execute("UPDATE movies SET library_id = 2 WHERE id = 2"))
    pieces = [piece async for piece in ids_of_library(database.reader, Kind.MOVIE, 1, chunk=3)]
    assert pieces == [[1, 3, 4], [5, 6, 7], [8]]


async def test_a_vanished_library_lets_go_of_what_is_not_missing_yet(write, make, database, target) -> None:
    """What left long ago is not to leave, and to be counted, once more."""
    await write(*(make.movie(str(number)) for number in range(5)))
    await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [2, 4], 100, 100))
    context: Any = SimpleNamespace(database=database)
    library: Any = SimpleNamespace(listings=((Kind.MOVIE, Listing.MOVIES),), row=SimpleNamespace(id=1))
    verdict = await VanishedPass(context, library).read()
    assert {kind: list(ids) for kind, ids in verdict.leaving.items()} == {Kind.MOVIE: [1, 3, 5]}


async def test_a_row_that_leaves_takes_a_few_bytes(database, target) -> None:
    """Of a million items that got new keys, each was in lists and sets of integers: 40 bytes, and 60 more."""
    await database.writer.run(
        lambda c: c.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
            " INSERT INTO movies (server_id, library_id, rating_key, title, created_at, synced_at)"
            " SELECT 1, 1, i, 'Film', 1, 1 FROM n"
        )
    )
    round_ = Round(MergedRows())
    context: Any = SimpleNamespace(settings=SimpleNamespace(accept_removals=True))
    library: Any = SimpleNamespace(
        row=SimpleNamespace(id=1, listed_from=1, listed_until=1), round=round_, target=target
    )
    tracemalloc.start()
    try:
        leaving = await unseen_rows(database.reader, 1, {Kind.MOVIE: SeenIds([7])})
        removal = await database.writer.run(plan_removal, context, library, leaving)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(removal.leaving[Kind.MOVIE]) == 19_999
    assert held < 20 * 20_000


# What is deleted -------------------------------------------------------------------------------------------------


@pytest.fixture
def delete(database):
    """Purge until nothing is left to purge; return how many rows each transaction deleted."""

    async def work(before: int, server_id: int = 1) -> list[int]:
        deleted = []
        while rows := await database.writer.run(lambda c: purge(c, server_id, before)):
            deleted.append(rows)
        assert list(await database.reader.execute_fetchall("PRAGMA foreign_key_check")) == []
        return deleted

    return work


@pytest.fixture
def lose(database, target):
    """Mark rows missing at an observed time; the wall clock says something else."""

    async def work(kind: Kind, *ids: int, at: int = 100, library: int = 1) -> None:
        where = replace(target, library_id=library)
        await database.writer.run(lambda c: mark_missing(c, where, kind, ids, NOW * 2, at))

    return work


@pytest.fixture
async def a_show(database, target, make) -> None:
    """A show with a season of two episodes, and one episode outside of seasons, all in library 2."""
    tv = replace(target, library_id=2)
    for items in (
        [make.show("10")],
        [make.season("11", "10", 1)],
        [
            make.episode("12", "10", "11", 1, make.part(12), guids=(("imdb", "tt12"),)),
            make.episode("13", "10", "11", 2, make.part(13)),
            make.episode("14", "10", None, None, make.part(14), season_number=None),
        ],
    ):
        changes = [Change(item, 1) for item in items]
        await database.writer.run(lambda c, items=changes: write_items(c, tv, items[0].item.kind, items, NOW))


async def _left(query) -> dict[str, list[object]]:
    tables = ("movies", "shows", "seasons", "episodes", "media_files")
    return {table: [key for (key,) in await query(f"SELECT rating_key FROM {table} ORDER BY id")] for table in tables}


async def test_a_film_is_deleted_with_its_files_and_external_ids(write, query, make, lose, delete) -> None:
    """Other films keep theirs."""
    await write(make.movie("7", make.part(70), make.part(71, "/b.mkv")), make.movie("8", make.part(80)))
    await lose(Kind.MOVIE, 1)
    assert await delete(100) == [1]
    assert (await _left(query))["movies"] == ["8"]
    assert await query("SELECT part_id FROM media_files") == [(80,)]
    assert await query("SELECT DISTINCT movie_id FROM movie_guids") == [(2,)]


async def test_what_is_known_of_damage_goes_with_its_item(write, query, make, lose, delete, database) -> None:
    """The next item with that rating key is another one."""
    await write(make.movie("7"), make.movie("8"))
    await database.writer.run(
        lambda c: c.execute(
            "INSERT INTO damaged_items (server_id, rating_key, digest) VALUES (1, '7', 5), (1, '8', 5)"
        )
    )
    await lose(Kind.MOVIE, 1)
    assert await delete(100) == [1]
    assert await query("SELECT rating_key FROM damaged_items") == [("8",)]


@pytest.mark.parametrize(("before", "deleted"), [(99, []), (100, [1]), (101, [1])])
async def test_retention_ends_to_the_second(write, make, lose, delete, database, before, deleted) -> None:
    """What went missing at that time or earlier goes; a query says beforehand whether anything will."""
    await write(make.movie("7"))
    await lose(Kind.MOVIE, 1, at=100)
    assert await database.reader.run(purgeable, 1, before) is bool(deleted)
    assert await delete(before) == deleted


async def test_only_what_is_missing_is_deleted(write, make, query, delete, database) -> None:
    """Neither what is there nor what is there without a file."""
    await write(make.movie("7", make.part(70)), make.movie("8"))
    assert not await database.reader.run(purgeable, 1, NOW * 2)
    assert await delete(NOW * 2) == []
    assert (await _left(query))["movies"] == ["7", "8"]


async def test_children_go_before_their_parents(a_show, query, lose, delete) -> None:
    """A transaction for each kind; nothing is deleted by way of what it hangs on."""
    await lose(Kind.SHOW, 1, library=2)
    await lose(Kind.SEASON, 1, library=2)
    await lose(Kind.EPISODE, 1, 2, 3, library=2)
    assert await delete(100) == [3, 1, 1]
    assert not any((await _left(query)).values())
    assert await query("SELECT * FROM episode_guids") == []
    assert await query("SELECT * FROM show_guids") == []


@pytest.mark.parametrize("kept", [(2,), (3,)])
async def test_a_parent_stays_as_long_as_a_child_does(a_show, query, lose, delete, kept) -> None:
    """Also where the child is missing, but not for long enough: it may come back. Inside and outside of seasons."""
    await lose(Kind.SHOW, 1, library=2)
    await lose(Kind.SEASON, 1, library=2)
    await lose(Kind.EPISODE, *{1, 2, 3} - set(kept), library=2)
    await lose(Kind.EPISODE, *kept, at=101, library=2)
    await delete(100)
    left = await _left(query)
    assert left["shows"] == ["10"]
    assert left["seasons"] == (["11"] if kept == (2,) else [])
    assert left["episodes"] == [{2: "13", 3: "14"}[kept[0]]]


async def test_a_season_without_episodes_keeps_its_show_too(a_show, query, lose, delete) -> None:
    """Everything else of the show may be gone."""
    await lose(Kind.EPISODE, 1, 2, 3, library=2)
    await lose(Kind.SHOW, 1, library=2)
    assert await delete(100) == [3]
    assert (await _left(query))["shows"] == ["10"]
    assert await query("SELECT show_id FROM seasons") == [(1,)]


async def test_a_blocked_library_keeps_everything(write, make, query, lose, delete, database) -> None:
    """A person has yet to say whether it is really gone; other libraries do not wait for that."""
    await write(make.movie("7", make.part(70)), make.movie("8", make.part(80)))
    await database.writer.run(lambda c: c.execute("UPDATE movies SET library_id = 2 WHERE id = 2"))
    await lose(Kind.MOVIE, 1)
    await lose(Kind.MOVIE, 2, library=2)
    await database.writer.run(lambda c: c.execute("UPDATE libraries SET state = 'blocked' WHERE id = 1"))
    assert await delete(100) == [1]
    assert (await _left(query))["movies"] == ["7"]
    assert (await _left(query))["media_files"] == ["7"]


async def test_another_server_keeps_its_own(write, make, query, lose, delete, database) -> None:
    """Rating keys of two servers may be equal."""
    await write(make.movie("7", make.part(70)))
    await lose(Kind.MOVIE, 1)
    await database.writer.run(
        lambda c: c.execute("INSERT INTO plex_servers (name, server_url) VALUES ('attic', 'http://a')")
    )
    assert not await database.reader.run(purgeable, 2, 100)
    assert await delete(100, server_id=2) == []
    assert (await _left(query))["movies"] == ["7"]


async def test_much_is_deleted_a_piece_at_a_time(write, make, query, lose, delete) -> None:
    """Others wait for the writer meanwhile; and what is not missing never takes up the room of what is."""
    await write(*(make.movie(str(n), make.part(n)) for n in range(1, 1_203)))
    await lose(Kind.MOVIE, *range(2, 1_203))
    assert await delete(100) == [500, 500, 201]
    assert (await _left(query))["media_files"] == ["1"]


async def test_a_file_that_another_item_took_over_is_kept(write, make, query, lose, delete) -> None:
    """A film was split: the part that went to the new film stays when the old one is deleted."""
    await write(make.movie("7", make.part(70), make.part(71, "/b.mkv")))
    await write(make.movie("8", make.part(71, "/b.mkv")))
    await lose(Kind.MOVIE, 1)
    await delete(100)
    assert await query("SELECT part_id, rating_key FROM media_files") == [(71, "8")]


async def test_a_film_that_loses_its_primary_file_is_entered(
    database, write, make, query, lose, delete, reader
) -> None:
    """The file was listed with another film since, which is deleted now."""
    await write(make.movie("7", make.part(70)), make.movie("8", make.part(71, "/b.mkv")))
    await database.writer.run(lambda c: c.execute("UPDATE movies SET media_file_id = 1").close())
    await lose(Kind.MOVIE, 1)
    reader.follow()
    await delete(100)
    assert await query("SELECT id, media_file_id FROM movies") == [(2, None)]
    assert reader.follow() == []
