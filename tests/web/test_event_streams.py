"""Streams of server-sent events: bounded, and ended with what they belong to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from retrovue_daemon.web import event_streams
from retrovue_daemon.web.access import Access
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.routes import Route
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from aiohttp import web

pytestmark = pytest.mark.no_groups


async def _follow(request: web.Request) -> web.StreamResponse:
    async with context_of(request).streams.open(request) as stream:
        await stream.send("first", event="progress")
        await asyncio.Event().wait()
    return stream


STREAM = Route("/api/v1/stream", Access.READ, get=_follow)


async def _begin(served) -> aiohttp.ClientResponse:
    response = await served.client.get(f"{served.url}/api/v1/stream")
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
