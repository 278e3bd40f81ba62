"""What is not HTTP, and clients that are gone."""

from __future__ import annotations

import asyncio
import logging

import pytest

from retrovue_daemon.web.rendering import MANAGE, NAVIGATION
from retrovue_daemon.web.security import HEADERS
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.no_groups

HOST = b"Host: 127.0.0.1\r\n"
SECRET = b"Cookie: retrovue-session-0=secret"
NOT_HTTP = (
    b"GET / HTTP/1.1\r\n" + HOST + SECRET + b"\0\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + HOST + SECRET + b"\r\n\r\n",
    b"GET /secret HTTP/9.9\r\n\r\n",
    b"GET /secret\xff HTTP/1.1\r\n\r\n",
    b"GET /" + b"secret" * 2_000 + b" HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01",
)
FORM = b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.mark.parametrize("sent", NOT_HTTP)
async def test_what_is_not_http_is_refused(serve_page, sent, caplog) -> None:
    """Like everything else: with all headers, and without a word of what was sent, also in the log."""
    caplog.set_level(logging.INFO)
    served = await serve_page()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(sent)
    async with asyncio.timeout(PATIENCE_S):
        received = (await reader.read()).decode()
    writer.close()
    assert received.split()[1] == "400"
    lines = received.split("\r\n")
    assert [name for name, value in HEADERS.items() if f"{name}: {value}" not in lines] == []
    assert "Server: retrovue-daemon" in lines
    assert "secret" not in received
    assert caplog.records == []


async def test_a_cookie_that_is_no_text_counts_as_none(serve_page) -> None:
    """Other programs on the same host set cookies, too; each page is shown nevertheless."""
    served = await serve_page()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"GET / HTTP/1.1\r\n" + HOST + b'Cookie: retrovue-form-0="\xff"\r\nConnection: close\r\n\r\n')
    async with asyncio.timeout(PATIENCE_S):
        received = (await reader.read()).decode()
    writer.close()
    assert received.split()[1] == "200"


async def test_a_client_that_is_gone_is_no_error(serve_page, caplog) -> None:
    """Before the end of its request."""
    served = await serve_page()
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(FORM + b"Content-Length: 9\r\n\r\nabc")
    await writer.drain()
    async with asyncio.timeout(PATIENCE_S):
        while not served.service.connections:  # noqa: ASYNC110 -- aiohttp has no event for it
            await asyncio.sleep(0)
        writer.transport.abort()
        while served.service.connections:  # noqa: ASYNC110 -- aiohttp has no event for it
            await asyncio.sleep(0)
    assert caplog.records == []
    assert served.events.of("web.crashed") == []


async def test_pages_have_the_titles_that_the_navigation_has(serve_page) -> None:
    """In the tab, and as the heading."""
    served = await serve_page()
    await served.sign_in()
    for address, name in (*NAVIGATION, MANAGE):
        text = (await served.get(address)).text
        assert f"<title>{name} \N{EN DASH} Retrovue</title>" in text
        assert f"<h1>{name}</h1>" in text
