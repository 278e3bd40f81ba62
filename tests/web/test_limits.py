"""Clients that send too much, too slowly, or do not read."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import pytest
from aiohttp import web

from retrovue_daemon.web import bodies, connections, limits
from retrovue_daemon.web.access import Access
from retrovue_daemon.web.bodies import read_json
from retrovue_daemon.web.routes import Route
from tests.support.patience import PATIENCE_S
from tests.support.web import BEARER, Served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.no_groups

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    number: int


async def _number(request: web.Request) -> web.Response:
    return web.Response(text=str((await read_json(request, Wanted)).number))


JSON = Route("/api/v1/number", Access.MANAGE, post=_number)


async def _open(served: Served, *lines: str, body: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the beginning of a request as it is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(("\r\n".join(lines) + body).encode())
    await writer.drain()
    return reader, writer


async def _rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Return what is received until the other end closes the connection, or cuts it."""
    received = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_S):
            while more := await reader.read(64 * 1024):
                received += more
    writer.close()
    return received.decode()


async def test_a_body_that_is_too_large_is_refused(serve_page, add_routes) -> None:
    """Whether or not its length is announced."""
    add_routes(JSON)
    served = await serve_page()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 1024

    for content in (b"x" * limits.LARGEST_BODY * 2, pieces()):
        assert (await served.post("/login", content, headers=FORM)).status == 413
    headers = BEARER | {"Content-Type": "application/json"}
    refused = await served.post("/api/v1/number", b" " * limits.LARGEST_BODY * 2, headers=headers)
    assert (refused.status, refused.headers["Content-Type"]) == (413, "application/problem+json")


async def test_compressed_and_other_bodies_are_refused(serve_page, add_routes) -> None:
    """A small one could unpack to gigabytes; a file cannot be uploaded."""
    add_routes(JSON)
    served = await serve_page()
    packed = gzip.compress(b"token=x")
    assert (await served.post("/login", packed, headers=FORM | {"Content-Encoding": "gzip"})).status == 415
    for kind in ("multipart/form-data; boundary=x", "application/json", "text/plain"):
        assert (await served.post("/login", "token=x", headers={"Content-Type": kind})).status == 415
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        refused = await served.post("/api/v1/number", "{}", headers=BEARER | {"Content-Type": kind})
        assert refused.status == 415


@pytest.mark.parametrize("content", [b"token=%FF%FE", b"\xff\xfe=1", b"a&b=&=c&&&", b"%00=%00", b"token=a&token=b"])
async def test_a_form_of_any_content_is_read_or_refused(serve_page, content) -> None:
    """Never an internal error."""
    served = await serve_page()
    for charset in ("", "; charset=utf-7", "; charset=nonsense", "; charset=utf-16"):
        kind = {"Content-Type": FORM["Content-Type"] + charset}
        assert (await served.post("/login", content, headers=kind)).status in {400, 403, 415}


async def test_json_is_checked(serve_page, add_routes) -> None:
    """What is wrong with it is said, in a problem document."""
    add_routes(JSON)
    served = await serve_page()
    headers = BEARER | {"Content-Type": "application/json"}
    cases = {
        b'{"number": 7}': 200,
        b'{"number": "7"}': 422,
        b'{"number": 7, "colour": "blue"}': 422,
        b"{}": 422,
        b"[]": 422,
        b"{": 400,
        b"": 400,
        b'{"number": "\xff"}': 400,
        b"[" * 50_000: 400,
    }
    for content, status in cases.items():
        response = await served.post("/api/v1/number", content, headers=headers)
        assert response.status in {status, 422 if status == 400 else status}, (content[:40], response.text)
        assert status == 200 or response.headers["Content-Type"] == "application/problem+json"
    assert "colour" in (await served.post("/api/v1/number", b'{"number": 7, "colour": 1}', headers=headers)).text


async def test_headers_that_are_too_long_or_too_many_are_refused(serve_page) -> None:
    """Before anything of the page sees them."""
    served = await serve_page()
    for lines in (
        ["GET /" + "x" * 9000 + " HTTP/1.1", "Host: 127.0.0.1"],
        ["GET / HTTP/1.1", "Host: 127.0.0.1", "X: " + "x" * 9000],
        ["GET / HTTP/1.1", "Host: 127.0.0.1", *(f"X-{number}: 1" for number in range(100))],
        ["GET / HTTP/1.1", "Host: 127.0.0.1", "Host: localhost"],
        ["GET / HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 1", "Transfer-Encoding: chunked"],
    ):
        received = await _rest(*await _open(served, *lines, "Connection: close", "", ""))
        assert received.split()[1] in {"400", "421", "431"}, (lines[0][:20], received[:200])


async def test_a_client_that_does_not_finish_its_headers_is_cut(serve_page, monkeypatch) -> None:
    """Also one that sends nothing, or a byte now and then (slow loris)."""
    monkeypatch.setitem(limits.CONNECTION_OPTIONS, "keepalive_timeout", 0.05)
    served = await serve_page()
    silent = await _open(served)
    half = await _open(served, "GET / HTTP/1.1", "Host: 127.0.0.1", "X-A: ")
    assert await _rest(*silent) == ""
    assert await _rest(*half) == ""


async def test_a_body_that_does_not_arrive_is_given_up(serve_page, monkeypatch) -> None:
    """The client is told, and its connection closed."""
    monkeypatch.setattr(bodies, "BODY_S", 0.05)
    monkeypatch.setitem(limits.CONNECTION_OPTIONS, "lingering_time", 0.05)
    served = await serve_page()
    lines = ("POST /login HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {FORM['Content-Type']}", "Content-Length: 99")
    received = await _rest(*await _open(served, *lines, "", "", body="token="))
    assert received.split()[1] == "408"


async def test_a_client_that_does_not_read_is_cut(serve_page, add_routes, monkeypatch) -> None:
    """A large response waits for it only for a while."""
    monkeypatch.setattr(limits, "SEND_S", 0.05)

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(64 * 1024 * 1024))

    add_routes(Route("/large", Access.PUBLIC, get=large))
    served = await serve_page()
    reader, writer = await _open(served, "GET /large HTTP/1.1", "Host: 127.0.0.1", "", "")
    await reader.readexactly(20)
    async with asyncio.timeout(PATIENCE_S):
        while served.service.connections:  # noqa: ASYNC110 -- aiohttp has no event for it
            await asyncio.sleep(0.001)
    writer.close()


async def test_the_number_of_connections_is_bounded(serve_page, monkeypatch) -> None:
    """More are closed at once; when one ends, there is room again."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    served = await serve_page()
    kept = [await _open(served, "GET /healthz HTTP/1.1", "Host: 127.0.0.1", "", "") for _ in range(3)]
    for reader, _ in kept:
        await reader.readuntil(b"ok\n")
    assert await _rest(*await _open(served, "GET /healthz HTTP/1.1", "Host: 127.0.0.1", "", "")) == ""
    kept[0][1].close()
    await kept[0][1].wait_closed()
    async with asyncio.timeout(PATIENCE_S):
        while served.service.connections == 3:  # noqa: ASYNC110 -- aiohttp has no event for it
            await asyncio.sleep(0)
    assert (await served.get("/healthz")).status == 200
    for _, writer in kept[1:]:
        writer.close()
