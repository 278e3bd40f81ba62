"""Reading the body of a response: complete, within the size limit, and decompressed."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import AnswerTooLarge, BadAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from retrovue_daemon.sources.plex.budget import BodyShare

UNPACKED_AT_ONCE: Final = 256 * 1024
"""Bytes, less than a millisecond of work: a few kilobytes may decompress to hundreds of megabytes."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_PLAIN: Final = frozenset({"", "identity"})
_ZIPPED: Final = frozenset({"gzip", "x-gzip"})
"""Two names for the same encoding (RFC 9110, 8.4.1.3)."""


async def read_body(
    response: aiohttp.ClientResponse, *, server: str, share: BodyShare, received: Callable[[int], None]
) -> None:
    """Read a body into ``share``, whose memory it takes; after decompression, it is at most as large as that allows.

    ``received`` is called with each number of bytes. aiohttp raises if a body is shorter than announced. Raise
    AnswerTooLarge, or BadAnswer if its compression is unknown, broken or incomplete: aiohttp does not always notice a
    broken connection in that case.
    """
    encoding = _encoding(response)
    body = _Body(server, share)
    broken: str | None = None
    if encoding in _PLAIN:
        body.check(response.content_length or 0)
        async for chunk in response.content.iter_any():
            received(len(chunk))
            await body.add(chunk)
    elif encoding in _ZIPPED:
        try:
            await _unzip(response, body, received)
        except zlib.error as error:
            broken = f"a compressed body that is broken: {error}"
    else:
        broken = f"a body in the compression {encoding[:20]!r}, which was not asked for"
    if broken is not None:
        raise BadAnswer(server, broken)
    share.join()


async def read_start(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Read the beginning of a body, at most ``most`` bytes before and after decompression; b"" if it is broken."""
    start = b""
    while len(start) < most and (piece := await response.content.read(most - len(start))):
        start += piece
    encoding = _encoding(response)
    if encoding in _PLAIN:
        return start
    try:
        return zlib.decompressobj(_GZIP).decompress(start, most) if encoding in _ZIPPED else b""
    except zlib.error:
        return b""


def _encoding(response: aiohttp.ClientResponse) -> str:
    return response.headers.get("Content-Encoding", "").strip().lower()


class _Body:
    """A body that grows up to its largest size."""

    def __init__(self, server: str, share: BodyShare) -> None:
        self.server = server
        self._share = share

    def check(self, size: int) -> None:
        """Raise AnswerTooLarge if a body of this size is too large."""
        if size > self._share.largest:
            raise AnswerTooLarge(self.server, f"a body of more than {self._share.largest} bytes")

    async def add(self, piece: bytes) -> None:
        """Add a piece as soon as there is memory for it. Raise AnswerTooLarge."""
        self.check(self._share.size + len(piece))
        await self._share.add(piece)


async def _unzip(response: aiohttp.ClientResponse, body: _Body, received: Callable[[int], None]) -> None:
    unzip = zlib.decompressobj(_GZIP)
    async for chunk in response.content.iter_any():
        received(len(chunk))
        packed, is_more = chunk, True
        while is_more:
            piece = unzip.decompress(packed, UNPACKED_AT_ONCE)
            await body.add(piece)
            packed, is_more = unzip.unconsumed_tail, len(piece) == UNPACKED_AT_ONCE
            if is_more:
                await asyncio.sleep(0)  # give other tasks a turn
        if unzip.unused_data:
            raise BadAnswer(body.server, "data behind the end of a compressed body")
    if not unzip.eof:
        raise BadAnswer(body.server, "a compressed body that breaks off")
