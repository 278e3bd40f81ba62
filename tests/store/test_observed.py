"""The observed clock advances only while the daemon runs, and cannot be set."""

from __future__ import annotations

import pytest

from retrovue_daemon.clock import Clock
from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.sweep import mark_missing
from retrovue_daemon.store.tables.observed_clock import KEPT_EVERY_S, ObservedClock

DAY = 24 * 60 * 60
WALL = 1_800_000_000


class TwoClocks(Clock):
    """A wall clock and a monotonic clock, each where a test has put it."""

    def __init__(self, wall: int = WALL) -> None:
        self.wall, self.lived = wall, 0.0

    def now(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.lived


@pytest.fixture
def process(database):
    """Begin a process, as it were: its clocks and its observed clock."""

    async def begin(wall: int) -> tuple[TwoClocks, ObservedClock]:
        clock = TwoClocks(wall)
        observed = ObservedClock(clock)
        await database.writer.run(observed.start)
        return clock, observed

    return begin


async def test_it_begins_with_the_wall_clock(process) -> None:
    """So that the times of former releases, which had no other clock, can be compared with it."""
    _, observed = await process(WALL)
    assert observed.now() == WALL


@pytest.mark.parametrize("jump", [400 * DAY, -400 * DAY])
async def test_it_follows_the_monotonic_clock(process, jump) -> None:
    """Somebody sets the wall clock meanwhile."""
    clock, observed = await process(WALL)
    clock.wall += jump
    assert observed.now() == WALL
    clock.lived += 100
    assert observed.now() == WALL + 100


@pytest.mark.parametrize(
    ("passed", "counted"),
    [(3_600, 3_600), (DAY, DAY), (400 * DAY, DAY), (0, 0), (-400 * DAY, 0)],
    ids=["an hour", "a day", "a jump", "at once", "set back"],
)
async def test_a_day_at_most_lies_between_two_processes(process, passed, counted) -> None:
    """And each start counts anew from where the wall clock is then."""
    await process(WALL)
    _, observed = await process(WALL + passed)
    assert observed.now() == WALL + counted
    _, observed = await process(WALL + passed + 60)
    assert observed.now() == WALL + counted + 60


async def test_what_was_not_stored_counts_as_downtime(process, database) -> None:
    """A process that was killed an hour after it stored the time, and one that stored it in good order."""
    clock, _ = await process(WALL)
    clock.lived, clock.wall = 3_600.0, WALL + 3_600
    _, observed = await process(WALL + 3_700)
    assert observed.now() == WALL + 3_700
    clock, observed = await process(WALL + 3_700)
    clock.lived, clock.wall = 9 * DAY, WALL + 10 * DAY
    await database.writer.run(observed.keep)
    _, observed = await process(clock.wall + 5)
    assert observed.now() == WALL + 3_700 + 9 * DAY + 5


async def test_it_never_begins_before_a_row_went_missing(process, write, make, database, target) -> None:
    """The stored time was lost, and the wall clock was set back."""
    await write(make.movie("7"))
    await process(WALL)
    await database.writer.run(lambda c: mark_missing(c, target, Kind.MOVIE, [1], WALL, WALL + 500))
    _, observed = await process(WALL - 400 * DAY)
    assert observed.now() == WALL + 500


@pytest.mark.parametrize("value", ["", "yesterday", "5", "1 2 3", "{}"])
async def test_it_begins_anew_if_another_program_damaged_the_stored_time(process, database, value) -> None:
    """As without a stored time; the daemon starts."""
    await process(WALL)
    await database.writer.run(lambda c: c.execute("UPDATE daemon_state SET value = ?", (value,)))
    _, observed = await process(WALL + 9 * DAY)
    assert observed.now() == WALL + 9 * DAY
    _, observed = await process(WALL + 9 * DAY + 5)
    assert observed.now() == WALL + 9 * DAY + 5


async def test_it_is_stored_every_hour(process, database) -> None:
    """A look that finds nothing writes next to nothing."""
    clock, observed = await process(WALL)
    clock.lived = KEPT_EVERY_S - 1.0
    assert not observed.is_due
    clock.lived = float(KEPT_EVERY_S)
    assert observed.is_due
    await database.writer.run(observed.keep)
    assert not observed.is_due
