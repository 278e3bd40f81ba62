"""Pictures of the simulated server: where Plex has them, drawn from the item, whole or smaller."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.conftest import Get


def _size(png: bytes) -> tuple[int, int]:
    """Return the size of a picture, after reading it wholly."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    start, pixels = 8, b""
    while start < len(png):
        (length,) = struct.unpack(">I", png[start : start + 4])
        name, content = png[start + 4 : start + 8], png[start + 8 : start + 8 + length]
        assert struct.unpack(">I", png[start + 8 + length : start + 12 + length])[0] == zlib.crc32(name + content)
        pixels += content if name == b"IDAT" else b""
        start += 12 + length
    assert len(zlib.decompress(pixels)) == (width + 1) * height
    return width, height


async def test_posters_are_where_listings_say(get: Get) -> None:
    """Every item has its own, which stays the same; stills and backgrounds are wide."""
    films = (await get("/library/sections/1/all")).entries[:5]
    posters = [await get(film["thumb"]) for film in films]
    assert {(poster.status, poster.headers["Content-Type"]) for poster in posters} == {(200, "image/png")}
    assert {_size(poster.body) for poster in posters} == {(600, 900)}
    assert len({poster.body for poster in posters}) == len({film["guid"] for film in films}) > 1
    assert (await get(films[0]["thumb"])).body == posters[0].body
    episode = (await get("/library/sections/4/allLeaves")).entries[0]
    for address in (episode["thumb"], films[0]["art"]):
        assert _size((await get(address)).body) == (640, 360)
    collection = (await get("/library/sections/1/collections")).entries[0]
    assert _size((await get(collection["thumb"])).body) == (600, 900)


async def test_the_transcoder_makes_pictures_smaller(get: Get, plex: SimulatedPlex) -> None:
    """Only those of this server, and never larger."""
    thumb = (await get("/library/sections/1/all")).entries[0]["thumb"]

    async def made(**parameters: object) -> object:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        answer = await get(f"/photo/:/transcode?{query}")
        return _size(answer.body) if answer.status == 200 else answer.status

    assert await made(url=thumb, width=240, height=360) == (240, 360)
    assert await made(url=thumb, width=100, height=360) == (100, 150)
    assert await made(url=thumb, width=1900, height=1900) == (600, 900)
    assert await made(url="http://127.0.0.1:9/x", width=240, height=360) == 404
    assert await made(url="/library/metadata/999999/thumb/1", width=240, height=360) == 404
    assert await made(url=thumb) == await made(url=thumb, width="x", height=1) == 400
    plex.quirks.no_transcoder = True
    assert await made(url=thumb, width=240, height=360) == 404
    plex.quirks.no_pictures = True
    assert (await get(thumb)).status == 404


async def test_pictures_need_the_token_and_can_be_replaced(get: Get, plex: SimulatedPlex) -> None:
    """As a test wants them."""
    thumb = (await get("/library/sections/1/all")).entries[0]["thumb"]
    assert (await get(thumb, X_Plex_Token=None)).status == 401
    plex.faults.replace("/library/metadata/*/thumb/*", b"<svg/>", "image/svg+xml")
    answer = await get(thumb)
    assert (answer.body, answer.headers["Content-Type"]) == (b"<svg/>", "image/svg+xml")
    assert (await get(thumb)).headers["Content-Type"] == "image/png"
