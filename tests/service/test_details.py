"""Details in the background of a daemon: behind its passes, again for markers, and a part of each library a day."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.demo.timeline import Chapter, Marker
from retrovue_daemon.sync.details_abilities import SINGLES_A_DAY
from tests.service.conftest import table
from tests.support.details import details_of, stored_details
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.service.conftest import Service
    from tests.support.servers import MeasuredPlex

HOUR = 3_600
DAY = 24 * HOUR
TIMES = {
    "chapters": (Chapter(0, 30_000, "One"), Chapter(30_000, None)),
    "chapter_source": "media",
    "markers": (Marker("intro", 1_000, 5_000),),
}


def requests(plex: MeasuredPlex) -> list[list[str]]:
    """The rating keys of each request for details."""
    paths = [each.path for each in plex.requests]
    return [path.rsplit("/", 1)[1].split(",") for path in paths if path.startswith("/library/metadata/")]


async def idle(service: Service) -> None:
    """Wait until nothing is left to read."""
    await service.clock.asleep("next details home")


async def look(service: Service, later: int) -> None:
    """Let so many seconds pass by the system's clock, and the daemon look for what is due."""
    service.clock.wall += later
    await idle(service)
    await service.clock.wake("next details home")
    await asyncio.sleep(0)
    await idle(service)


@pytest.fixture
def rich(config, plex):
    """Configure the server, whose details are read; its first films have chapters and markers."""
    for film in list(plex.world.movies())[:2]:
        plex.changes.edit(film.id, **TIMES)
    return config(table(plex, details=True))


async def test_details_follow_when_the_last_pass_has_ended(serve, rich, plex, path, events) -> None:
    """Never beside a pass of the server, and never two at once."""
    await serve(rich)
    await events.count(3, "sync.finished")
    await events.count(3, "details.finished", kind="new")
    assert stored_details(path) == details_of(plex.world)
    paths = [each.path for each in plex.requests]
    first = next(number for number, each in enumerate(paths) if each.startswith("/library/metadata/"))
    assert all(each.startswith("/library/metadata/") for each in paths[first:])


async def test_details_give_way_to_passes(serve, rich, plex, events, rows) -> None:
    """A request that is on its way ends; the next one waits."""
    held = plex.faults.hang("/library/metadata/*")
    service = await serve(rich)
    await held.reached.wait()
    pages = plex.faults.hang("/library/sections/1/all")
    service.supervisor.sync_now()
    await pages.reached.wait()
    before = len(requests(plex))
    held.release.set()
    async with asyncio.timeout(PATIENCE_S):
        while rows("SELECT count(*) FROM movies WHERE details_read_at IS NOT NULL") == [(0,)]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert len(requests(plex)) == before
    pages.release.set()
    await events.count(3, "details.finished")
    assert len(requests(plex)) > before


async def test_another_machine_at_the_address_is_not_asked_for_details(serve, rich, plex, events, clock) -> None:
    """It would be shown the token; what is wanted is read when the server is back."""
    held = plex.faults.hang("/library/metadata/*")
    service = await serve(rich)
    await held.reached.wait()
    machine, plex.world.machine_identifier = plex.world.machine_identifier, "another machine"
    service.supervisor.sync_now()
    await events.next("server.replaced")
    held.release.set()
    plex.requests.clear()
    await clock.tick("interval home")
    assert requests(plex) == []
    plex.world.machine_identifier = machine
    await clock.wake("interval home")
    await events.count(3, "details.finished", kind="new")


async def test_new_items_are_read_again_after_1_6_and_24_hours(serve, rich, plex, path, events, clock) -> None:
    """Servers look for markers hours later, and do not tell. Items that have been there for long are left alone."""
    clock.wall = max(film.added_at for film in plex.world.movies()) + 100 * DAY
    plex.world.pass_time(clock.wall - plex.world.now)
    service = await serve(rich)
    await events.count(3, "details.finished")
    await look(service, 2 * HOUR)
    film = plex.changes.add_movie("1", "Just Arrived", 1931)
    service.supervisor.sync_now()
    await events.next("details.finished", kind="new")
    plex.changes.edit(film.id, updated_at=film.updated_at, **TIMES)
    plex.requests.clear()
    await look(service, HOUR - 60)
    assert requests(plex) == []
    for later in (60, 5 * HOUR, 18 * HOUR):
        await look(service, later)
        assert [film.rating_key] in requests(plex)
        plex.requests.clear()
    assert stored_details(path, only=[film.rating_key]) == {
        key: lists for key, lists in details_of(plex.world).items() if key[1] == film.rating_key
    }


async def test_an_item_that_cannot_be_sent_is_requested_again_soon_then_daily(
    serve, rich, plex, path, events
) -> None:
    film = next(iter(plex.world.movies()))
    fault = f"/library/metadata/*{film.rating_key}*"
    plex.faults.fail(fault, status=500, times=None)
    service = await serve(rich)
    await events.next("details.skipped")
    await events.count(3, "details.finished")
    await look(service, HOUR)
    plex.faults.clear()
    await look(service, HOUR)
    assert film.rating_key not in {key for _, key in stored_details(path)}
    await look(service, DAY)
    assert stored_details(path) == details_of(plex.world)


async def test_a_thirtieth_is_read_each_day(serve, rich, plex, path, events, clock, rows) -> None:
    """What no listing shows has arrived after a month at the latest."""
    service = await serve(rich)
    await events.count(3, "details.finished")
    rows("UPDATE movies SET details_again = 0, details_again_at = NULL")
    for film in list(plex.world.movies()):
        tags = type(film.tags)(genres=("A", "B", "C"), labels=("Night",))
        plex.changes.edit(film.id, updated_at=film.updated_at, tags=tags)
    plex.requests.clear()
    await look(service, DAY)
    first_day = sum(map(len, requests(plex)))
    for _ in range(30):
        await look(service, DAY)
    assert first_day < len(list(plex.world.movies()))
    assert stored_details(path) == details_of(plex.world)


async def test_single_requests_have_a_budget(serve, rich, plex, path, events, rows) -> None:
    """Where responses for many items lack chapters and markers: newest items first, so many a day."""
    plex.quirks.plain_batches = True
    rows_before = len(list(plex.world.movies()))
    service = await serve(rich)
    await events.next("details.finished", kind="again")
    await idle(service)
    assert rows_before < SINGLES_A_DAY
    assert stored_details(path) == details_of(plex.world)


async def test_details_stop_with_their_library(serve, rich, plex, events, edit) -> None:
    """A library that is switched off gets no further request."""
    held = plex.faults.hang("/library/metadata/*")
    service = await serve(rich)
    await held.reached.wait()
    await edit("UPDATE libraries SET sync_enabled = 0")
    await service.noticed()
    before = len(requests(plex))
    held.release.set()
    await idle(service)
    assert len(requests(plex)) == before


async def test_details_stop_with_the_daemon(serve, rich, plex, path) -> None:
    """At once, whatever the server does; what was not read is read after the next start."""
    held = plex.faults.hang("/library/metadata/*")
    service = await serve(rich)
    await held.reached.wait()
    async with asyncio.timeout(PATIENCE_S):
        await service.stop()
    held.release.set()
    assert stored_details(path) == {}
    plex.requests.clear()
    service = await serve(rich)
    await idle(service)
    assert stored_details(path) == details_of(plex.world)
    assert all(len(keys) == 2 for keys in requests(plex))


async def test_made_markers_are_read_at_once(serve, rich, plex, path, events, clock) -> None:
    """After the server has looked for markers: those of the items that still wait for theirs."""
    clock.wall = max(film.added_at for film in plex.world.movies()) + HOUR
    plex.world.pass_time(clock.wall - plex.world.now)
    service = await serve(rich)
    await events.count(3, "details.finished")
    await look(service, HOUR)
    plex.world.pass_time(HOUR)
    film = plex.changes.add_movie("2", "Just Arrived", 1931)
    service.supervisor.sync_now()
    await events.next("details.finished", kind="new")
    plex.changes.edit(film.id, updated_at=film.updated_at, **TIMES)
    worker = service.supervisor.workers["home"]
    for library_id in (1, 2, 3):
        await worker.details.markers_made(library_id)
    await events.next("details.finished", kind="again")
    await idle(service)
    assert stored_details(path) == details_of(plex.world)


async def test_a_library_of_new_items_is_read_once(serve, rich, plex, path, events, clock) -> None:
    """All of a library that was set up an hour ago is new, and none is read again until one has a new file."""
    clock.wall = max(film.added_at for film in plex.world.movies()) + HOUR
    plex.world.pass_time(clock.wall - plex.world.now)
    service = await serve(rich)
    await events.count(3, "details.finished")
    plex.requests.clear()
    for later in (HOUR, 5 * HOUR):
        await look(service, later)
        plex.world.pass_time(later)
    assert requests(plex) == []
    film = next(iter(plex.world.movies()))
    plex.changes.upgrade_file(film.id)
    service.supervisor.sync_now()
    await events.next("details.finished", kind="new")
    plex.requests.clear()
    await look(service, HOUR)
    assert requests(plex) == [[film.rating_key]]


async def test_single_requests_end_with_the_budget_of_the_day(serve, rich, plex, events, monkeypatch) -> None:
    """The others are requested on the next days; nothing is requested twice."""
    monkeypatch.setattr("retrovue_daemon.sync.details_abilities.SINGLES_A_DAY", 2)
    for number in range(8):
        plex.changes.add_movie("1", f"Later {number}", 1931)
    plex.quirks.plain_batches = True
    service = await serve(rich)
    await events.next("details.finished", kind="again")
    await idle(service)
    films = {film.rating_key for film in plex.world.movies()}
    single = [keys[0] for keys in requests(plex) if len(keys) == 1]
    before = len(single)
    assert 2 <= before < len(films)
    await look(service, HOUR)
    assert len([keys for keys in requests(plex) if len(keys) == 1]) == before
    for _ in range(len(films)):
        plex.requests.clear()
        await look(service, DAY)
        today = [keys[0] for keys in requests(plex) if len(keys) == 1]
        assert len(today) <= 2
        single += today
    assert set(single) == films
