"""Changes that a simulated server announces, and the rows of a daemon that follows it; the clock is the test's."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from msgspec.structs import replace

from retrovue_daemon.demo.happenings import ItemsChanged
from tests.service.conftest import table
from tests.support.patience import PATIENCE_S

ITEMS = "/library/metadata/*"


def states(rows) -> dict[str, str]:
    return dict(rows("SELECT title, state FROM movies"))


async def test_a_new_film_is_a_row_within_seconds(live, plex, rows, events):
    """By one request for the item, also while listings fail; a scan's end is followed by looks besides."""
    plex.faults.fail("/library/sections/1/*", status=500, times=None)
    plex.changes.add_movie("1", "Just Arrived", 1931)
    await live.after(2)
    assert states(rows)["Just Arrived"] == "active"
    applied = await events.next("events.applied", added=1)
    assert (applied["library"], applied["delay_s"], applied["status"]) == ("Comedies", 2.0, "ok")
    assert rows("SELECT added FROM sync_runs WHERE kind = 'events'") == [(1,)]


async def test_a_scan_that_ends_is_followed_by_a_pass_at_once(live, plex, rows):
    """It may be faster than the quiet that items wait for."""
    plex.changes.add_movie("1", "Just Arrived", 1931)
    await live.after(0)
    assert states(rows)["Just Arrived"] == "active"


async def test_an_edit_and_a_deletion(live, plex, rows, events):
    """The deletion is confirmed: a request of its own brings 404, beside a film that is there."""
    plex.faults.fail("/library/sections/1/*", status=500, times=None)
    first, second = list(plex.world.movies())[:2]
    plex.changes.edit(first.id, title="Another Title")
    plex.changes.delete(second.id)
    await live.after(2)
    assert states(rows)["Another Title"] == "active"
    assert states(rows)[second.title] == "missing"
    # Both at once; the control, then the deleted one; and both once more.
    assert len(plex.requests_for(ITEMS)) == 5
    assert [line["level"] for line in events.of("sync.finished") if line["kind"] == "events"] == ["info"]


async def test_a_deletion_beside_others_that_are_not_announced_yet(follow, plex, rows):
    """Films are deleted one after the other: the next one is gone, too, and proves nothing against the server."""
    for number in range(3):
        plex.changes.add_movie("1", f"Yet Another {number}", 1931)
    live = await follow(plex)
    plex.faults.fail("/library/sections/1/*", status=500, times=None)
    first, second = list(plex.world.movies())[:2]
    plex.faults.fail(f"/library/metadata/{second.id}", status=404, times=None)
    plex.changes.delete(first.id)
    await live.after(2)
    assert states(rows)[first.title] == "missing"
    assert states(rows)[second.title] == "active"
    # The first; the control in vain; another one and the first; both once more.
    assert len(plex.requests_for(ITEMS)) == 6


async def test_a_server_that_denies_everything_proves_nothing(live, plex, rows):
    """The library had another film, which is requested as well."""
    plex.faults.fail("/library/sections/1/*", status=500, times=None)
    plex.faults.fail(ITEMS, status=404, times=None)
    plex.changes.delete(next(iter(plex.world.movies())).id)
    await live.after(2)
    assert {*states(rows).values()} == {"active"}
    assert len(plex.requests_for(ITEMS)) <= 3


@pytest.mark.parametrize("form", ["state", "type"])
async def test_a_frame_that_lies_removes_nothing(live, plex, rows, events, form):
    """It costs a request, and no line but at level debug."""
    film = next(iter(plex.world.movies()))
    plex.notifications.quirks.deleted = form
    before = states(rows)
    for frame in plex.notifications.sequences.of(_deletion(film)):
        plex.notifications.send(frame)
    await live.after(1)
    await live.after(60)
    assert states(rows) == before
    assert len(plex.requests_for(ITEMS)) == 1
    assert [line["level"] for line in events.of("sync.finished") if line["kind"] == "events"] == ["debug"]


def _deletion(film):
    return ItemsChanged(library=film.library, deleted=(film,))


async def test_a_film_without_a_file_is_read_once_more_after_40_seconds(live, plex, rows):
    """The server was not finished with it; it is not read again and again."""
    plex.faults.fail("/library/sections/1/*", status=500, times=None)
    film = plex.changes.add_movie("1", "Just Arrived", 1931)
    plex.world.put(replace(film, media=(), duration=None))
    await live.after(2)
    assert states(rows)["Just Arrived"] == "unavailable"
    plex.world.put(film)
    await live.after(39)
    assert states(rows)["Just Arrived"] == "unavailable"
    await live.after(3)
    assert states(rows)["Just Arrived"] == "active"
    plex.world.put(replace(film, media=(), duration=None))
    plex.requests.clear()
    plex.notify.entry(film.id)
    await live.after(300)
    assert len(plex.requests_for(ITEMS)) == 1


async def test_an_item_whose_last_frame_is_lost_is_read_after_a_minute(live, plex, rows):
    """Also where an item never gets that far, as without an agent."""
    film = next(iter(plex.world.movies()))
    plex.world.put(replace(film, title="Another Title"))
    plex.notify.entry(film.id, 1)
    await live.after(59)
    assert "Another Title" not in states(rows)
    await live.after(4)
    assert states(rows)["Another Title"] == "active"


async def test_details_are_read_after_items_and_after_markers(follow, plex, clock):
    """No poll is needed for either. Only items that are new to the server are read again because of markers."""
    clock.wall = plex.world.now + 600
    live = await follow(plex, details=True)
    clock.wall += 3600
    film = plex.changes.add_movie("1", "Just Arrived", 1931)
    await live.after(3)
    await live.after(60)
    path = f"/library/metadata/{film.rating_key}"

    def details() -> int:
        return sum("includeMarkers" in request.query for request in plex.requests_for(path))

    async with asyncio.timeout(PATIENCE_S):
        while not details():
            await live.rest()
    read = details()
    plex.notify.generate(film.id, "credits")
    await live.after(3)
    async with asyncio.timeout(PATIENCE_S):
        while details() == read:
            await live.rest()


async def test_notifications_are_turned_on_and_off_by_a_reload(serve, config, plex, events):
    """Without a restart, and without a line when that is what the configuration says."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    assert len(plex.notifications.connections) == 0
    await service.supervisor.apply(config(table(plex, notifications=True)))
    await events.next("server.live")
    await service.supervisor.apply(config(table(plex)))
    await plex.notifications.disconnected()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await events.next("server.not_live", level="warning")
            raise AssertionError


async def test_a_server_whose_notifications_are_turned_on_is_live_at_once(serve, config, plex, events):
    """Also if its last connection was lost after a moment: what failed before they were off is forgotten."""
    service = await serve(config(table(plex, notifications=True)))
    await events.next("server.live")
    plex.notify.drop()
    await events.next("server.not_live")
    await service.supervisor.apply(config(table(plex)))
    live = service.supervisor.workers["home"].live.status
    await events.next("server.not_live", level="debug")
    assert live.latest.is_off
    plex.faults.fail("/:/*", status=404, times=None)
    await service.supervisor.apply(config(table(plex, notifications=True)))
    refused = await events.next("server.not_live", level="warning")
    assert not live.latest.is_off
    assert live.latest.reason == refused["reason"]
    await service.supervisor.apply(config(table(plex)))
    await events.next("server.not_live", level="debug")
    plex.faults.clear()
    await service.supervisor.apply(config(table(plex, notifications=True)))
    await events.next("server.live")
    assert (live.latest.is_off, live.latest.reason) == (False, None)


async def test_polls_become_rare_while_a_server_is_live(live, plex, events):
    """As long as the token is the owner's; when the connection is lost, they come at the usual interval again."""
    worker = live.service.supervisor.workers["home"]
    rounds = len(events.of("round.finished"))
    live.service.clock.advance(worker._schedule.due_in)
    await events.count(rounds + 1, "round.finished")
    await live.rest()
    assert 0.9 * 1800 <= worker._schedule.due_in <= 1.1 * 1800
    plex.faults.fail("/:/*", status=404, times=None)
    for connection in list(plex.notifications.connections):
        connection.abort()
    # A connection that has lasted is made again at once, without a word.
    await live.service.clock.wake("notifications home")
    lost = await events.next("server.not_live")
    assert "HTTP 404" in lost["reason"]
    assert worker._schedule.due_in <= 300


async def test_another_machine_at_the_address_gets_no_token_and_writes_nothing(live, plex, events, rows):
    """Keys of its items mean other items."""
    before = states(rows)
    plex.world.machine_identifier = "another machine"
    for connection in list(plex.notifications.connections):
        connection.abort()
    plex.requests.clear()
    await live.service.clock.wake("notifications home")
    await live.service.clock.asleep("notifications home")
    assert "another machine" in live.service.supervisor.workers["home"].live.status.latest.reason
    assert len(events.of("server.not_live")) == 1
    plex.changes.edit(next(iter(plex.world.movies())).id, title="Of another server")
    await live.after(60)
    assert states(rows) == before
    tokens = [request for request in plex.requests if "x-plex-token" in request.headers]
    assert tokens == []
