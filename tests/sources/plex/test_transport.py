"""One request: what is sent, what is tried again, and what every failure becomes."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import errno
import gzip
import html
import json
import os
import ssl
import sys
import threading
import time
import traceback
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from structlog.testing import capture_logs

from retrovue_daemon.config import Secret
from retrovue_daemon.errors import (
    AnswerBrokeOff,
    BadAnswer,
    PlexError,
    RequestRefused,
    ServerBusy,
    ServerTimeout,
    ServerUnreachable,
    Unauthorized,
)
from retrovue_daemon.sources.plex.failures import failure_of
from retrovue_daemon.sources.plex.parse import parse_identity
from retrovue_daemon.sources.plex.retries import Attempts, RetryPolicy
from retrovue_daemon.sources.plex.transport import Response, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from retrovue_daemon.records import ServerIdentity
    from tests.sources.plex.conftest import FakePlex

    Connect = Callable[..., Awaitable[Transport]]

PATH = "/identity"
TOKEN = "tok-Pgx8vUPyLQ"
PATIENCE_S = 10
IDENTITY = {"MediaContainer": {"size": 0, "machineIdentifier": "9f", "version": "1.43.3"}}
CERTIFICATE = Path(__file__).parent / "fixtures" / "certificate-of-plex-direct.pem"
NAME_IN_CERTIFICATE = "127-0-0-1.0123456789abcdef.plex.direct"


def read(answer: Response) -> ServerIdentity:
    return parse_identity(answer.body, content_type=answer.content_type)


async def failure(transport: Transport, **arguments: Any) -> PlexError:
    """Ask, and give the error; whatever it is, it and all that hangs on it never hold the token."""
    with pytest.raises(PlexError) as raised:
        await transport.get(PATH, read, **arguments)
    error = raised.value
    assert_no_token(error)
    return error


async def by_steps(
    transport: Transport,
    parse: Callable[[Response], ServerIdentity],
    turn: Callable[[], AbstractAsyncContextManager[None]],
    arrived: Callable[[Response], Awaitable[object]],
) -> ServerIdentity:
    """Request something as pages are requested: other things happen before the answer is decoded."""
    async for attempt in transport.attempts():
        with attempt, transport.bodies.share("home") as share:
            answer = await transport.send(PATH, share, turn=turn)
            await arrived(answer)
            return await transport.decode(answer, parse)
    raise AssertionError


def assert_no_token(error: BaseException) -> None:
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = "".join(traceback.format_exception(error))
    for text in (shown, str(error), repr(error), repr(error.args), repr(vars(error))):
        assert TOKEN not in text
    assert "\n" not in str(error)


# -- what is sent ---------------------------------------------------------------------------------------------------


async def test_headers(plex: FakePlex, transport: Connect) -> None:
    """Servers see who asks, and the token in a header, never in the address."""
    plex.answer(PATH, plex.reply(IDENTITY))
    await (await transport()).get(PATH, read, params={"type": "1"})
    (request,) = plex.requests
    assert request.headers["X-Plex-Token"] == plex.TOKEN
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["X-Plex-Client-Identifier"] == "c-1"
    assert request.headers["X-Plex-Product"] == "retrovue-daemon"
    assert request.headers["X-Plex-Version"] == "1.2.3"
    assert request.headers["X-Plex-Device-Name"]
    assert request.path_qs == f"{PATH}?type=1"


async def test_without_token(plex: FakePlex, transport: Connect) -> None:
    """Before a server is known it gets no token."""
    plex.answer(PATH, plex.reply(IDENTITY))
    await (await transport()).get(PATH, read, with_token=False)
    assert "X-Plex-Token" not in plex.requests[0].headers


async def test_path_prefix(plex: FakePlex, transport: Connect) -> None:
    """The path of the configured address stays in front."""
    plex.answer(f"/plex{PATH}", plex.reply(IDENTITY))
    assert await (await transport(url=f"{plex.url}/plex")).get(PATH, read) == read_back()


def read_back() -> ServerIdentity:
    return parse_identity(b'{"MediaContainer":{"machineIdentifier":"9f","version":"1.43.3"}}')


async def test_an_answer_is_read_once_it_is_wanted(plex: FakePlex, transport: Connect) -> None:
    """Until then its body waits, and neither the place nor the turn of its request is kept."""
    plex.answer(PATH, plex.reply(IDENTITY))
    wanted, turn_ended, seconds, read_at = asyncio.Event(), asyncio.Event(), [], []

    @asynccontextmanager
    async def turn() -> AsyncIterator[None]:
        yield
        turn_ended.set()

    async def arrived(answer: Response) -> None:
        seconds.append(answer.seconds)
        await wanted.wait()

    def note(answer: Response) -> ServerIdentity:
        read_at.append(wanted.is_set())
        return read(answer)

    connection = await transport(concurrency=1)
    waiting = asyncio.create_task(by_steps(connection, note, turn, arrived))
    async with asyncio.timeout(PATIENCE_S):
        await turn_ended.wait()
    assert await connection.get(PATH, read)
    assert len(seconds) == 1
    assert not waiting.done()
    wanted.set()
    assert await waiting == read_back()
    assert read_at == [True]


async def test_an_answer_that_cannot_be_read_is_asked_for_again_in_another_turn(
    plex: FakePlex, transport: Connect
) -> None:
    """That shows only when it is read."""
    plex.answer(PATH, plex.reply(b"nothing"), plex.reply(IDENTITY))
    turns, arrivals = [], []

    @asynccontextmanager
    async def turn() -> AsyncIterator[None]:
        turns.append(len(plex.requests))
        yield

    async def arrived(answer: Response) -> None:
        arrivals.append(answer.body)

    assert await by_steps(await transport(), read, turn, arrived)
    assert turns == [0, 1]
    assert arrivals[0] == b"nothing"


@pytest.mark.parametrize(
    ("body", "in_a_thread"),
    [
        (b'{"a": [%s""]}' % (b'"xxxxxxxx", ' * 100_000), False),
        (b'{"a": [%s""]}' % (b'"xxxxxxxx", ' * 500_000), True),
        (b'{"a": "%s"}' % (b"x" * 1_000_000), True),
        (b'{"a": "%s\\u0000"}' % (b"x" * 1_000_000), True),
        (b'{"a": "\\u0000"}', False),
        (b"<MediaContainer/>", True),
    ],
    ids=["page", "huge", "text to be cut", "page to be mended", "small one to be mended", "XML"],
)
async def test_what_takes_long_is_read_in_a_thread(
    plex: FakePlex, transport: Connect, body: bytes, *, in_a_thread: bool
) -> None:
    """The event loop has other things to do."""

    def thread(_answer: Response) -> bool:
        return threading.current_thread() is not threading.main_thread()

    plex.answer(PATH, plex.reply(body))
    assert await (await transport(max_body=10_000_000)).get(PATH, thread) is in_a_thread


async def test_pages_of_several_servers_are_not_decoded_in_one_turn(plex: FakePlex, transport: Connect) -> None:
    """Pages that arrive at the same time would block the event loop for as long as all of them take."""
    connection = await transport(max_body=10_000_000)
    share = connection.bodies.share("home")
    share.content = b'{"a": [%s""]}' % (b'"xxxxxxxx", ' * 100_000)
    response = Response(share, "", None, 0.0)
    decoded: list[int] = []
    turns = [0]
    loop = asyncio.get_running_loop()

    def count() -> None:
        turns.append(len(turns))
        timers.append(loop.call_later(0, count))

    timers = [loop.call_later(0, count)]
    await asyncio.gather(*(connection.decode(response, lambda _: decoded.append(turns[-1])) for _ in range(4)))
    timers[-1].cancel()
    assert len(set(decoded)) == 4


async def test_no_cookies(plex: FakePlex, transport: Connect) -> None:
    """Cookies are not kept."""
    plex.answer(PATH, plex.reply(IDENTITY, Set_Cookie="a=b"))
    # Of a bare address no jar of aiohttp would keep them anyway.
    connection = await transport(url=f"http://localhost:{plex.port}")
    await connection.get(PATH, read)
    await connection.get(PATH, read)
    assert "Cookie" not in plex.requests[1].headers


async def test_environment_is_ignored(plex: FakePlex, transport: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment does not get to see the token."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    plex.answer(PATH, plex.reply(IDENTITY))
    assert await (await transport()).get(PATH, read)


async def test_redirects_are_not_followed(plex: FakePlex, transport: Connect) -> None:
    """A redirect would carry the token elsewhere: it is refused, without another try."""
    plex.answer(PATH, plex.reply(status=302, Location=f"{plex.url}/elsewhere"))
    error = await failure(await transport())
    assert isinstance(error, RequestRefused)
    assert error.status == 302
    assert [request.path for request in plex.requests] == [PATH]


async def test_requests_in_flight(plex: FakePlex, transport: Connect) -> None:
    """No more requests are in flight than configured."""
    flying, most = 0, 0

    async def count(request: web.Request) -> web.StreamResponse:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        if flying == 2:
            plex.release.set()
        await plex.release.wait()
        flying -= 1
        return web.json_response(IDENTITY)

    plex.answer(PATH, count)
    connection = await transport(concurrency=2)
    await asyncio.gather(*(connection.get(PATH, read) for _ in range(9)))
    assert most == 2
    assert len(plex.requests) == 9


async def test_waiting_for_another_request(
    plex: FakePlex, transport: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a request waits for another one to end, its own time has not begun."""
    monkeypatch.setattr("retrovue_daemon.sources.plex.transport.CONNECT_TIMEOUT", 0.25)

    async def slow(_request: web.Request) -> web.StreamResponse:
        asyncio.get_running_loop().call_later(0.4, plex.release.set)
        await plex.release.wait()
        return web.json_response(IDENTITY)

    plex.answer(PATH, slow)
    connection = await transport(concurrency=1)
    await asyncio.gather(*(connection.get(PATH, read) for _ in range(2)))
    assert len(plex.requests) == 2


async def test_retries_are_not_logged(plex: FakePlex, transport: Connect) -> None:
    """Lasting failures are logged where they end a pass."""
    plex.answer(PATH, plex.reply(status=500))
    with capture_logs() as logs:
        await failure(await transport())
    assert {line["event"] for line in logs} == {"http.request"}


async def test_total_of_the_header(plex: FakePlex, transport: Connect) -> None:
    """The total of a listing stands in a header; what is no number is none."""
    totals = ("900", "many", "", "-1", "9" * 30)
    plex.answer(PATH, *(plex.reply(IDENTITY, X_Plex_Container_Total_Size=total) for total in totals))
    connection = await transport()
    seen = [await connection.get(PATH, lambda answer: answer.total) for _ in totals]
    assert seen == [900, None, None, None, None]


# -- statuses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
async def test_token_refused(plex: FakePlex, transport: Connect, status: int) -> None:
    """A token is given up after a second try: servers under strain refuse good ones."""
    plex.answer(PATH, plex.reply(status=status))
    error = await failure(await transport())
    assert isinstance(error, Unauthorized)
    assert error.status == status
    assert len(plex.requests) == 2


async def test_token_refused_by_mistake(plex: FakePlex, transport: Connect) -> None:
    """A token that the second try accepts was good."""
    plex.answer(PATH, plex.reply(status=401), plex.reply(IDENTITY))
    assert await (await transport()).get(PATH, read)


@pytest.mark.parametrize("status", [300, 304, 400, 404, 410, 501])
async def test_refused(plex: FakePlex, transport: Connect, status: int) -> None:
    """What the server will not do it will not do at a second try either."""
    plex.answer(PATH, plex.reply(status=status))
    error = await failure(await transport())
    assert isinstance(error, RequestRefused)
    assert (error.status, error.path) == (status, PATH)
    assert len(plex.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 509])
async def test_busy(plex: FakePlex, transport: Connect, status: int) -> None:
    """A busy server is asked four times."""
    plex.answer(PATH, plex.reply(status=status))
    error = await failure(await transport())
    assert isinstance(error, ServerBusy)
    assert (error.status, error.retry_after) == (status, None)
    assert len(plex.requests) == 4


async def test_busy_for_a_while(plex: FakePlex, transport: Connect) -> None:
    """An answer at the fourth try is an answer."""
    plex.answer(PATH, *[plex.reply(status=500)] * 3, plex.reply(IDENTITY))
    assert await (await transport()).get(PATH, read)


async def test_maintenance(plex: FakePlex, transport: Connect) -> None:
    """While a server starts it says in XML what it is doing; that is told, in one line and without the token."""
    body = (
        '<?xml version="1.0"?><Response code="503" title="Maintenance" '
        f'status="Migrations &amp;&#10; {plex.TOKEN} {"x" * 500}"/>'
    )
    plex.answer(PATH, plex.reply(body.encode(), status=503, Content_Type="application/xml"))
    error = await failure(await transport())
    assert error.detail.startswith("HTTP 503, Migrations & *** xxx")
    assert len(error.detail) < 250


@pytest.mark.parametrize(
    ("encoding", "pack", "told"),
    [
        ("gzip", gzip.compress, "HTTP 503, Starting"),
        ("gzip", lambda body: gzip.compress(body)[:-9], "HTTP 503, Starting"),
        ("gzip", lambda body: body, "HTTP 503"),
        ("br", lambda body: body, "HTTP 503"),
    ],
)
async def test_maintenance_that_is_compressed(plex: FakePlex, transport: Connect, encoding, pack, told) -> None:
    """It is told as well, unless it is broken."""
    body = pack(b'<Response code="503" title="Maintenance" status="Starting"/>')
    headers = {"Content_Type": "application/xml", "Content_Encoding": encoding}
    plex.answer(PATH, plex.reply(body, status=503, **headers))
    assert (await failure(await transport(compression=True))).detail == told


async def test_maintenance_that_comes_in_pieces_or_is_huge(plex: FakePlex, transport: Connect) -> None:
    """Its first bytes may come alone; and of what is unpacked from a few kilobytes no more is read than of others."""
    packed = gzip.compress(b'<Response code="503" title="Maintenance" status="Starting"/>')
    bomb = gzip.compress(b'<Response code="503" status="' + b"x" * 10_000_000 + b'"/>', mtime=0)[:4096]

    async def in_pieces(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(status=503, headers={"Content-Type": "text/xml", "Content-Encoding": "gzip"})
        await answer.prepare(request)
        for piece in (packed[:10], packed[10:]):
            await answer.write(piece)
        return answer

    plex.answer(PATH, in_pieces)
    connection = await transport(compression=True)
    assert (await failure(connection)).detail == "HTTP 503, Starting"
    plex.answer(PATH, plex.reply(bomb, status=503, Content_Type="text/xml", Content_Encoding="gzip"))
    assert (await failure(connection)).detail == "HTTP 503"


async def test_the_token_is_not_repeated_in_another_spelling(plex: FakePlex, transport: Connect) -> None:
    """The text becomes a row's, a command's and a status line's, where nothing else takes it out."""
    spellings = (plex.TOKEN.upper(), quote(plex.TOKEN, safe=""), base64.b64encode(plex.TOKEN.encode()).decode())
    body = f'<Response code="503" title="Maintenance" status="{" or ".join(map(html.escape, spellings))}"/>'
    plex.answer(PATH, plex.reply(body.encode(), status=503, Content_Type="application/xml"))
    error = await failure(await transport())
    assert error.detail.startswith("HTTP 503, *** or *** or ***")


async def test_html_of_an_error_is_not_told(plex: FakePlex, transport: Connect) -> None:
    """The page that comes with an error says nothing that the status does not."""
    plex.answer(PATH, plex.reply(b"<html>503 Service Unavailable</html>", status=503, Content_Type="text/html"))
    assert (await failure(await transport())).detail == "HTTP 503"


@pytest.mark.parametrize("status", [201, 204, 206])
async def test_other_success(plex: FakePlex, transport: Connect, status: int) -> None:
    """Only 200 is a whole answer."""
    plex.answer(PATH, plex.reply(status=status))
    assert isinstance(await failure(await transport()), BadAnswer)


@pytest.mark.parametrize(("sent", "seconds"), [("60", 60.0), ("11", 11.0), ("86400", 300.0), ("inf", 300.0)])
async def test_long_retry_after(plex: FakePlex, transport: Connect, sent: str, seconds: float) -> None:
    """A server that wants to be left alone for long is, at once; it is told how long, five minutes at most."""
    plex.answer(PATH, plex.reply(status=503, Retry_After=sent))
    error = await failure(await transport())
    assert isinstance(error, ServerBusy)
    assert error.retry_after == seconds
    assert len(plex.requests) == 1


async def test_retry_after_as_a_date(plex: FakePlex, transport: Connect) -> None:
    """`Retry-After` may be a date."""
    plex.answer(PATH, plex.reply(status=429, Retry_After=email.utils.formatdate(time.time() + 100, usegmt=True)))
    error = await failure(await transport())
    assert isinstance(error, ServerBusy)
    assert error.retry_after == pytest.approx(100, abs=10)


async def test_short_retry_after(plex: FakePlex, transport: Connect) -> None:
    """A short wait is kept, and the answer after it counts."""
    plex.answer(PATH, plex.reply(status=503, Retry_After="0.05"), plex.reply(IDENTITY))
    begin = time.monotonic()
    assert await (await transport()).get(PATH, read)
    assert time.monotonic() - begin >= 0.05


@pytest.mark.parametrize("sent", ["soon", "nan", "", "-5", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_useless_retry_after(plex: FakePlex, transport: Connect, sent: str) -> None:
    """A wait that is none does not change the tries."""
    plex.answer(PATH, plex.reply(status=503, Retry_After=sent))
    error = await failure(await transport())
    assert isinstance(error, ServerBusy)
    assert not error.retry_after
    assert len(plex.requests) == 4


# -- bodies ---------------------------------------------------------------------------------------------------------


async def test_unreadable_once(plex: FakePlex, transport: Connect) -> None:
    """An answer that cannot be read is asked for once more."""
    plex.answer(PATH, plex.reply(b'{"MediaContainer":'), plex.reply(IDENTITY))
    assert await (await transport()).get(PATH, read)


@pytest.mark.parametrize("body", [b'{"MediaContainer":', b"<html><body>router</body></html>", b'{"ok":true}', b""])
async def test_unreadable(plex: FakePlex, transport: Connect, body: bytes) -> None:
    """An answer that cannot be read twice is none of Plex's."""
    plex.answer(PATH, plex.reply(body))
    assert isinstance(await failure(await transport()), BadAnswer)
    assert len(plex.requests) == 2


async def test_token_in_what_cannot_be_read(plex: FakePlex, transport: Connect) -> None:
    """A server that repeats the token does not bring it into the error."""
    plex.answer(PATH, plex.reply(f'<Response status="{plex.TOKEN}"/>'.encode()))
    assert "***" in (await failure(await transport())).detail


@pytest.mark.parametrize("chunked", [False, True])
async def test_body_that_breaks_off(plex: FakePlex, transport: Connect, chunked: bool) -> None:  # noqa: FBT001
    """A body that is shorter than announced is a broken connection, whatever it holds, and is asked for again."""

    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = 1000
        await response.prepare(request)
        await response.write(b'{"MediaContainer":{"size":0,"version":"1"}}')
        assert request.transport is not None
        request.transport.close()
        return response

    plex.answer(PATH, break_off)
    error = await failure(await transport())
    assert isinstance(error, ServerUnreachable)
    assert error.detail == "the response was cut off"
    assert len(plex.requests) == 4


async def test_body_that_is_too_large(plex: FakePlex, transport: Connect) -> None:
    """A body is read up to a limit, however long it goes on."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 10_000)

    plex.answer(PATH, endless)
    connection = await transport(max_body=50_000)
    error = await failure(connection)
    assert isinstance(error, BadAnswer)
    assert error.detail == "a body of more than 50000 bytes"


# -- connections ----------------------------------------------------------------------------------------------------


async def test_nothing_listens(plex: FakePlex, transport: Connect) -> None:
    """Where nothing listens, the error says so and where."""
    await plex.stop()
    connection = await transport()
    error = await failure(connection)
    assert isinstance(error, ServerUnreachable)
    assert error.detail == f"Connection refused (127.0.0.1:{plex.port})"


async def test_unknown_host(transport: Connect) -> None:
    """A host without address is named."""
    error = await failure(await transport(url="http://nowhere.invalid:32400"))
    assert isinstance(error, ServerUnreachable)
    assert error.detail == "cannot resolve host 'nowhere.invalid'"
    assert error.hint == ServerUnreachable.hint


def test_a_name_of_plex_direct_that_does_not_resolve() -> None:
    """Routers drop such responses as DNS rebinding; the error says so, and how to do without the name."""
    host = "192-168-1-10.0f9e8d.plex.direct"
    key = ConnectionKey(host, 32400, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)
    cause = aiohttp.ClientConnectorDNSError(key, OSError("Name or service not known"))
    error = failure_of(cause, "home", aiohttp.ClientTimeout(), tls=True)
    assert isinstance(error, ServerUnreachable)
    assert error.detail == f"cannot resolve host '{host}'"
    for word in (
        "rebinding",
        "allow the domain plex.direct",
        "https://192.168.1.10:32400",
        f"tls_server_name to '{host}'",
    ):
        assert word in (error.hint or "")


async def raw_server(answer: bytes) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@asynccontextmanager
async def doubling_server(padding: int = 0) -> AsyncIterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """Begin a second copy of the first answer when told to; each connection has a machineIdentifier of its own."""
    writers: list[asyncio.StreamWriter] = []
    answers: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        body = json.dumps({"MediaContainer": {"machineIdentifier": f"m{len(writers)}", "version": "1"}}).encode()
        body += b" " * padding
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        answers.append(head % len(body) + body)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answers[writers.index(writer)])
        writer.close()

    async def second_copy() -> None:
        # Without its last byte: what waits for it waits for ever, for later requests are not answered here.
        writers[0].write(answers[0][:-1])
        await writers[0].drain()
        for _ in range(200):  # turns of the loop in which the client receives it
            await asyncio.sleep(0)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", second_copy
        for writer in writers:
            writer.close()


async def test_an_answer_that_comes_twice_answers_nothing_else(transport: Connect) -> None:
    """The connection on which something arrived unrequested is closed; the next request goes out on a new one."""
    async with doubling_server() as (url, second_copy):
        connection = await transport(url=url)
        assert (await connection.get(PATH, read)).machine_identifier == "m1"
        await second_copy()
        assert (await connection.get(PATH, read)).machine_identifier == "m2"


async def test_a_try_ends_also_where_no_timeout_of_aiohttp_does(
    transport: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each whole try has a deadline of our own, which drops the connection and leaves all places free."""
    monkeypatch.setattr("retrovue_daemon.sources.plex.transport.ANSWER_TIMEOUT", 0.2)
    monkeypatch.delattr("retrovue_daemon.sources.plex.connector.Connector._get")  # as aiohttp does it alone
    async with doubling_server(padding=90_000) as (url, second_copy), asyncio.timeout(PATIENCE_S):
        connection = await transport(url=url, timeout=0.1, concurrency=1)
        assert (await connection.get(PATH, read)).machine_identifier == "m1"
        await second_copy()
        error = await failure(connection, tries=1)
        assert isinstance(error, ServerTimeout)
        assert error.detail == "response incomplete after 0.2 s"
        assert (await connection.get(PATH, read)).machine_identifier == "m2"


async def test_a_request_has_one_deadline(transport: Connect) -> None:
    """Ours, which stands still while a body waits for memory; aiohttp's own would not."""
    session = (await transport(url="http://127.0.0.1:1", timeout=7))._session
    assert session is not None
    assert session.timeout.total is None
    assert (session.timeout.connect, session.timeout.sock_read) == (5, 7)


async def test_closed_without_an_answer(transport: Connect) -> None:
    """A server that demands TLS closes plain connections; the hint says what to do."""
    async with await raw_server(b"") as server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(await transport(url=f"http://127.0.0.1:{port}"))
    assert isinstance(error, ServerUnreachable)
    assert error.hint is not None
    assert "https://" in error.hint


async def test_reset_without_an_answer(plex: FakePlex, transport: Connect) -> None:
    """A server that has not read the request resets the connection instead of closing it: the same error and hint."""
    plex.answer(PATH, plex.reset)
    error = await failure(await transport())
    assert isinstance(error, AnswerBrokeOff)
    assert error.detail == "Connection reset by peer"
    assert "https://" in (error.hint or "")


@pytest.mark.parametrize(
    "cause",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer"),
        aiohttp.ClientOSError(errno.EPIPE, "Broken pipe"),
        aiohttp.ClientConnectionResetError("Cannot write to closing transport"),
    ],
)
def test_a_lost_connection_with_tls_needs_no_https(cause: Exception) -> None:
    """The hint about https:// is for connections without TLS only."""
    plain, secure = (failure_of(cause, "home", aiohttp.ClientTimeout(), tls=tls) for tls in (False, True))
    assert type(plain) is type(secure) is AnswerBrokeOff
    assert "https://" in (plain.hint or "")
    assert secure.hint == AnswerBrokeOff.hint


async def test_no_http(transport: Connect) -> None:
    """Another protocol is no Plex Media Server; aiohttp's exception, which holds the headers, is left behind."""
    async with await raw_server(b"SSH-2.0-OpenSSH_9.6\r\n") as server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(await transport(url=f"http://127.0.0.1:{port}"))
    assert isinstance(error, BadAnswer)
    assert error.detail == "the response is not HTTP"


async def test_silence(plex: FakePlex, transport: Connect) -> None:
    """A request that times out is retried, unless the caller limits the number of timeouts."""
    plex.answer(PATH, plex.hold)
    connection = await transport(timeout=0.05)

    async def send_once() -> None:
        async for attempt in connection.attempts(timeouts=1):
            with attempt, connection.bodies.share("home") as share:
                await connection.send(PATH, share)

    with pytest.raises(ServerTimeout):
        await send_once()
    assert len(plex.requests) == 1
    assert isinstance(await failure(connection), ServerTimeout)
    assert len(plex.requests) == 1 + 4


async def test_token_that_is_no_header(plex: FakePlex, transport: Connect) -> None:
    """A token that no header can hold is never sent."""
    connection = await transport(token=Secret(f"{TOKEN}\r\nX-Other: 1"))
    error = await failure(connection)
    assert error.detail == "the token holds control characters"
    assert plex.requests == []


async def test_unopened(plex: FakePlex, section: Callable[..., Any]) -> None:
    """A transport that is not open says so."""
    closed = Transport(section(), client_identifier="c", version="1", retry=RetryPolicy())
    with pytest.raises(RuntimeError, match="not open"):
        await closed.get(PATH, read)


# -- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def secure(plex: FakePlex) -> FakePlex:
    """The fake server behind a certificate of its own, for a name that no resolver knows."""
    await plex.stop()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    await plex.start(context)
    plex.answer(PATH, plex.reply(IDENTITY))
    return plex


async def test_unknown_certificate(secure: FakePlex, transport: Connect) -> None:
    """A certificate that nobody vouches for is refused before the token is sent, and the hint says what helps."""
    error = await failure(await transport())
    assert isinstance(error, ServerUnreachable)
    assert "certificate verify failed" in error.detail
    assert error.hint is not None
    assert "plex.direct" in error.hint
    assert secure.requests == []


async def test_certificate_of_another_name(secure: FakePlex, transport: Connect) -> None:
    """A certificate that is trusted, but is another host's, is refused."""
    error = await failure(await transport(ca_file=CERTIFICATE))
    assert isinstance(error, ServerUnreachable)
    assert secure.requests == []


async def test_ca_file_and_server_name(secure: FakePlex, transport: Connect) -> None:
    """With its authority and the name in it the certificate is good."""
    connection = await transport(ca_file=CERTIFICATE, tls_server_name=NAME_IN_CERTIFICATE)
    assert await connection.get(PATH, read)


@pytest.mark.parametrize("trusted", [True, False])
async def test_whom_the_system_trusts(secure: FakePlex, tmp_path: Path, *, trusted: bool) -> None:
    """Without a ca_file the system's authorities count, in the whole program too: its imports read none of them."""
    none = tmp_path / "none.pem"
    none.touch()
    config = tmp_path / "config.toml"
    config.write_text(
        f'[[servers]]\nname = "home"\nurl = "{secure.url}"\ntoken = "{TOKEN}"\n'
        f'tls_server_name = "{NAME_IN_CERTIFICATE}"\n'
    )
    config.chmod(0o600)
    authorities = {"SSL_CERT_FILE": str(CERTIFICATE if trusted else none), "SSL_CERT_DIR": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "retrovue_daemon", "check", "--config", config),
        env={**os.environ, **authorities},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert (b"certificate verify failed" in printed) is not trusted
    assert bool(secure.requests) is trusted


async def test_without_verification(secure: FakePlex, transport: Connect) -> None:
    """Verification can be turned off, for those who know why."""
    assert await (await transport(verify_tls=False)).get(PATH, read)


async def test_ca_file_that_cannot_be_used(plex: FakePlex, transport: Connect, tmp_path: Path) -> None:
    """A file without a certificate is named when the transport opens."""
    for ca_file in (tmp_path / "none.pem", Path(__file__)):
        with pytest.raises(ServerUnreachable, match=r"ca_file (cannot be read|must be)") as raised:
            await transport(ca_file=ca_file)
        assert str(ca_file) in str(raised.value)
        assert_no_token(raised.value)


async def test_tls_where_none_is_spoken(plex: FakePlex, transport: Connect) -> None:
    """An https address of a server without TLS: the hint says so."""
    error = await failure(await transport(url=plex.url.replace("http:", "https:")))
    assert isinstance(error, ServerUnreachable)
    assert error.hint is not None
    assert "http://" in error.hint


# -- the policy -----------------------------------------------------------------------------------------------------


async def _fail(attempts: Attempts, *errors: BaseException) -> int:
    """Let each attempt raise the next of these errors, the last one again and again; return how many were made."""
    made = 0
    with suppress(*map(type, errors)):
        async for attempt in attempts:
            with attempt:
                made += 1
                raise errors[min(made, len(errors)) - 1]
        raise AssertionError("the last attempt raises")
    return made


async def test_waits_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each failure doubles the limit of the next wait, whatever the failures were, until no try is left."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("random.uniform", lambda _, limit: limit)
    monkeypatch.setattr("retrovue_daemon.sources.plex.retries.asyncio.sleep", sleep)
    attempts = Attempts(RetryPolicy(attempts=5, wait_initial=1.0), tries=9, timeouts=2)
    unreachable, timeout = ServerUnreachable("home"), ServerTimeout("home")
    assert await _fail(attempts, unreachable, timeout, unreachable, timeout) == 4
    assert slept == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("tries", [1, 3])
async def test_no_more_than_the_given_number_of_tries(tries: int) -> None:
    """Whatever the policy allows."""
    attempts = Attempts(RetryPolicy(attempts=9, wait_initial=0.0), tries=tries, timeouts=9)
    assert await _fail(attempts, ServerUnreachable("home")) == tries


@pytest.mark.parametrize("error", [asyncio.CancelledError(), LookupError("mistake")])
async def test_only_a_failure_of_the_server_is_retried(error: BaseException) -> None:
    """Neither a cancellation nor a mistake of ours."""
    assert await _fail(Attempts(RetryPolicy(), tries=9, timeouts=9), error) == 1


def test_waits() -> None:
    """The limit of the wait doubles up to the longest; the wait is anything below."""
    policy = RetryPolicy(wait_initial=0.5, wait_max=3.0)
    longest = [max(policy.wait(failures) for _ in range(300)) for failures in (1, 2, 3, 4, 5, 900)]
    assert longest == pytest.approx([0.5, 1.0, 2.0, 3.0, 3.0, 3.0], rel=0.1)
    assert min(policy.wait(1) for _ in range(300)) < 0.1
