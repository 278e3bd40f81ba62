"""Connections are accepted, refused, filtered, pinged and closed as a real server or a proxy before it would."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from retrovue_daemon.demo.notifications import EVENTSOURCE, WEBSOCKET
from retrovue_daemon.demo.notifications import connections as connections_module
from retrovue_daemon.demo.notifications.connections import Filters
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.conftest import Get
    from tests.demo.notifications.conftest import Listen


@pytest.mark.parametrize("path", [WEBSOCKET, EVENTSOURCE])
async def test_a_token_is_required(path: str, get: Get, plex: SimulatedPlex) -> None:
    """401 without one or with a wrong one, before any upgrade."""
    for token in (None, "wrong"):
        answer = await get(path, X_Plex_Token=token, Upgrade="websocket", Connection="Upgrade")
        assert answer.status == 401
    assert plex.notifications.connections.opened == 0


async def test_the_token_may_be_in_the_query(plex: SimulatedPlex) -> None:
    """As python-plexapi sends it."""
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{plex.url}{WEBSOCKET}?X-Plex-Token={plex.token}"):
            await plex.notifications.connected()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{plex.url}{WEBSOCKET}")
    assert refused.value.status == 401


async def test_a_request_without_an_upgrade_is_refused(get: Get) -> None:
    """400, like a handshake whose headers a proxy has removed."""
    assert (await get(WEBSOCKET)).status == 400


@pytest.mark.parametrize(
    ("query", "wanted", "unwanted"),
    [
        ({}, {"timeline", "progress", "playing", "new.type"}, {"log"}),
        ({"filters": ""}, {"timeline", "log"}, set()),
        ({"filters": "timeline,status"}, {"timeline", "status"}, {"activity", "log", "progress"}),
        ({"filters": " timeline , status"}, {"timeline", "status"}, {"activity"}),
        ({"filters": "-log,progress"}, {"timeline", "activity"}, {"log", "progress"}),
        ({"filters": "log"}, {"log"}, {"timeline"}),
    ],
)
def test_filters(query: dict[str, str], wanted: set[str], unwanted: set[str]) -> None:
    """A list of types, or of all but these with a leading minus sign; everything but the log without the argument."""
    filters = Filters(query)
    assert {type_ for type_ in wanted | unwanted if filters.accept(type_)} == wanted


async def test_a_connection_gets_what_it_wants(listen: Listen, plex: SimulatedPlex) -> None:
    """Each its own types; a server that ignores filters sends everything."""
    timeline, all_but = await listen("?filters=timeline"), await listen("?filters=-timeline,activity")
    plex.changes.add_movie("1", "The Bat", 1926)
    assert {each["type"] for each in await timeline.containers()} == {"timeline"}
    assert {each["type"] for each in await all_but.containers()} == {"status", "progress"}
    plex.notifications.quirks.ignores_filters = True
    plex.changes.add_movie("1", "The Cat", 1926)
    assert {"timeline", "activity", "status", "progress"} == {each["type"] for each in await timeline.containers()}


async def test_a_shared_user_hears_nothing(listen: Listen, plex: SimulatedPlex) -> None:
    """The connection is open, and silent; pings are answered."""
    listener = await listen(**{"X-Plex-Token": plex.shared_token})
    plex.changes.add_movie("1", "The Bat", 1926)
    assert await listener.texts() == []
    plex.notifications.quirks.shared = "everything"
    plex.changes.add_movie("1", "The Cat", 1926)
    assert await listener.texts()


@pytest.mark.parametrize("status", [403, 404, 426])
async def test_an_upgrade_is_refused_by_a_fault(status: int, listen: Listen, get: Get, plex: SimulatedPlex) -> None:
    """With any status; a fault of other paths that is counted does not touch notifications."""
    plex.faults.fail("/:/websockets/*", status=status, times=1)
    plex.faults.fail("*", status=500)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await listen()
    assert refused.value.status == status
    await listen()
    assert (await get("/identity")).status == 500


async def test_a_server_that_is_down_refuses_everything(listen: Listen, plex: SimulatedPlex) -> None:
    """A fault without an end concerns all paths that it names."""
    plex.faults.maintenance(times=None)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await listen()
    assert refused.value.status == 503


async def test_a_proxy_may_ignore_the_upgrade(listen: Listen, plex: SimulatedPlex) -> None:
    """200 and a page."""
    plex.notifications.quirks.ignores_upgrade = True
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await listen()
    assert refused.value.status == 200


async def test_a_proxy_may_close_at_once(listen: Listen, plex: SimulatedPlex, session: aiohttp.ClientSession) -> None:
    """After the handshake."""
    plex.notifications.quirks.closes_at_once = True
    listener = await listen()
    assert (await listener.socket.receive()).type is aiohttp.WSMsgType.CLOSE
    async with session.get(plex.url + EVENTSOURCE) as response:
        assert await response.read() == b""
    await plex.notifications.disconnected()


async def test_a_proxy_cuts_idle_connections(listen: Listen, plex: SimulatedPlex) -> None:
    """Without a closing frame."""
    plex.notifications.quirks.idle_timeout = 0.01
    listener = await listen()
    message = await listener.socket.receive()
    assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
    assert listener.socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    await plex.notifications.disconnected()


async def test_a_half_open_connection_is_silent(listen: Listen, plex: SimulatedPlex) -> None:
    """Neither frames nor pongs come, and the server counts the pings; afterwards everything goes on."""
    listener = await listen()
    plex.notifications.quirks.silent = True
    plex.changes.add_movie("1", "The Bat", 1926)
    await listener.socket.ping(b"lost")
    await plex.notifications.pinged()
    await plex.notifications.flushed()
    plex.notifications.quirks.silent = False
    assert await listener.texts() == []


async def test_pings_are_answered_and_sent(listen: Listen, plex: SimulatedPlex) -> None:
    """A client sees those of the server only if it handles them itself."""
    listener = await listen()
    await plex.notifications.ping()
    assert (await listener.socket.receive()).type is aiohttp.WSMsgType.PING
    assert await listener.texts() == []


async def test_connections_end_with_the_server(
    listen: Listen, stream: aiohttp.ClientResponse, plex: SimulatedPlex
) -> None:
    """With 1001, and at once; after a start, nothing is replayed."""
    listener = await listen()
    plex.changes.edit(3, title="Before")
    await plex.restart()
    received = [await listener.socket.receive()]
    while received[-1].type is aiohttp.WSMsgType.TEXT:
        received.append(await listener.socket.receive())
    assert received[-1].data == aiohttp.WSCloseCode.GOING_AWAY
    await stream.read()
    assert not plex.notifications.connections
    assert await (await listen()).texts() == []


async def test_a_client_that_does_not_read_does_not_delay_the_stop(listen: Listen, plex: SimulatedPlex) -> None:
    """Neither one whose line is full, nor one that waits for the next frame of a slow server."""
    plex.notifications.quirks.pace = 3600
    waiting = await listen()
    plex.notify.status()
    assert (await waiting.socket.receive()).type is aiohttp.WSMsgType.TEXT
    plex.notifications.quirks.pace = 0
    full = await listen()
    for _ in range(4):
        plex.notify.malformed("9_mb")
    await listen()  # by then, the first of them is on its way
    assert [each.sent for each in plex.notifications.connections] == [1, 0, 0]
    async with asyncio.timeout(PATIENCE_S):
        await plex.stop()
        await plex.notifications.disconnected()
    assert not full.socket.closed


async def test_a_client_closes(listen: Listen, plex: SimulatedPlex) -> None:
    """The server answers, and forgets the connection."""
    listener = await listen()
    await listener.socket.close()
    assert listener.socket.close_code == 1000
    await plex.notifications.disconnected()
    plex.changes.edit(3, title="Unheard")


async def test_the_number_of_connections_is_bounded(
    listen: Listen, plex: SimulatedPlex, monkeypatch: pytest.MonkeyPatch, get: Get
) -> None:
    """503 for more."""
    monkeypatch.setattr(connections_module, "CONNECTIONS", 2)
    both = [await listen(), await listen()]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await listen()
    assert refused.value.status == 503
    assert (await get(EVENTSOURCE)).status == 503
    await asyncio.gather(*(listener.socket.close() for listener in both))
    await listen()


async def test_a_client_that_does_not_read_is_disconnected(
    listen: Listen, plex: SimulatedPlex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once too much waits for it."""
    monkeypatch.setattr(connections_module, "WAITING", 10)
    listener = await listen()
    plex.changes.delete(next(plex.world.shows()).id)
    with pytest.raises(AssertionError):
        await listener.texts()
    await plex.notifications.disconnected()
