"""Connections that fail, end, or carry nothing: the daemon polls, tries again in good time, and says so once."""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from retrovue_daemon.service.live import connection
from retrovue_daemon.sources.plex import notifications
from tests.service.conftest import table
from tests.service.live.conftest import Live, seen

RECONNECTS = int(os.environ.get("RETROVUE_LIVE_RECONNECTS", "20"))
"""How often each kind of trouble makes the connection fail. With 300, the tests take three minutes."""

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
    "a proxy that blocks the paths": _refused(403),
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


class Holdings:
    """What the process holds, which must not grow with the number of connections."""

    def __init__(self, plex, events) -> None:
        # What the tests have collected is not held by the daemon.
        plex.requests.clear()
        events.lines.clear()
        events._read = 0
        gc.collect()
        # Nor are the tasks of the simulated server.
        self.tasks = sum("RequestHandler" not in repr(task.get_coro()) for task in asyncio.all_tasks())
        self.files = len(list(Path("/proc/self/fd").iterdir()))
        self.bytes = tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0

    def grew(self, before: Holdings) -> bool:
        # A poll may run, with its connections.
        more = self.tasks - before.tasks > 15 or self.files - before.files > 20
        return more or self.bytes - before.bytes > 500_000


@pytest.fixture(autouse=True)
def traced():
    """Count memory where many reconnects are to be played: it makes everything slow."""
    if RECONNECTS >= 100:
        tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_is_logged_when_it_begins_and_when_it_ends(live, plex, events, trouble):
    """It is tried for hours, ever more rarely; nothing piles up, and the server is polled as often as before."""
    TROUBLES[trouble](plex)
    plex.notify.drop()
    await tries(live, 3)
    assert len(events.of("server.not_live")) == 1
    before = Holdings(plex, events)
    seconds = await tries(live, RECONNECTS)
    assert events.of("server.not_live") + events.of("server.live") == []
    assert seconds > 0.8 * RECONNECTS * 200
    # Per try: the identity, two channels, perhaps the sessions, and a poll of three libraries.
    assert len(plex.requests) / RECONNECTS < 20
    assert not Holdings(plex, events).grew(before)
    assert not live.service.supervisor.workers["home"].live.status.latest.may_stretch
    end(plex)
    await live.service.clock.wake("notifications home")
    await plex.notifications.connected()
    await live.service.clock.wake("live proof home")
    await events.next("server.live")
    assert events.of("server.not_live") == []


def _tunnel(_plex) -> None:
    """A proxy ends each connection, and allows the next one."""


def _restart(plex) -> None:
    """The server is not there for a while after each connection."""
    plex.faults.fail(BOTH, status=503, times=2)


@pytest.mark.parametrize(("each", "seconds", "lines"), [(_tunnel, 70, 1), (_restart, 90, 2), (_restart, 200, 3)])
async def test_connections_that_come_and_go_are_bounded(live, plex, events, each, seconds, lines):
    """Neither a line for each nor a poll for each; when they last, there is one more line."""
    clock, opened = live.service.clock, plex.notifications.connections.opened
    number = max(RECONNECTS, 30)
    before, began = Holdings(plex, events), clock.time
    for _ in range(number):
        clock.advance(seconds)
        each(plex)
        plex.notify.drop()
        await plex.notifications.disconnected()
        await live.reconnected()
    assert plex.notifications.connections.opened - opened == number
    assert number / (clock.time - began) * 3600 < 16
    assert len(plex.requests) / number < 25
    assert (len(events.of("server.not_live")), len(events.of("server.live"))) == (lines, lines - 1)
    assert not Holdings(plex, events).grew(before)
    await clock.wake("live proof home")
    await events.next("server.live")


async def test_connections_that_carry_nothing_are_ended(live, plex, events, monkeypatch):
    """They stay open, but no ping is answered, as if the server slept: that is trouble like any other."""
    monkeypatch.setattr(notifications, "HEARTBEAT", 0.02)
    monkeypatch.setattr(notifications, "_ENDLESS", aiohttp.ClientTimeout(total=None, sock_read=0.02))
    plex.notifications.quirks.silent = True
    plex.notify.drop()
    await tries(live, 3)
    before = Holdings(plex, events)
    await tries(live, RECONNECTS)
    assert events.of("server.not_live") + events.of("server.live") == []
    after = Holdings(plex, events)
    after.bytes = before.bytes  # the simulated server keeps its halves of the connections
    assert not after.grew(before)
    plex.notifications.quirks.silent = False
    monkeypatch.undo()
    await live.reconnected()
    await live.service.clock.wake("live proof home")
    await events.next("server.live")


async def test_a_server_that_restarts_is_followed_again_without_a_word(live, plex, events, rows):
    """What changed meanwhile is found by the poll after the connection."""
    rounds = len(events.of("round.finished"))
    plex.notify.drop()
    await plex.notifications.disconnected()
    film = next(iter(plex.world.movies()))
    plex.changes.edit(film.id, title="While it started")
    live.service.clock.advance(60)
    await live.service.clock.wake("notifications home")
    await plex.notifications.connected()
    await seen(events, "round.finished", rounds + 1)
    await live.rest()
    assert rows("SELECT count(*) FROM movies WHERE title = 'While it started'") == [(1,)]
    assert live.service.supervisor.workers["home"].live.status.latest.may_stretch


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


async def test_a_token_that_is_revoked_while_the_connection_stays(live, plex, rows, events):
    """It is reported, and not shown again with each notification; once it is good again, nothing is missing."""
    token, plex.token = plex.token, "another one"
    films = list(plex.world.movies())
    plex.changes.edit(films[0].id, title="Meanwhile 1")
    await live.after(2)
    assert (await events.next("server.unauthorized"))["level"] == "error"
    await live.service.clock.asleep("interval home")
    plex.requests.clear()
    for number in range(2, 5):
        plex.changes.edit(films[0].id, title=f"Meanwhile {number}")
        await live.after(2)
    assert not plex.requests
    plex.token = token
    await live.service.clock.wake("interval home")
    await events.next("server.recovered")
    await live.rest()
    assert rows("SELECT count(*) FROM movies WHERE title = 'Meanwhile 4'") == [(1,)]


async def test_a_token_that_is_revoked_after_other_trouble(live, plex, events):
    """The first trouble was logged; that the token is bad must not wait for the next poll."""
    plex.faults.fail("/library/*", status=503, times=None)
    film = next(iter(plex.world.movies()))
    plex.notify.entry(film.id)
    await live.after(3)
    plex.faults.clear()
    plex.token = "another one"
    plex.notify.entry(film.id)
    await live.after(3)
    assert events.of("server.unauthorized")


async def test_a_server_that_responds_again_is_polled_at_once(live, plex, events):
    """After a long outage, the next poll would be a quarter of an hour later; until then no hint is followed."""
    worker, clock = live.service.supervisor.workers["home"], live.service.clock
    plex.faults.fail("/*", status=503, times=None)
    plex.notify.drop()
    for _ in range(8):
        await clock.tick("interval home")
    assert worker._schedule.due_in > 400
    plex.faults.clear()
    await clock.wake("notifications home")
    await plex.notifications.connected()
    await events.next("server.recovered")


async def test_a_demanded_pause_is_obeyed_by_all_that_notifications_cause(live, plex, rows):
    """Afterwards nothing is missing."""
    film = next(iter(plex.world.movies()))
    plex.world.put(replace(film, title="Another Title"))
    plex.faults.fail("/library/metadata/*", status=429, retry_after="200")
    plex.notify.entry(film.id)
    await live.after(3)
    for _ in range(3):
        plex.notify.entry(film.id)
        plex.notify.scan("1")
        await live.after(50)
    assert len(plex.requests_for("/library/*")) == 1
    await live.after(60)
    assert rows("SELECT title FROM movies WHERE rating_key = ?", film.rating_key) == [("Another Title",)]


async def test_a_pause_that_a_connection_is_told_is_obeyed(live, plex, events):
    """A server or a proxy that limits requests refuses nothing for good."""
    clock = live.service.clock
    plex.faults.fail(BOTH, status=429, retry_after="100")
    clock.advance(60)
    plex.notify.drop()
    await clock.wake("notifications home")
    line = await events.next("server.not_live")
    assert "temporarily unavailable: HTTP 429" in line["reason"]
    assert not line.get("hint")
    assert 100 <= await clock.asleep("notifications home") - clock.time < 101


async def test_a_server_is_not_live_while_a_fault_of_the_daemon_interrupts(live, plex, events, monkeypatch):
    """It is polled as without notifications, and followed again after an interval."""
    worker, clock = live.service.supervisor.workers["home"], live.service.clock

    def fault(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(connection, "read_frame", fault)
        plex.notify.entry(next(iter(plex.world.movies())).id)
        await events.next("server.crashed")
        await clock.asleep("live home")
    assert not worker.live.status.latest.is_live
    assert worker._schedule.due_in <= 300
    await clock.wake("live home")
    await events.next("server.live")
    assert len(events.of("server.not_live")) == 1


async def test_a_library_whose_listing_failed_is_not_forgotten_while_polls_are_rare(follow, plex, events):
    """It is listed again after an interval, as without notifications, whatever polls come meanwhile."""
    plex.faults.fail("/library/sections/2/all", status=500, times=None)
    live = await follow(plex)
    worker, clock = live.service.supervisor.workers["home"], live.service.clock
    assert worker.live.status.latest.may_stretch
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
    await Live(service, plex).rest()  # there was one round or two: the connection is made beside the first
    assert 0.9 * 300 <= worker._schedule.due_in <= 1.1 * 300
    assert events.of("server.not_live") == []


async def test_a_server_that_does_not_say_whose_token_it_is(serve, config, plex, events):
    """That is not the same as a token that is not the owner's."""
    plex.faults.fail("/status/sessions", status=500, times=None)
    await serve(config(table(plex, notifications=True)))
    assert "does not say" in (await events.next("server.live"))["hint"]


async def test_a_connection_that_brings_nothing_does_not_make_polls_rare(live, plex):
    """It may look well: pings are answered. When something is announced after all, the server is trusted again."""
    worker, status = live.service.supervisor.workers["home"], live.service.supervisor.workers["home"].live.status
    film = next(iter(plex.world.movies()))
    assert status.latest.may_stretch
    plex.world.put(replace(film, title="Unannounced", updated_at=plex.world.now + 1))
    worker.poll_within(0)
    await live.rest()
    assert status.latest.is_silent
    assert worker._schedule.due_in <= 330
    plex.notify.scan("1")
    await live.after(0)
    assert status.latest.may_stretch


@pytest.mark.parametrize("trouble", ["slow", "asleep", "gone"])
async def test_a_server_in_trouble_does_not_delay_another_ones_changes(
    serve, config, plex, start_plex, events, rows, trouble
):
    """It does not answer a request for an announced item, nothing at all, or its connection has just ended."""
    attic = await start_plex("Musicals", "Shorts", name="Bijou")
    service = await serve(
        config(table(plex, notifications=True), table(attic, "attic", notifications=True), sync={"concurrency": 1})
    )
    await seen(events, "sync.finished", 5, kind="full")
    await seen(events, "server.live", 2)
    live = Live(service, plex)
    await live.rest()
    live.begin()
    film = next(iter(attic.world.movies()))
    if trouble == "gone":
        attic.notify.drop()
        attic.faults.drop("/*", times=None)
        await attic.notifications.disconnected()
    else:
        held = attic.faults.hang("/*" if trouble == "asleep" else "/library/metadata/*")
        attic.changes.edit(film.id, title="Not Yet")
        await attic.notifications.flushed()
        while not held.reached.is_set():
            # The first frames may only arrive after a step.
            await asyncio.sleep(0.002)
            service.clock.advance(0.5)
    plex.changes.edit(next(iter(plex.world.movies())).id, title="Another Title")
    await live.after(2)
    assert rows("SELECT count(*) FROM movies WHERE title = 'Another Title'") == [(1,)]
    assert rows("SELECT count(*) FROM movies WHERE title = 'Not Yet'") == [(0,)]
    attic.faults.clear()
