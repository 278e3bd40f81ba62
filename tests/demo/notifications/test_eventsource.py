"""The event stream carries the same as the websocket, in its own form."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest

from retrovue_daemon.demo.notifications import EVENTSOURCE

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex


async def event(stream: aiohttp.ClientResponse) -> tuple[str, object]:
    """The next event: its type and data."""
    lines = [(await stream.content.readline()).decode() for _ in range(3)]
    assert (lines[0][:7], lines[1][:6], lines[2]) == ("event: ", "data: ", "\n")
    return lines[0][7:-1], json.loads(lines[1][6:])


async def test_an_event_has_one_object(stream: aiohttp.ClientResponse, plex: SimulatedPlex) -> None:
    """No container around it, and no list."""
    assert stream.headers["Content-Type"] == "text/event-stream"
    plex.changes.edit(3, title="Other")
    type_, data = await event(stream)
    assert type_ == "timeline"
    assert isinstance(data, dict)
    assert data["TimelineEntry"].items() >= {"itemID": "3", "title": "Other", "state": 5}.items()


async def test_events_may_have_a_list_and_a_blank(stream: aiohttp.ClientResponse, plex: SimulatedPlex) -> None:
    """Variants that clients report."""
    plex.notifications.quirks.payload = "list"
    plex.notifications.quirks.blank_after_event = True
    plex.changes.edit(3, title="Other")
    type_, data = await event(stream)
    assert type_ == "timeline "
    assert isinstance(data, dict)
    assert [entry["itemID"] for entry in data["TimelineEntry"]] == ["3"]


async def test_a_quiet_stream_has_pings(plex: SimulatedPlex, session: aiohttp.ClientSession) -> None:
    """With an empty object."""
    plex.notifications.quirks.ping_interval = 0.01
    async with session.get(plex.url + EVENTSOURCE) as stream:
        assert await event(stream) == ("ping", {})


async def test_pings_may_be_empty(plex: SimulatedPlex, session: aiohttp.ClientSession) -> None:
    """Nothing after the colon but a blank."""
    plex.notifications.quirks.ping_interval, plex.notifications.quirks.empty_pings = 0.01, True
    async with session.get(plex.url + EVENTSOURCE) as stream:
        assert [await stream.content.readline() for _ in range(3)] == [b"event: ping\n", b"data: \n", b"\n"]


async def test_it_has_filters(plex: SimulatedPlex, session: aiohttp.ClientSession) -> None:
    """Like the websocket."""
    async with session.get(f"{plex.url}{EVENTSOURCE}?filters=status") as stream:
        await plex.notifications.connected()
        plex.changes.add_movie("1", "The Bat", 1926)
        plex.changes.finish_scan("1")
        assert [(await event(stream))[0] for _ in range(4)] == ["status"] * 4


async def test_a_proxy_cuts_an_idle_stream(plex: SimulatedPlex, session: aiohttp.ClientSession) -> None:
    """If the pings are too rare for it."""
    plex.notifications.quirks.idle_timeout = 0.01
    async with session.get(plex.url + EVENTSOURCE) as stream:
        with pytest.raises(aiohttp.ClientError):
            await stream.read()
    await plex.notifications.disconnected()


async def test_a_client_that_leaves_is_forgotten(plex: SimulatedPlex, session: aiohttp.ClientSession) -> None:
    """At the next ping at the latest."""
    plex.notifications.quirks.ping_interval = 0.01
    async with session.get(plex.url + EVENTSOURCE):
        await plex.notifications.connected()
    async with asyncio.timeout(10):
        await plex.notifications.disconnected()
