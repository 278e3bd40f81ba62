"""The record of a pass, and the marks that it leaves in its library's row."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from retrovue_daemon.store.items.sweep import accept_removals, forget_library
from retrovue_daemon.store.tables.runs import (
    KEPT_S,
    LAG_S,
    Counts,
    Marks,
    Run,
    blocked_since,
    note_look,
    record_failure,
    record_run,
    removed_since,
    settle,
)

DAY = 24 * 60 * 60
NOW = 1_000 * DAY
RUN = Run(1, 1, "full", 1_000, 1_009, "ok", Counts(listed=9, added=1, updated=2, unchanged=3, removed=4, restored=5))
MARKS = Marks(
    content_changed_at=70, section_updated_at=50, scanned_at=60, watermark=40, listed_from=3, listed_until=5
)


@pytest.fixture
def record(database):
    async def work(**changes) -> int:
        return await database.writer.run(lambda c: record_run(c, replace(RUN, **changes)))

    return work


@pytest.fixture
def library(query):
    """Tell some columns of the first library's row."""

    async def row(*columns: str) -> tuple[object, ...]:
        (values,) = await query(f"SELECT {', '.join(columns)} FROM libraries WHERE id = 1")
        return values

    return row


async def test_every_count_of_a_pass_is_recorded(record, query) -> None:
    """Under a name that is the count's own, and the id is that of the log line."""
    counts = Counts(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    run_id = await record(counts=counts, status="incomplete", error="why")
    columns = "listed, added, updated, unchanged, removed, restored, moved, skipped, pages, bytes"
    rows = await query(
        f"SELECT server_id, library_id, kind, started_at, finished_at, status, error, {columns}"
        " FROM sync_runs WHERE id = ?",
        run_id,
    )
    assert rows == [(1, 1, "full", 1_000, 1_009, "incomplete", "why", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)]


async def test_the_record_of_a_pass_is_kept_for_ninety_days(record, query) -> None:
    """A service that runs for months would fill its database with them. Other libraries keep their own."""
    assert KEPT_S == 90 * DAY
    await record(library_id=2, started_at=0)
    for started_at in (1_000 * DAY, 1_001 * DAY, 1_091 * DAY - 1, 1_091 * DAY):
        await record(started_at=started_at)
    assert await query("SELECT started_at FROM sync_runs WHERE library_id = 1 ORDER BY id") == [
        (1_001 * DAY,),
        (1_091 * DAY - 1,),
        (1_091 * DAY,),
    ]
    assert await query("SELECT count(*) FROM sync_runs WHERE library_id = 2") == [(1,)]


async def test_records_go_with_their_library(record, query, database) -> None:
    """Whoever deletes a library or a server deletes its passes."""
    await record()
    await database.writer.run(lambda c: c.execute("DELETE FROM plex_servers"))
    assert await query("SELECT * FROM sync_runs") == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"counts": Counts(added=1)}, True),
        ({"counts": Counts(updated=1)}, True),
        ({"counts": Counts(removed=1)}, True),
        ({"counts": Counts(restored=1)}, True),
        ({"counts": Counts(moved=1)}, True),
        ({"counts": Counts(skipped=1)}, True),
        ({"counts": Counts(listed=5, unchanged=5, pages=2, bytes=9)}, False),
    ],
)
def test_a_pass_that_changed_nothing_is_recognized(changes, what) -> None:
    """It needs no record of its own."""
    assert replace(RUN, **changes).counts.any_change is what


async def test_a_complete_listing_sets_all_marks(database, library) -> None:
    """And ends whatever was wrong; its time is the one at which it began, because later changes were not seen."""
    trouble = replace(RUN, status="blocked", error="too much")
    await database.writer.run(lambda c: record_failure(c, trouble, [["movie +1"]]))
    assert await library("state", "last_error", "fault") == ("blocked", "too much", '[["movie +1"]]')
    await database.writer.run(lambda c: settle(c, RUN, MARKS))
    assert await library("state", "last_error", "fault") == ("active", None, None)
    assert await library("content_changed_at", "section_updated_at", "scanned_at") == (70, 50, 60)
    assert await library("watermark", "listed_from", "listed_until") == (40, 3, 5)
    assert await library("last_full_sync_at", "last_sync_at") == (1_000, 1_009)


async def test_trouble_moves_no_mark(database, library) -> None:
    """The next complete listing is compared with the last complete one, not with half a one."""
    await database.writer.run(lambda c: settle(c, RUN, replace(MARKS, fault=[["movie +1"]])))
    marks = "content_changed_at", "watermark", "listed_from", "listed_until", "last_full_sync_at", "last_sync_at"
    before = await library(*marks)
    await database.writer.run(lambda c: record_failure(c, replace(RUN, status="failed", error="no", finished_at=9)))
    assert await library(*marks) == before
    assert await library("state", "last_error", "fault") == ("active", "no", '[["movie +1"]]')


async def test_a_blocked_library_stays_so_until_it_is_listed_in_full(database, library) -> None:
    """A failure afterwards does not release it."""
    for status in ("blocked", "failed", "incomplete"):
        run = replace(RUN, status=status, error=status)
        await database.writer.run(lambda c, run=run: record_failure(c, run))
    assert await library("state", "last_error") == ("blocked", "incomplete")


@pytest.mark.parametrize(
    ("watermark", "began", "moved"),
    [
        (99_000, 100_310, 99_000),
        (99_000, 104_000, 104_000 - LAG_S),
        (99_000, 40_000_000, 40_000_000 - LAG_S),
        (99_000, 90_000, 90_000 - LAG_S),
        (13_000, 100_310, 13_300),
        (100_400, 100_310, 100_400),
        (200_000, 100_310, 100_310 - LAG_S),
    ],
    ids=[
        "within the hour",
        "an hour later",
        "put forward",
        "put back",
        "server behind",
        "server ahead",
        "ahead of us",
    ],
)
async def test_the_watermark_follows_the_clock(database, library, watermark, began, moved) -> None:
    """As far as the server's clock has gone on, and never so far as ours; a complete listing begins anew."""
    last = replace(RUN, started_at=100_000, finished_at=100_010)
    marks = replace(MARKS, watermark=watermark)
    look = replace(RUN, started_at=began, finished_at=began + 1)
    await database.writer.run(lambda c: settle(c, last, marks))
    await database.writer.run(lambda c: note_look(c, look, watermark, settled=True))
    assert await library("watermark") == (moved,)
    await database.writer.run(lambda c: settle(c, look, marks))
    assert await library("watermark") == (watermark,)


@pytest.mark.parametrize(("settled", "error"), [(True, None), (False, "no")])
async def test_a_quick_pass_moves_the_watermark_only(database, library, settled, error) -> None:
    """It forgives what was wrong where nothing else is due."""
    await database.writer.run(lambda c: settle(c, RUN, MARKS))
    await database.writer.run(lambda c: record_failure(c, replace(RUN, status="incomplete", error="no")))
    look = replace(RUN, kind="quick", started_at=2_000, finished_at=2_001)
    await database.writer.run(lambda c: note_look(c, look, 44, settled=settled))
    assert await library("watermark", "last_sync_at", "last_full_sync_at", "last_error") == (44, 2_001, 1_000, error)
    assert await library("content_changed_at", "listed_from", "listed_until") == (70, 3, 5)


async def test_removals_of_a_day_add_up(database, record) -> None:
    """Those of one library, from all passes within the window."""
    for started_at, removed in ((100, 1), (200, 10), (300, 100)):
        await record(started_at=started_at, finished_at=started_at + 5, counts=Counts(removed=removed))
    await record(library_id=2, started_at=300, counts=Counts(removed=1_000))
    assert await database.reader.run(removed_since, 1, 200, NOW) == 110
    assert await database.reader.run(removed_since, 1, 301, NOW) == 0


async def test_removals_are_counted_by_observed_time(database, record) -> None:
    """A wall clock that jumped lies between two passes of one day; a record of a former release has no such time."""
    await record(started_at=5, observed=None, counts=Counts(removed=1))
    await record(started_at=900 * DAY, observed=205, counts=Counts(removed=10))
    assert await database.reader.run(removed_since, 1, 205, NOW) == 10
    assert await database.reader.run(removed_since, 1, 206, NOW) == 0
    assert await database.reader.run(removed_since, 1, 5, NOW) == 11


async def test_a_clock_that_jumps_deletes_no_record_that_the_guard_needs(database, record) -> None:
    """It is deleted when ninety days have been observed."""
    await record(started_at=100, observed=100, counts=Counts(removed=7))
    await record(started_at=400 * DAY, observed=200)
    assert await database.reader.run(removed_since, 1, 100, NOW) == 7 + RUN.counts.removed
    await record(started_at=401 * DAY, observed=91 * DAY)
    assert await database.reader.run(removed_since, 1, 0, NOW) == RUN.counts.removed


async def test_removals_that_a_person_confirmed_do_not_count(database, record) -> None:
    """What came before the word was given, and with it; what comes later counts again."""
    for started_at in (100, 200):
        await record(started_at=started_at, finished_at=started_at + 5, counts=Counts(removed=10))
    await database.writer.run(lambda c: accept_removals(c, 1, 203))
    assert await database.reader.run(removed_since, 1, 0, NOW) == 0
    await record(started_at=204, finished_at=206, counts=Counts(removed=7))
    assert await database.reader.run(removed_since, 1, 0, NOW) == 7


async def test_only_the_observed_clock_says_what_was_accepted(database, record) -> None:
    """A wall clock that was set between does not; nor does a time of a former release that has not come yet."""
    await record(started_at=900 * DAY, observed=100, counts=Counts(removed=10))
    await database.writer.run(lambda c: accept_removals(c, 1, 103))
    await record(started_at=1, observed=104, counts=Counts(removed=7))
    assert await database.reader.run(removed_since, 1, 0, 105) == 7
    await database.writer.run(lambda c: accept_removals(c, 1, 400 * DAY))
    assert await database.reader.run(removed_since, 1, 0, 105) == 17


async def test_a_library_is_blocked_since_the_first_such_pass_after_its_last_listing(database, record) -> None:
    """However the wall clock was set between them."""
    assert await database.reader.run(blocked_since, 1) is None
    await record(started_at=10 * DAY, observed=100, status="blocked")
    settled = replace(RUN, started_at=900 * DAY, observed=200)
    await record(started_at=900 * DAY, observed=200)
    await database.writer.run(lambda c: settle(c, settled, MARKS))
    assert await database.reader.run(blocked_since, 1) is None
    await record(started_at=5 * DAY, observed=300, status="blocked")
    await record(started_at=950 * DAY, observed=400, status="blocked")
    assert await database.reader.run(blocked_since, 1) == 300


async def test_a_blocked_library_keeps_the_records_by_which_it_is_judged(database, record, query) -> None:
    """The removals before it was blocked, and when that was: ninety days end no refusal."""
    await record(observed=100, counts=Counts(removed=15))
    await record(observed=110, counts=Counts())
    blocked = replace(RUN, status="blocked", counts=Counts())
    await database.writer.run(lambda c: record_failure(c, blocked))
    for observed in (200, 300, 100 * DAY):
        await record(observed=observed, status="blocked", counts=Counts())
    assert await query("SELECT observed FROM sync_runs ORDER BY id") == [(100,), (200,), (100 * DAY,)]
    await database.writer.run(lambda c: settle(c, RUN, MARKS))
    await record(observed=101 * DAY)
    assert await query("SELECT observed FROM sync_runs ORDER BY id") == [(100 * DAY,), (101 * DAY,)]


async def test_a_library_that_is_let_go_is_missing(database, library) -> None:
    """And nothing is wrong with it any more."""
    await database.writer.run(lambda c: record_failure(c, replace(RUN, status="blocked", error="gone")))
    await database.writer.run(lambda c: forget_library(c, 1))
    assert await library("state", "last_error") == ("missing", None)
