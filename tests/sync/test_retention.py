"""Clocks that jump: no time of missing, and no end of the guard's window."""

from __future__ import annotations

import pytest

from retrovue_daemon.service.selection import Selection
from tests.support.rounds import FEW_LIBRARIES

pytestmark = [pytest.mark.no_groups, FEW_LIBRARIES]

DAY = 24 * 60 * 60
JUMP = 400 * DAY


@pytest.fixture
def lose(plex, rows):
    """Delete films of a library on the server."""

    def delete(number: int, library: str = "1") -> list[str]:
        gone = list(plex.world.movies(library))[:number]
        for film in gone:
            plex.changes.delete(film.id)
        return [film.rating_key for film in gone]

    return delete


@pytest.fixture
def state(rows):
    """Tell the state of the film with a rating key, None where its row was deleted."""

    def of(rating_key: str) -> object:
        return next((found for (found,) in rows("SELECT state FROM movies WHERE rating_key = ?", rating_key)), None)

    return of


@pytest.mark.parametrize("jump", [JUMP, -JUMP])
async def test_a_clock_that_is_set_while_the_daemon_runs_deletes_nothing(plex, engine, lose, state, jump) -> None:
    """Retention ends when so much time has passed in fact."""
    running = await engine(plex)
    await running.round()
    (gone,) = lose(1)
    await running.round()
    running.clock += jump
    await running.round()
    running.live(30 * DAY - 60)
    await running.round()
    assert state(gone) == "missing"
    running.live(60)
    await running.round()
    assert state(gone) is None


async def test_each_start_counts_a_day_at_most(plex, engine, config, lose, state) -> None:
    """As for a daily sync, or for a clock that jumps between two of them."""
    six_days = config(plex, sync={"retention": "6d"})
    running = await engine(six_days)
    await running.round()
    (gone,) = lose(1)
    await running.round()
    wall = running.clock
    for passed in (JUMP, -JUMP, *[DAY] * 4):
        await running.end()
        wall += passed
        running = await engine(six_days)
        running.clock = wall
        await running.round()
        assert state(gone) == "missing"
    await running.end()
    running = await engine(six_days)
    running.clock = wall + DAY
    await running.round()
    assert state(gone) is None


async def test_retention_of_nothing_needs_no_clock(plex, engine, config, lose, state) -> None:
    """What leaves is deleted at once, also after the clock was set back."""
    running = await engine(config(plex, sync={"retention": "0s"}))
    await running.round()
    running.clock -= JUMP
    (gone,) = lose(1)
    await running.round()
    assert state(gone) is None


@pytest.mark.parametrize(("jumps", "status"), [(True, "blocked"), (False, "ok")])
async def test_a_jump_does_not_end_the_guards_window(plex, engine, lose, rows, jumps, status) -> None:
    """Eleven and ten of twenty-two are too many within a day, whatever the clock says; a day later they are not."""
    running = await engine(plex)
    await running.round()
    lose(11)
    await running.round()
    if jumps:
        running.clock += JUMP
    else:
        running.live(DAY + 60)
    lose(10)
    await running.round()
    query = "SELECT status, removed FROM sync_runs WHERE kind = 'full' AND library_id = ? ORDER BY id DESC LIMIT 1"
    ((library,),) = rows("SELECT id FROM libraries WHERE library_name = 'Movies'")
    assert rows(query, library) == [(status, 0 if jumps else 10)]


def _last_full(rows) -> tuple[object, ...]:
    query = (
        "SELECT r.status, r.removed FROM sync_runs r JOIN libraries l ON l.id = r.library_id"
        " WHERE r.kind = 'full' AND l.library_name = 'Movies' ORDER BY r.id DESC LIMIT 1"
    )
    return rows(query)[0]


@pytest.mark.parametrize("jump", [JUMP, -JUMP])
@pytest.mark.parametrize("days", [2, 100])
async def test_a_jump_or_time_alone_releases_no_blocked_library(plex, engine, lose, rows, jump, days) -> None:
    """What was removed within a day before it was held back counts until a person or the items' return ends it."""
    running = await engine(plex)
    await running.round()
    lose(11)
    await running.round()
    running.clock += jump
    lose(10)
    await running.round()
    assert _last_full(rows) == ("blocked", 0)
    for _ in range(2):
        running.live(days * DAY)
        await running.round(Selection(full=True))
        assert _last_full(rows) == ("blocked", 0)


@pytest.mark.parametrize("jump", [JUMP, -JUMP])
async def test_removals_after_accepted_ones_count_although_the_clock_was_set(plex, engine, lose, rows, jump) -> None:
    """Accepted is what left before, and nothing that leaves later."""
    plex.changes.add_movie("1", "One More")
    running = await engine(plex)
    running.clock += jump
    await running.round()
    lose(1)
    await running.round(Selection(full=True, accept_removals=True))
    running.clock -= jump
    running.live(60)
    lose(11)
    await running.round()
    assert _last_full(rows) == ("ok", 11)
    lose(10)
    await running.round()
    assert _last_full(rows) == ("blocked", 0)
    running.clock += jump
    await running.round(Selection(accept_removals=True))
    assert _last_full(rows) == ("ok", 10)
