"""Bodies of answers: compressed ones, and those that are not what they should be."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from retrovue_daemon.errors import BadAnswer
from retrovue_daemon.sources.plex.body import UNPACKED_AT_ONCE, BodyBudget, read_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from retrovue_daemon.sources.plex.transport import Response, Transport
    from tests.sources.plex.conftest import FakePlex

    Connect = Callable[..., Awaitable[Transport]]

PATH = "/identity"
BODY = json.dumps({"MediaContainer": {"title": "ä" * 5_000}}).encode()


def whole(answer: Response) -> bytes:
    return answer.body


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
@pytest.mark.parametrize("asked", [False, True])
async def test_a_compressed_body_is_read_whether_it_was_asked_for_or_not(
    plex: FakePlex,
    transport: Connect,
    asked: bool,  # noqa: FBT001
    encoding: str,
) -> None:
    """A proxy may compress by itself. What is counted is what came over the network."""
    packed = gzip.compress(BODY)
    plex.answer(PATH, plex.reply(packed, Content_Encoding=encoding))
    connection = await transport(compression=asked)
    with capture_logs() as lines:
        assert await connection.get(PATH, whole) == BODY
    assert plex.requests[0].headers["Accept-Encoding"] == ("gzip" if asked else "identity")
    assert [line["bytes"] for line in lines] == [len(packed)]
    assert len(packed) < len(BODY)


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
async def test_a_server_need_not_compress(plex: FakePlex, transport: Connect, encoding: str) -> None:
    """Although it was asked to."""
    headers: dict[str, Any] = {"Content_Encoding": encoding} if encoding else {}
    plex.answer(PATH, plex.reply(BODY, **headers))
    assert await (await transport(compression=True)).get(PATH, whole) == BODY


@pytest.mark.parametrize(
    ("body", "encoding", "detail"),
    [
        (gzip.compress(BODY)[:-9], "gzip", "a compressed body that breaks off"),
        (b"", "gzip", "a compressed body that breaks off"),
        (gzip.compress(BODY) + b"more", "gzip", "data behind the end of a compressed body"),
        (BODY, "gzip", "a compressed body that is broken: Error -3"),
        (gzip.compress(BODY)[:-8] + bytes(8), "gzip", "a compressed body that is broken: Error -3"),
        (zlib.compress(BODY), "deflate", "a body in the compression 'deflate', which was not asked for"),
        (BODY, "br", "a body in the compression 'br', which was not asked for"),
    ],
)
async def test_a_body_that_cannot_be_unpacked(
    plex: FakePlex, transport: Connect, body: bytes, encoding: str, detail: str
) -> None:
    """It is asked for once more, and is an error then, never half a listing."""
    plex.answer(PATH, plex.reply(body, Content_Encoding=encoding))
    with pytest.raises(BadAnswer) as caught:
        await (await transport(compression=True)).get(PATH, whole)
    assert caught.value.detail.startswith(detail)
    assert len(plex.requests) == 2


async def test_a_body_that_grows_too_large_is_not_unpacked_to_its_end(plex: FakePlex, transport: Connect) -> None:
    """A megabyte of nothing fits into a kilobyte."""
    plex.answer(PATH, plex.reply(gzip.compress(bytes(1_000_000)), Content_Encoding="gzip"))
    with pytest.raises(BadAnswer) as caught:
        await (await transport(max_body=50_000, compression=True)).get(PATH, whole)
    assert caught.value.detail == "a body of more than 50000 bytes"
    plex.answer(PATH, plex.reply(gzip.compress(bytes(50_000)), Content_Encoding="gzip"))
    assert len(await (await transport(max_body=50_000, compression=True)).get(PATH, whole)) == 50_000


class OneChunk:
    """A response whose body is there at once."""

    def __init__(self, body: bytes) -> None:
        self.headers = {"Content-Encoding": "gzip"}
        self.content = self
        self._body = body

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body


@pytest.mark.parametrize("size", [UNPACKED_AT_ONCE * 20, UNPACKED_AT_ONCE * 20 + 1])
async def test_a_body_that_grows_large_leaves_others_their_turn(size: int) -> None:
    """However much a chunk of the network holds, it is unpacked piece by piece."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    taking_turns = asyncio.create_task(others())
    response: Any = OneChunk(gzip.compress(bytes(size)))
    share = BodyBudget(2 * size, size).share("home")
    await read_body(response, share)
    taking_turns.cancel()
    assert share.content == bytes(size)
    assert turns >= 20
