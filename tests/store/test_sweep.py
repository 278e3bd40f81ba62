"""Marking what left: only rows that are still the library's own, and never a deletion."""

from __future__ import annotations

from retrovue_daemon.records import Kind
from retrovue_daemon.store.lookup import listed_ids
from retrovue_daemon.store.runs import Counts, Run, record_run
from retrovue_daemon.store.sweep import mark_missing, present


async def test_missing_items_keep_their_rows_and_files(write, query, make, database, target) -> None:
    """State and time are set on the item, the state on its files; others stay active."""
    await write(make.movie("7", make.part(70)), make.movie("8", make.part(80)))

    removed = await database.writer.write(lambda c: mark_missing(c, target, Kind.MOVIE, [1], 123))

    assert removed == 1
    assert await query("SELECT rating_key, state, missing_since FROM movies ORDER BY id") == [
        ("7", "missing", 123),
        ("8", "active", None),
    ]
    assert await query("SELECT rating_key, state FROM media_files ORDER BY id") == [
        ("7", "missing"),
        ("8", "active"),
    ]


async def test_a_row_that_moved_to_another_library_is_left_alone(write, query, make, database, target) -> None:
    """It was judged as the first library's, but the second one's pass has taken it over."""
    await write(make.movie("7", make.part(70)))
    await database.writer.write(lambda c: c.execute("UPDATE movies SET library_id = 2"))

    removed = await database.writer.write(lambda c: mark_missing(c, target, Kind.MOVIE, [1], 123))

    assert removed == 0
    assert await query("SELECT state FROM movies") == [("active",)]
    assert await query("SELECT state FROM media_files") == [("active",)]


async def test_an_item_goes_missing_once(write, make, database, query, target) -> None:
    """A second sweep neither counts it again nor moves the time at which it left."""
    await write(make.movie("7"))
    await database.writer.write(lambda c: mark_missing(c, target, Kind.MOVIE, [1], 123))
    assert await database.writer.write(lambda c: mark_missing(c, target, Kind.MOVIE, [1], 456)) == 0
    assert await query("SELECT missing_since FROM movies") == [(123,)]


async def test_what_is_missing_is_not_present(write, make, database, target) -> None:
    """Only rows that are still listed count."""
    await write(*(make.movie(str(number)) for number in range(5)))
    await database.writer.write(lambda c: mark_missing(c, target, Kind.MOVIE, [1], 100))
    await database.writer.write(lambda c: mark_missing(c, target, Kind.MOVIE, [2], 200))
    assert await present(database.reader, Kind.MOVIE, 1) == 3


async def test_listed_ids_come_in_pieces(write, make, database, target) -> None:
    """All rows that are not missing, in order of id, never more than a piece at a time."""
    await write(*(make.movie(str(number)) for number in range(7)))
    await database.writer.write(lambda c: mark_missing(c, target, Kind.MOVIE, [4], 100))
    pieces = [piece async for piece in listed_ids(database.reader, Kind.MOVIE, 1, chunk=3)]
    assert pieces == [[1, 2, 3], [5, 6, 7]]


async def test_the_record_of_a_pass_is_kept_for_ninety_days(database, query) -> None:
    """A service that runs for months would fill its database with them."""

    def run(started_at: int) -> Run:
        return Run(1, 1, "full", started_at, started_at + 1, "ok", Counts(listed=3))

    day = 24 * 60 * 60
    for started_at in (1_000 * day, 1_001 * day, 1_091 * day - 1, 1_091 * day):
        await database.writer.write(lambda c, at=started_at: record_run(c, run(at)))
    assert await query("SELECT started_at FROM sync_runs") == [(1_001 * day,), (1_091 * day - 1,), (1_091 * day,)]
