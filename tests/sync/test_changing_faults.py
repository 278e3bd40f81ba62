"""A server whose listings are faulty in another way each time is not listed completely forever."""

from __future__ import annotations

import pytest

from retrovue_daemon.demo import SimulatedPlex, generated_library
from retrovue_daemon.service.daemon import SyncOptions
from tests.support.rounds import FEW_LIBRARIES
from tests.support.servers import without_groups

pytestmark = FEW_LIBRARIES

AS_RUN = SyncOptions()


@pytest.fixture
async def plex():
    async with SimulatedPlex(without_groups(generated_library(movies=30, shows=0, episodes=0))) as server:
        yield server


@pytest.fixture
def films(plex):
    return list(plex.world.movies())


@pytest.fixture
def listed(plex, sync):
    """Sync once with these entries at fault, and return the pass."""

    async def work(faulty, *films, options=AS_RUN):
        faulty.clear()
        faulty.update(film.id for film in films)
        (report,) = await sync(plex, options=options)
        (done,) = [done for done in report.passes if done.library == "Movies"]
        return done.run

    return work


async def test_two_faults_in_turn_are_known_when_the_first_returns(plex, sync, rows, films, listed) -> None:
    """Later, either is."""
    await sync(plex)
    one, other = films[3], films[20]
    runs = [await listed(plex.faults.keyless, one, options=None)]
    runs += [await listed(plex.faults.keyless, film) for film in (other, one, other, one)]
    assert [(run.kind, run.status) for run in runs] == [
        ("full", "incomplete"),
        ("full", "incomplete"),
        ("full", "ok"),
        ("quick", "ok"),
        ("quick", "ok"),
    ]
    assert "1 entry has no rating key" in str(rows("SELECT doubt FROM libraries WHERE library_key = '1'")[0][0])
    for film in (other, one, other):
        assert (await listed(plex.faults.keyless, film, options=None)).status == "ok"
    assert rows("SELECT state, count(*) FROM movies GROUP BY 1") == [("active", 30)]


async def test_faults_that_never_repeat_are_settled_at_the_third_listing(plex, sync, rows, films, listed) -> None:
    """With the doubt recorded. Only what the server does not have is removed."""
    await sync(plex)
    plex.world.drop(films[29].id)
    runs = [await listed(plex.faults.keyless, films[1], options=None)]
    runs += [await listed(plex.faults.keyless, film) for film in films[2:6]]
    assert [(run.kind, run.status, run.counts.removed) for run in runs] == [
        ("full", "incomplete", 0),
        ("full", "incomplete", 0),
        ("full", "ok", 1),
        ("quick", "ok", 0),
        ("quick", "ok", 0),
    ]
    assert rows("SELECT title FROM movies WHERE state = 'missing'") == [(films[29].title,)]
    assert "1 entry has no rating key" in str(rows("SELECT doubt FROM libraries WHERE library_key = '1'")[0][0])
    for film in films[7:9]:
        assert (await listed(plex.faults.keyless, film, options=None)).status == "ok"


async def test_a_whole_listing_ends_what_is_remembered(plex, sync, rows, films, listed) -> None:
    """After it, a fault must repeat again."""
    await sync(plex)
    for film in films[1:4]:
        await listed(plex.faults.keyless, film, options=None)
    assert (await listed(plex.faults.keyless, options=None)).error is None
    assert rows("SELECT fault, doubt FROM libraries WHERE library_key = '1'") == [(None, None)]
    assert (await listed(plex.faults.keyless, films[3], options=None)).status == "incomplete"


async def test_a_fault_beside_one_that_stays_must_repeat(plex, sync, films, listed) -> None:
    """The one that stays was settled, so it does not make the other known."""
    await sync(plex)
    seen = [(1,), (1,), (1, 2), (1, 2), (1, 2, 3), (1, 2, 3), (1, 3)]
    runs = [await listed(plex.faults.keyless, *(films[each] for each in some), options=None) for some in seen]
    assert [run.status for run in runs] == ["incomplete", "ok", "incomplete", "ok", "incomplete", "ok", "ok"]


async def test_items_that_arrive_damaged_in_turn_cost_three_listings(plex, sync, rows, films, listed) -> None:
    """Each arrives undamaged in between, so that its damage is forgotten; the good values stay."""
    await sync(plex)
    good = rows("SELECT rating_key, title FROM movies ORDER BY id")
    one, other = films[3], films[20]
    runs = [await listed(plex.faults.damaged, one, options=None)]
    runs += [await listed(plex.faults.damaged, film) for film in (other, one, other, one)]
    assert [(run.kind, run.status) for run in runs] == [("full", "ok")] * 3 + [("quick", "ok")] * 2
    assert "1 items arrived damaged" in str(rows("SELECT doubt FROM libraries WHERE library_key = '1'")[0][0])
    assert rows("SELECT rating_key, title FROM movies ORDER BY id") == good
    await listed(plex.faults.damaged, other, options=None)
    assert (await listed(plex.faults.damaged, one)).kind == "quick"
    await listed(plex.faults.damaged, options=None)
    assert rows("SELECT fault, doubt, list_again FROM libraries WHERE library_key = '1'") == [(None, None, 0)]
