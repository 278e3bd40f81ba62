"""The connection for notifications, against servers and proxies on loopback that behave in every way."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections import Counter

import pytest
from aiohttp import ClientTimeout, WSCloseCode, web

from retrovue_daemon.config import Secret
from retrovue_daemon.errors import (
    AnswerBrokeOff,
    BadAnswer,
    NotificationsRefused,
    PlexError,
    RequestRefused,
    ServerBusy,
    ServerUnreachable,
    Unauthorized,
)
from retrovue_daemon.sources.plex import event_lines, notifications
from retrovue_daemon.sources.plex.notifications import EVENT_STREAM, WEBSOCKET, RawFrame

PATHS = {"websocket": WEBSOCKET, "event stream": EVENT_STREAM}
both = pytest.mark.parametrize("channel", PATHS)


@pytest.fixture
async def client(connect):
    """A client of the fake server."""
    return await connect()


def socket_of(*frames, close: int | None = None, abort: bool = False):
    """A handler that sends frames over a websocket, and then waits, closes or aborts."""

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for frame in frames:
            if isinstance(frame, tuple):
                writer = socket._writer
                assert writer is not None
                await writer.send_frame(frame[0], 1)  # a text frame of any bytes
            elif isinstance(frame, bytes):
                await socket.send_bytes(frame)
            else:
                await socket.send_str(frame)
        if abort:
            assert request.transport is not None
            request.transport.abort()
        elif close is not None:
            await socket.close(code=close)
        else:
            await socket.receive()
        return socket

    return handle


def stream_of(*pieces: bytes, ends: bool = True):
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if not ends:
            await asyncio.Event().wait()
        return response

    return handle


async def frames_of(client, channel) -> tuple[list[RawFrame], PlexError]:
    """All frames until the connection ends, and the error that it ends with."""
    found: list[RawFrame] = []
    try:
        async with client.notifications.connect(channel) as frames:
            async for frame in frames:
                found += [frame]
    except PlexError as error:
        return found, error
    raise AssertionError("no connection ends without an error")


async def test_frames_of_a_websocket(plex, client):
    """Texts and bytes alike, also texts that are not UTF-8; the token is in the header, never in the address."""
    plex.answer(WEBSOCKET, socket_of('{"a":1}', b"\xff", (b'{"t":"\xe9"}',), close=WSCloseCode.GOING_AWAY))
    found, error = await frames_of(client, "websocket")
    assert found == [RawFrame(b'{"a":1}'), RawFrame(b"\xff"), RawFrame(b'{"t":"\xe9"}')]
    assert isinstance(error, AnswerBrokeOff)
    assert "code 1001" in str(error)
    (request,) = plex.requests
    assert request.headers["X-Plex-Token"] == plex.TOKEN
    assert dict(request.query) == {"filters": "timeline,activity,status"}


async def test_frames_of_an_event_stream(plex, client):
    """Pieces end anywhere."""
    plex.answer(EVENT_STREAM, stream_of(b"event: pi", b"ng\ndata: {}\r", b"\n\r\nevent: timeline\ndata: {", b"}\n\n"))
    found, error = await frames_of(client, "event stream")
    assert found == [RawFrame(b"{}", "ping"), RawFrame(b"{}", "timeline")]
    assert isinstance(error, AnswerBrokeOff)
    (request,) = plex.requests
    assert request.headers["Accept"] == "text/event-stream"
    assert request.headers["X-Plex-Token"] == plex.TOKEN
    assert plex.TOKEN not in str(request.rel_url)


@both
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, NotificationsRefused),
        (400, NotificationsRefused),
        (403, NotificationsRefused),  # a rule of a proxy: a token that is no good is refused elsewhere, too
        (404, NotificationsRefused),
        (426, NotificationsRefused),
        (408, ServerBusy),
        (429, ServerBusy),
        (501, NotificationsRefused),
        (503, ServerBusy),
    ],
)
async def test_a_refused_handshake(plex, client, channel, status, kind):
    """Which error it is decides whether the other channel is tried."""
    plex.answer(PATHS[channel], plex.reply(b"<html>no</html>", status=status, Content_Type="text/html"))
    found, error = await frames_of(client, channel)
    assert (found, type(error)) == ([], kind)
    assert str(status) in str(error)
    assert len(plex.requests) == 1


@both
async def test_a_demanded_pause_is_part_of_the_error(plex, client, channel):
    plex.answer(PATHS[channel], plex.reply(status=429, Retry_After="70"))
    _, error = await frames_of(client, channel)
    assert isinstance(error, ServerBusy)
    assert error.retry_after == 70


@both
async def test_a_redirect_takes_the_token_nowhere(plex, client, channel):
    """Not even to the same host."""
    plex.answer(PATHS[channel], plex.reply(status=301, Location=f"{plex.url}/elsewhere"))
    plex.otherwise = socket_of("x", close=1000)
    _, error = await frames_of(client, channel)
    assert isinstance(error, RequestRefused)
    assert "redirects are not followed" in str(error.hint)
    assert [request.path for request in plex.requests] == [PATHS[channel]]


@both
async def test_a_refused_token(plex, client, channel):
    """It is never shown, whatever else is."""
    plex.answer(PATHS[channel], plex.reply(status=401))
    _, error = await frames_of(client, channel)
    assert isinstance(error, Unauthorized)
    assert plex.TOKEN not in "".join(traceback.format_exception(error))


@both
async def test_a_token_is_read_again_where_it_is_refused(plex, connect, tmp_path, channel):
    """Plex's newer tokens are valid for seven days."""
    place = tmp_path / "token"
    place.write_text("tok-new-one-0815\n")
    client = await connect(token=Secret("tok-old-one-4711", ("token_file", str(place))))
    good = socket_of("1", close=1000) if channel == "websocket" else stream_of(b"data: 1\n\n")
    plex.answer(PATHS[channel], plex.reply(status=401), good)
    found, _ = await frames_of(client, channel)
    assert [frame.data for frame in found] == [b"1"]
    assert [request.headers["X-Plex-Token"] for request in plex.requests] == ["tok-old-one-4711", "tok-new-one-0815"]


async def test_nobody_listens(plex, client):
    """The errors of aiohttp, which hold the headers, are no part of ours."""
    await plex.stop()
    _, error = await frames_of(client, "websocket")
    assert isinstance(error, ServerUnreachable)
    assert plex.TOKEN not in "".join(traceback.format_exception(error))
    assert error.__context__ is None


async def test_a_lost_connection(plex, client):
    """What came before it is not lost."""
    plex.answer(WEBSOCKET, socket_of("1", abort=True))
    found, error = await frames_of(client, "websocket")
    assert found == [RawFrame(b"1")]
    assert isinstance(error, AnswerBrokeOff)


async def test_a_message_that_is_too_long_ends_the_connection(plex, client, monkeypatch):
    """The next connection may do better."""
    monkeypatch.setattr(notifications, "LONGEST_MESSAGE", 1 << 20)
    plex.answer(WEBSOCKET, socket_of("1", "x" * (1 << 20 | 1)))
    found, error = await frames_of(client, "websocket")
    assert found == [RawFrame(b"1")]
    assert isinstance(error, BadAnswer)
    assert str(error).endswith(": a message is longer than 1 MiB")


async def test_bytes_that_are_no_websocket_end_the_connection(plex, client):
    """They are not taken for a server that cannot be reached."""

    async def send(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.transport is not None
        request.transport.write(b"\xff\xff\xff\xff")
        await socket.receive()
        return socket

    plex.answer(WEBSOCKET, send)
    found, error = await frames_of(client, "websocket")
    assert found == []
    assert isinstance(error, BadAnswer)
    assert str(error).endswith(": a message breaks the websocket protocol (code 1002)")


async def test_an_event_without_end_ends_the_connection(plex, client, monkeypatch):
    """Nothing grows without limit."""
    monkeypatch.setattr(event_lines, "LONGEST_EVENT", 100)
    plex.answer(EVENT_STREAM, stream_of(b"data: 1\n\n", b"data: " + b"x" * 200, ends=False))
    found, error = await frames_of(client, "event stream")
    assert found == [RawFrame(b"1", "message")]
    assert isinstance(error, BadAnswer)


async def test_a_half_open_websocket_is_noticed(plex, client, monkeypatch):
    """A peer that answers no ping is gone, although nothing says so."""
    monkeypatch.setattr(notifications, "HEARTBEAT", 0.02)

    async def deaf(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await plex.release.wait()
        return socket

    plex.answer(WEBSOCKET, deaf)
    found, error = await frames_of(client, "websocket")
    assert found == []
    assert isinstance(error, AnswerBrokeOff)
    assert "ping" in str(error)


async def test_a_silent_event_stream_is_noticed(plex, client, monkeypatch):
    """Servers send an event at least every quarter of a minute."""
    monkeypatch.setattr(notifications, "_ENDLESS", ClientTimeout(sock_read=0.02))

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await plex.release.wait()
        return response

    plex.answer(EVENT_STREAM, silent)
    found, error = await frames_of(client, "event stream")
    assert found == []
    assert isinstance(error, AnswerBrokeOff)


async def test_leaving_closes_the_connection(plex, client):
    """Nothing remains open when the caller has enough."""
    ended = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("1")
        async for _ in socket:
            pass
        ended.set()
        return socket

    plex.answer(WEBSOCKET, handle)
    async with client.notifications.connect("websocket") as frames:
        assert await anext(frames) == RawFrame(b"1")
    await asyncio.wait_for(ended.wait(), 10)


async def test_pings_before_a_reset_are_no_failure_of_their_own(plex, client):
    """Pongs can no longer be sent then; the end of the connection is what counts."""

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.transport is not None
        request.transport.write(b"\x89\x00" * 5_000)
        return await plex.reset(request)

    plex.answer(WEBSOCKET, handle)
    found, error = await frames_of(client, "websocket")
    assert found == []
    assert isinstance(error, AnswerBrokeOff)


@pytest.mark.parametrize("kind", ["texts", "pings", "events"])
async def test_others_get_their_turn_while_what_has_arrived_is_read(plex, client, kind):
    """A server that floods holds up nothing else."""
    text, ping = b"\x81\x02{}", b"\x89\x00"
    flood = {"texts": text * 5_000, "pings": (ping * 49 + text) * 100, "events": b"data:\n\n" * 5_000}[kind]
    channel = "event stream" if kind == "events" else "websocket"

    async def handle(request: web.Request) -> web.StreamResponse:
        if kind == "events":
            return await stream_of(flood)(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.transport is not None
        request.transport.write(flood + b"\x88\x00")
        return socket

    turn, frames_of_turn = 0, Counter[int]()

    async def take_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    plex.answer(PATHS[channel], handle)
    taking = asyncio.create_task(take_turns())
    with contextlib.suppress(PlexError):
        async with client.notifications.connect(channel) as frames:
            async for _ in frames:
                frames_of_turn[turn] += 1
    taking.cancel()
    assert frames_of_turn.total() == (100 if kind == "pings" else 5_000)
    assert max(frames_of_turn.values()) <= (2 if kind == "pings" else 51)
