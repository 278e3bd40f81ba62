"""Connections that fail, end, or carry nothing: the daemon polls, tries again in good time, and says so once."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.service.conftest import table

SOCKETS = "/:/websockets/*"
STREAMS = "/:/eventsource/*"
BOTH = "/:/*"


def _refused(status: int):
    def begin(plex) -> None:
        plex.faults.fail(BOTH, status=status, times=None)

    return begin


def _ignores_upgrades(plex) -> None:
    plex.notifications.quirks.ignores_upgrade = True
    plex.faults.fail(STREAMS, status=404, times=None)


def _closes(plex) -> None:
    plex.notifications.quirks.closes_at_once = True


def _drops(plex) -> None:
    plex.faults.drop(BOTH, times=None)


def _redirects(plex) -> None:
    plex.faults.redirect(BOTH, "http://127.0.0.1:1/", times=None)


def _is_another_machine(plex) -> None:
    plex.world.machine_identifier = f"not {plex.world.machine_identifier}"


TROUBLES = {
    "a proxy without upgrades": _ignores_upgrades,
    "a proxy with another scheme": _refused(400),
    "a refused token": _refused(401),
    "no such path": _refused(404),
    "a server that starts": _refused(503),
    "closed at once": _closes,
    "dropped": _drops,
    "a redirect": _redirects,
}


def end(plex) -> None:
    plex.faults.clear()
    plex.notifications.quirks.closes_at_once = plex.notifications.quirks.ignores_upgrade = False


async def tries(live, number: int) -> float:
    """Let so many connections be tried, and return the seconds that this took."""
    clock = live.service.clock
    began = clock.time
    for _ in range(number):
        await clock.wake("notifications home")
        await clock.asleep("notifications home")
    return clock.time - began


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_is_logged_when_it_begins_and_when_it_ends(live, plex, events, trouble):
    """It is tried for hours, ever more rarely; nothing piles up, and the server is polled as often as before."""
    TROUBLES[trouble](plex)
    plex.notify.drop()
    await tries(live, 3)
    tasks, requests = len(asyncio.all_tasks()), len(plex.requests)
    seconds = await tries(live, 20)
    assert len(events.of("server.not_live")) == 1
    assert len(events.of("server.live")) == 1
    assert seconds > 16 * 200
    assert len(asyncio.all_tasks()) < tasks + 15  # a poll may run
    # Per try: the identity, two channels, perhaps the sessions, and a poll of three libraries.
    assert (len(plex.requests) - requests) / 20 < 20
    assert not live.service.supervisor.workers["home"].live.status.latest.may_stretch
    end(plex)
    await live.service.clock.wake("notifications home")
    await plex.notifications.connected()
    await live.service.clock.wake("live proof home")
    await events.next("server.live")
    assert len(events.of("server.not_live")) == 1


async def test_connections_that_do_not_last_are_bounded(live, plex, events):
    """As through a proxy that ends every tunnel after a minute or two: a poll follows each new connection."""
    clock, opened, connections = live.service.clock, plex.notifications.connections.opened, []
    tasks = len(asyncio.all_tasks())
    for _ in range(30):
        clock.advance(70)
        plex.notify.drop()
        await plex.notifications.disconnected()
        await clock.wake("notifications home")
        await plex.notifications.connected()
        await live.rest()
        connections.append(clock.time)
    assert plex.notifications.connections.opened - opened == 30
    assert (connections[-1] - connections[0]) / 29 > 90
    assert len(asyncio.all_tasks()) <= tasks + 3
    assert len(events.of("server.not_live")) <= 3


async def test_a_server_that_restarts_is_followed_again_without_a_word(live, plex, events, rows):
    """What changed meanwhile is found by the poll after the connection."""
    plex.notify.drop()
    await plex.notifications.disconnected()
    film = next(iter(plex.world.movies()))
    plex.changes.edit(film.id, title="While it started")
    live.service.clock.advance(60)
    await live.service.clock.wake("notifications home")
    await plex.notifications.connected()
    await events.next("round.finished")
    await live.rest()
    assert rows("SELECT count(*) FROM movies WHERE title = 'While it started'") == [(1,)]


async def test_the_other_channel_is_used_where_one_is_refused(serve, config, plex, events):
    """By one connection at a time."""
    plex.notifications.quirks.ignores_upgrade = True
    service = await serve(config(table(plex, notifications=True)))
    assert (await events.next("server.live"))["channel"] == "event stream"
    assert [each.kind for each in plex.notifications.connections] == ["eventsource"]
    state = service.supervisor.workers["home"].live.status.latest
    assert (state.is_live, state.is_owner) == (True, True)


@pytest.mark.parametrize("failure", ["busy", "dropped"])
async def test_the_other_channel_is_used_where_one_fails_for_long(serve, config, plex, events, failure):
    """Some proxies answer to an upgrade as if the server were down, although it answers everything else."""
    if failure == "busy":
        plex.faults.fail(SOCKETS, status=502, times=None)
    else:
        plex.faults.drop(SOCKETS, times=None)
    service = await serve(config(table(plex, notifications=True)))
    assert (await events.next("server.not_live"))["level"] == "warning"
    for _ in range(2):
        await service.clock.tick("notifications home")
    await service.clock.wake("notifications home")
    await plex.notifications.connected()
    await service.clock.wake("live proof home")
    assert (await events.next("server.live"))["channel"] == "event stream"
    assert len(events.of("server.not_live")) == 1


async def test_a_token_that_one_channel_refuses_may_be_good_for_the_other(serve, config, plex, events):
    """The polls say whether a token is good; a server may send notifications to its owner only."""
    plex.faults.fail(SOCKETS, status=401, times=None)
    await serve(config(table(plex, notifications=True)))
    assert (await events.next("server.live"))["channel"] == "event stream"


async def test_a_token_that_is_refused_for_notifications_only(serve, config, plex, events):
    """It is not called a bad one."""
    plex.faults.fail(BOTH, status=401, times=None)
    await serve(config(table(plex, notifications=True)))
    problem = await events.next("server.not_live")
    assert problem["reason"].endswith(": HTTP 401 for the websocket; HTTP 401 for the event stream")
    assert "owner" in problem["hint"]
    await events.next("round.finished")
    assert not events.of("server.unauthorized")


async def test_a_library_whose_listing_failed_is_not_forgotten_while_polls_are_rare(follow, plex, events):
    """It is listed again after an interval, as without notifications, whatever polls come meanwhile."""
    plex.faults.fail("/library/sections/2/all", status=500, times=None)
    live = await follow(plex)
    worker, clock = live.service.supervisor.workers["home"], live.service.clock
    assert worker.live.status.may_stretch
    assert worker._schedule.due_in <= 330
    for _ in range(3):
        clock.advance(20)
        worker.poll_within(0)
        await live.rest()
        assert 200 < worker._schedule.due_in <= 330
    plex.faults.clear()

    await clock.wake("interval home")
    assert (await events.next("sync.finished", kind="full"))["library"] == "Dramas"
    await live.rest()
    assert worker._schedule.due_in > 1_600


async def test_floods_and_refresh_storms_cost_one_listing(live, plex, rows):
    """A refresh of everything sends thousands of frames, of items without a difference."""
    plex.notify.flood(5_000, library="1")
    await live.heard()
    plex.notify.flood(5_000, library="1", type_="activity")
    await live.after(0)
    assert len(plex.requests_for("/library/metadata/*")) == 0
    await live.after(60)
    assert len(plex.requests_for("/library/metadata/*")) <= 1
    assert len(plex.requests_for("/library/sections/*/all")) <= 2
    plex.changes.edit(next(iter(plex.world.movies())).id, title="After the flood")
    await live.after(2)
    assert rows("SELECT count(*) FROM movies WHERE title = 'After the flood'") == [(1,)]


async def test_a_shared_token_keeps_the_interval(serve, config, plex, events):
    """The server tells it little, so silence proves nothing."""
    service = await serve(config({**table(plex, notifications=True), "token": plex.shared_token}))
    assert "interval" in (await events.next("server.live"))["hint"]
    worker = service.supervisor.workers["home"]
    await events.count(2, "round.finished")
    assert 0.9 * 300 <= worker._schedule.due_in <= 1.1 * 300
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await events.next("server.not_live")
            raise AssertionError
