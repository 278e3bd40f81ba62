"""Requests for pictures: only at the server's own addresses, only pictures, and only from the known machine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import Secret, ServerSection
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.errors import (
    AnswerBrokeOff,
    AnswerTooLarge,
    BadAnswer,
    RequestRefused,
    ServerTimeout,
    Unauthorized,
    WrongServer,
)
from retrovue_daemon.sources.plex import client as client_module
from retrovue_daemon.sources.plex import pictures
from retrovue_daemon.sources.plex.client import PlexClient
from retrovue_daemon.sources.plex.pictures import LARGEST_PICTURE, is_picture_address, type_of
from tests.support.patience import IMPATIENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SIZE = (240, 360)
THUMB = "/library/metadata/3/thumb/1"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
async def plex() -> AsyncIterator[SimulatedPlex]:
    async with SimulatedPlex(built_in_library()) as server:
        yield server


@pytest.fixture
async def client(plex: SimulatedPlex) -> AsyncIterator[PlexClient]:
    section = ServerSection(name="home", url=plex.url, token=Secret(plex.token), timeout=20.0)
    async with PlexClient(section, client_identifier="c", version="1", retry=IMPATIENT) as client:
        yield client


async def test_a_picture_is_made_smaller_by_its_server(plex, client) -> None:
    """The token is in no address. Without a transcoder, which is noticed once, the whole picture is requested."""
    machine = (await client.identity()).machine_identifier
    small = await client.pictures.picture(THUMB, SIZE, machine)
    assert (small.content_type, small.content[:8]) == ("image/png", PNG)
    (request,) = plex.requests_for("/photo/*")
    assert (request.query["url"], request.query["width"], request.query["height"]) == (THUMB, "240", "360")
    plex.quirks.no_transcoder = True
    with pytest.raises(RequestRefused):
        await client.pictures.picture("/library/metadata/999999/thumb/1", SIZE, machine)
    whole = await client.pictures.picture(THUMB, SIZE, machine)
    assert len(whole.content) > len(small.content)
    before = len(plex.requests_for("/photo/*"))
    assert await client.pictures.picture(THUMB, SIZE, machine) == whole
    assert len(plex.requests_for("/photo/*")) == before
    assert not [each for each in plex.requests if "X-Plex-Token" in each.query]
    assert "3" not in client.requested, "the server does not check an item because of its picture"


async def test_what_is_no_picture_is_refused(plex, client) -> None:
    """Whatever the server calls it; nothing else is requested because of it."""
    replaced = [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", b"", b"GIF89a", b"RIFF....WAVE"]
    for body in replaced:
        plex.faults.replace("/photo/*", body, "image/png")
        with pytest.raises(BadAnswer, match="no JPEG"):
            await client.pictures.picture(THUMB, SIZE, None)
    async with SimulatedPlex(built_in_library()) as stranger:
        plex.faults.redirect("/photo/*", f"{stranger.url}/photo/:/transcode")
        with pytest.raises(RequestRefused, match="302"):
            await client.pictures.picture(THUMB, SIZE, None)
        assert not stranger.requests
    plex.faults.replace("/photo/*", PNG + bytes(LARGEST_PICTURE))
    with pytest.raises(AnswerTooLarge):
        await client.pictures.picture(THUMB, SIZE, None)
    plex.faults.truncate("/photo/*")
    with pytest.raises(AnswerBrokeOff):
        await client.pictures.picture(THUMB, SIZE, None)
    plex.faults.fail("/photo/*", status=401)
    with pytest.raises(Unauthorized):
        await client.pictures.picture(THUMB, SIZE, None)
    assert not plex.requests_for("/library/*")
    plex.faults.replace("/photo/*", b"\xff\xd8\xff\xe0" + bytes(LARGEST_PICTURE - 4), "text/html")
    assert (await client.pictures.picture(THUMB, SIZE, None)).content_type == "image/jpeg"
    assert type_of(b"RIFF\0\0\0\0WEBPVP8 ") == "image/webp"


async def test_the_token_goes_to_the_known_machine_only(plex, client, monkeypatch) -> None:
    """Which is confirmed again if the last look was long ago."""
    machine = (await client.identity()).machine_identifier
    await client.pictures.picture(THUMB, SIZE, machine)
    plex.world.machine_identifier = "another"
    monkeypatch.setattr(client_module, "CONFIRMED_S", -1.0)
    plex.requests.clear()
    with pytest.raises(WrongServer):
        await client.pictures.picture(THUMB, SIZE, machine)
    assert {request.path for request in plex.requests} == {"/identity"}
    assert not [request for request in plex.requests if "x-plex-token" in request.headers]


async def test_a_slow_server_is_not_waited_for(plex, client, monkeypatch) -> None:
    """And it gets no more than two requests at once."""
    stuck = plex.faults.hang("/photo/*", times=None)
    requests = [asyncio.create_task(client.pictures.picture(THUMB, SIZE, None)) for _ in range(5)]
    await stuck.reached.wait()
    await asyncio.wait(requests, timeout=0.1)
    assert len(plex.requests_for("/photo/*")) == pictures.AT_ONCE
    for each in requests:
        each.cancel()
    await asyncio.gather(*requests, return_exceptions=True)
    monkeypatch.setattr(pictures, "LONGEST_S", 0.01)
    with pytest.raises(ServerTimeout, match="no picture within"):
        await client.pictures.picture(THUMB, SIZE, None)
    plex.faults.clear()


NO_ADDRESSES = [
    "http://127.0.0.1/library/metadata/3/thumb/1",
    "//evil.example/library/metadata/3/thumb/1",
    "/library/metadata/3/thumb/../../../x",
    "/library/metadata/3/thumb/1/../2",
    "/library/metadata/3/thumb/%2e%2e",
    "/library/metadata/3%2fthumb/1",
    "/library/metadata/3/thumb/1?url=http://evil.example",
    "/library/metadata/3/thumb/1#x",
    "/library/metadata/3\\thumb/1",
    "/library/metadata/3/thumb/1\r\nX: y",
    "/library/metadata/3/thumb/1\n",
    "/library/metadata/3/thumb/\u0661",
    "/library//metadata/3/thumb/1",
    "/library/metadata/3/refresh",
    "/library/sections/1/refresh",
    "@evil.example/library/metadata/3/thumb/1",
    "library/metadata/3/thumb/1",
    "",
]


async def test_other_addresses_are_never_requested(plex, client) -> None:
    """They would lead the token elsewhere, or do something on the server."""
    for address in NO_ADDRESSES:
        assert not is_picture_address(address), address
        with pytest.raises(ValueError, match=r"."):
            await client.pictures.picture(address or " ", SIZE, None)
    assert not plex.requests
    assert not is_picture_address(None)
    assert is_picture_address("/library/metadata/3/thumb/-1700000000")
