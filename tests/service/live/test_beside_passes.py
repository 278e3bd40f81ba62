"""Items that change while a pass reads their library: in the end the rows are what the server has, ids kept."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from retrovue_daemon.service.selection import Selection
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.service.live.conftest import Live

COMEDIES, DRAMAS = "/library/sections/1/all", "/library/sections/2/all"


@pytest.fixture
async def listed(follow, start_plex):
    """A server with two libraries of six films, followed with pages of two."""

    async def start(**sync: object) -> Live:
        plex = await start_plex("Comedies", "Dramas")
        for key, title in (("1", "Comedies"), ("2", "Dramas")):
            for number in range(3, 7):
                plex.changes.add_movie(key, f"{title} {number}", 1920 + number)
        return await follow(plex, {"page_size": 2, "interval": "1d", "interval_live": "1d", **sync})

    return start


@asynccontextmanager
async def a_full_pass(live: Live, path: str, after: int, *libraries: str) -> AsyncIterator[None]:
    """Begin full passes, and let time pass for hints only, while a page of one of them is held."""
    page = live.plex.faults.hang(path, after=after)
    for library in libraries:
        live.service.supervisor.submit(Selection(library=library, full=True))
    async with asyncio.timeout(PATIENCE_S):
        await page.reached.wait()
    yield
    await live.heard()
    await follow_items(live)
    page.release.set()
    await live.after(0)
    await live.after(120)


async def follow_items(live: Live) -> None:
    """Let what waits be read while the page is held."""
    clock = live.service.clock
    for _ in range(3):
        for _ in range(50):
            await asyncio.sleep(0.002)
        clock.advance(3)


def ids(rows) -> dict[str, int]:
    return dict(rows("SELECT title, id FROM movies WHERE state = 'active'"))


def server(live: Live) -> list[tuple[str, str, str]]:
    return sorted((film.rating_key, film.library, film.title) for film in live.plex.world.movies())


def stored(rows) -> list[tuple[str, str, str]]:
    return sorted(
        rows(
            "SELECT rating_key, library_key, title FROM movies JOIN libraries ON libraries.id = library_id"
            " WHERE movies.state = 'active'"
        )
    )


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_film_added_behind_the_listings_back(listed, rows, after):
    """A listing by id shows it at its end, unless that was read."""
    live = await listed()
    async with a_full_pass(live, COMEDIES, after, "Comedies"):
        live.plex.changes.add_movie("1", "Just Arrived", 1931)
    assert stored(rows) == server(live)


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_films_edited_and_deleted_before_and_after_their_pages(listed, rows, after):
    """Pages that were read before show the older values."""
    live = await listed()
    before = ids(rows)
    first, second, *_, fifth, sixth = live.plex.world.movies("1")
    async with a_full_pass(live, COMEDIES, after, "Comedies"):
        live.plex.changes.edit(first.id, title="First, edited")
        live.plex.changes.edit(sixth.id, title="Sixth, edited")
        live.plex.changes.delete(second.id)
        live.plex.changes.delete(fifth.id)
    assert stored(rows) == server(live)
    now = ids(rows)
    assert (now["First, edited"], now["Sixth, edited"]) == (before[first.title], before[sixth.title])


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("held", [COMEDIES, DRAMAS])
async def test_a_film_that_moves_to_another_library(listed, rows, held, after):
    """While either library, or both, are listed."""
    live = await listed()
    before = ids(rows)
    film = next(live.plex.world.movies("1"))
    async with a_full_pass(live, held, after, "Comedies", "Dramas"):
        live.plex.changes.move(film.id, "2")
    assert stored(rows) == server(live)
    assert ids(rows)[film.title] == before[film.title]


@pytest.mark.parametrize("after", [None, 0, 1, 2])
@pytest.mark.parametrize("retention", ["30d", "0s"])
@pytest.mark.parametrize("backwards", [False, True])
async def test_a_film_that_gets_another_key(listed, rows, after, retention, backwards):
    """Deleted and found again, by notifications in either order; at rest, and while a listing is read."""
    live = await listed(retention=retention)
    live.plex.notifications.quirks.backwards = backwards
    before = ids(rows)
    film = next(live.plex.world.movies("1"))
    if after is None:
        live.plex.changes.recreate(film.id)
        await live.after(120)
    else:
        async with a_full_pass(live, COMEDIES, after, "Comedies"):
            live.plex.changes.recreate(film.id)
    assert stored(rows) == server(live)
    assert ids(rows)[film.title] == before[film.title]


async def test_a_film_that_is_there_again_before_a_pass_removes_it(listed, rows):
    """The pass has listed its library, and waits for another one before it removes what it has not seen."""
    live = await listed()
    film = next(live.plex.world.movies("1"))
    live.plex.world.drop(film.id)
    live.plex.requests.clear()
    async with a_full_pass(live, DRAMAS, 0, "Comedies", "Dramas"):
        await live.plex.asked("/library/sections", 2)
        live.plex.world.put(film)
        live.plex.notify.entry(film.id)
    assert stored(rows) == server(live)
    assert rows("SELECT sum(removed) FROM sync_runs") == [(0,)]


async def test_a_film_that_is_there_under_another_key_before_a_pass_removes_it(listed, rows):
    """Its row has got that key when the pass, whose listing showed neither, removes what it has not seen."""
    live = await listed()
    film = next(live.plex.world.movies("1"))
    before = ids(rows)
    live.plex.world.drop(film.id)
    live.plex.requests.clear()
    async with a_full_pass(live, DRAMAS, 0, "Comedies", "Dramas"):
        await live.plex.asked("/library/sections", 2)
        again = replace(film, id=live.plex.world.new_id("item"))
        live.plex.world.put(again)
        live.plex.notify.entry(again.id)
        live.plex.notify.entry(again.id, state=9, itemID=film.rating_key)
    assert stored(rows) == server(live)
    assert ids(rows) == before
    assert rows("SELECT sum(removed), sum(restored) FROM sync_runs") == [(0, 0)]


async def test_a_film_that_a_pass_finds_under_another_key_while_its_removal_is_confirmed(listed, rows):
    """The full pass, which has listed the new key, is faster: the row is no longer the one that was announced."""
    live = await listed()
    film = next(live.plex.world.movies("1"))
    before = ids(rows)
    live.plex.world.drop(film.id)
    again = replace(film, id=live.plex.world.new_id("item"))
    live.plex.world.put(again)
    confirming = live.plex.faults.hang(f"/library/metadata/{film.rating_key}", after=1)
    live.plex.notify.entry(again.id, state=9, itemID=film.rating_key)
    await live.heard()
    await follow_items(live)
    async with asyncio.timeout(PATIENCE_S):
        await confirming.reached.wait()
    (job,) = live.service.supervisor.submit(Selection(library="Comedies", full=True))
    await job.done
    assert ids(rows) == before
    confirming.release.set()
    await live.after(60)
    assert stored(rows) == server(live)
    assert ids(rows) == before
    assert rows("SELECT sum(removed), sum(restored) FROM sync_runs") == [(0, 0)]


async def test_a_guard_that_holds_removals_back_does_not_hold_the_rest(listed, rows, events):
    """Items of such a library are still added and edited; removals by notifications are judged by it, too."""
    live = await listed()
    films = list(live.plex.world.movies("1"))
    for film in films:
        live.plex.changes.delete(film.id)
    await live.after(60)
    assert rows("SELECT state FROM libraries WHERE library_key = '1'") == [("blocked",)]
    assert len([row for row in stored(rows) if row[1] == "1"]) > 0
    live.plex.changes.add_movie("1", "Just Arrived", 1931)
    await live.after(2)
    assert "Just Arrived" in ids(rows)


async def test_a_guard_that_holds_removals_back_says_so_once(listed, rows, events):
    """Not again for each further removal, which may come every few seconds."""
    live = await listed()
    for number in range(24):
        live.plex.changes.add_movie("1", f"One More {number}", 1931)
    await live.after(60)
    live.plex.faults.fail("/library/sections/1/*", status=500, times=None)
    first, *films = live.plex.world.movies("1")
    for film in films[:20]:
        live.plex.changes.delete(film.id)
    await live.after(3)
    assert rows("SELECT sum(removed) FROM sync_runs") == [(20,)]
    for film in (first, *films[20:23]):
        live.plex.changes.delete(film.id)
        await live.after(3)
    assert rows("SELECT count(*) FROM sync_runs WHERE kind = 'events' AND status = 'blocked'") == [(4,)]
    assert len(events.of("sync.blocked")) == 1


async def test_a_library_that_is_switched_off_is_left_alone(listed, rows, edit):
    """From the moment of the switch on."""
    live = await listed()
    before = stored(rows)
    await edit("UPDATE libraries SET sync_enabled = 0 WHERE library_key = '1'")
    live.plex.changes.edit(next(live.plex.world.movies("1")).id, title="Not wanted")
    await live.after(60)
    assert stored(rows) == before


@pytest.mark.parametrize("retention", ["30d", "0s"])
async def test_a_film_that_is_found_again_seconds_later_keeps_its_id(listed, rows, retention):
    """A renamed file is announced as a removal first; a removal that stays is soon deleted where nothing is kept."""
    live = await listed(retention=retention)
    before = ids(rows)
    film, other = list(live.plex.world.movies("1"))[:2]
    gone = live.plex.changes.delete(film.id)
    await live.after(10)
    live.plex.changes.add_again(*gone)
    live.plex.changes.delete(other.id)
    await live.after(10)
    assert rows("SELECT state FROM movies WHERE rating_key = ?", other.rating_key) == [("missing",)]
    await live.after(120)
    assert stored(rows) == server(live)
    assert ids(rows)[film.title] == before[film.title]
    assert len(rows("SELECT * FROM movies WHERE rating_key = ?", other.rating_key)) == (retention == "30d")
