"""Streams of server-sent events: bounded, and ended with what they belong to."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from retrovue_daemon.config import Secret
from retrovue_daemon.errors import QueryTooSlow
from retrovue_daemon.web import event_streams
from retrovue_daemon.web.access import Access
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.routes import Route
from tests.support.patience import PATIENCE_S
from tests.support.web import BEARER, EVERYWHERE, as_if_listening_on

if TYPE_CHECKING:
    from aiohttp import web

pytestmark = pytest.mark.no_groups


async def _follow(request: web.Request) -> web.StreamResponse:
    async with context_of(request).streams.open(request) as stream:
        await stream.send("first", event="progress")
        await asyncio.Event().wait()
    return stream


STREAM = Route("/api/v1/stream", Access.READ, get=_follow)


async def _begin(served, **options: Any) -> aiohttp.ClientResponse:
    response = await served.client.get(f"{served.url}/api/v1/stream", **options)
    assert (response.status, response.content_type) == (200, "text/event-stream")
    assert await response.content.readuntil(b"\r\n\r\n") == b"event: progress\r\ndata: first\r\n\r\n"
    return response


async def _is_over(response: aiohttp.ClientResponse) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        try:
            return await response.content.read() == b""
        except aiohttp.ClientPayloadError:  # cut
            return True
        finally:
            response.close()


async def test_the_oldest_stream_ends_if_there_are_too_many(serve_page, add_routes, monkeypatch) -> None:
    """A browser that still wants it connects again."""
    monkeypatch.setattr(event_streams, "MOST", 2)
    add_routes(STREAM)
    served = await serve_page()
    first, second, third = [await _begin(served) for _ in range(3)]
    assert await _is_over(first)
    assert len(served.context.streams) == 2
    second.close()
    third.close()


async def test_streams_end_with_their_session(serve_page, add_routes) -> None:
    """Those of others go on."""
    add_routes(STREAM)
    served = await serve_page()
    other = await _begin(served)
    await served.sign_in()
    own = await _begin(served)
    await served.post("/logout", {"form_token": await served.form_token("/")})
    assert await _is_over(own)
    assert len(served.context.streams) == 1
    other.close()


async def test_streams_end_with_the_token(serve_page, add_routes) -> None:
    """Those of programs, too, which sent it in a header and have no session."""
    add_routes(STREAM)
    served = await serve_page()
    as_if_listening_on(served, EVERYWHERE)
    opened = await _begin(served, headers=BEARER)
    config = served.supervisor.config
    await served.service.reload(config)
    assert len(served.context.streams) == 1
    web_section = dataclasses.replace(config.web, token=Secret("another-t0ken"))
    await served.service.reload(dataclasses.replace(config, web=web_section))
    assert await _is_over(opened)


async def _fail(request: web.Request) -> web.StreamResponse:
    async with context_of(request).streams.open(request) as stream:
        await stream.send("first", event="progress")
        raise QueryTooSlow(Path("/db"))


async def _stall(request: web.Request) -> web.StreamResponse:
    async with context_of(request).streams.open(request) as stream:
        await stream.send("first", event="progress")
        while True:
            await stream.send("x" * 1_000_000)


@pytest.mark.parametrize("handler", [_fail, _stall])
async def test_a_stream_that_cannot_go_on_is_cut(serve_page, add_routes, monkeypatch, handler) -> None:
    """Without a second response within it. A client that does not read is no error of the daemon."""
    monkeypatch.setattr(event_streams, "SEND_S", 0.05)
    add_routes(Route("/api/v1/stream", Access.READ, get=handler))
    served = await serve_page()
    response = await _begin(served)
    if handler is _stall:
        async with asyncio.timeout(PATIENCE_S):
            while served.context.streams:  # noqa: ASYNC110 -- nothing reports that the client was given up
                await asyncio.sleep(0.01)
        response.close()
    else:
        assert await _is_over(response)
    assert "web.crashed" not in str(served.events.lines)


async def test_streams_end_with_the_page_and_with_their_client(serve_page, add_routes) -> None:
    """At once: the daemon does not wait for browsers."""
    add_routes(STREAM)
    served = await serve_page()
    stays, leaves = await _begin(served), await _begin(served)
    streams = served.context.streams
    leaves.close()
    async with asyncio.timeout(PATIENCE_S):
        await served.service.stop()
    assert await _is_over(stays)
    assert len(streams) == 0


async def test_head_opens_no_stream(serve_page, add_routes) -> None:
    """It has no body."""
    add_routes(STREAM)
    served = await serve_page()
    assert (await served.get("/api/v1/stream", method="HEAD")).status == 405
    assert len(served.context.streams) == 0
