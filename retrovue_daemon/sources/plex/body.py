"""The body of an answer: whole, not larger than is allowed, and out of its compression."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import BadAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

UNPACKED_AT_ONCE: Final = 1024 * 1024
"""Bytes, some two milliseconds of work: a few kilobytes may hold hundreds of megabytes."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_PLAIN: Final = frozenset({"", "identity"})
_ZIPPED: Final = frozenset({"gzip", "x-gzip"})
"""Two names of one thing (RFC 9110, 8.4.1.3)."""


async def read_body(
    response: aiohttp.ClientResponse, *, server: str, most: int, received: Callable[[int], None]
) -> bytes:
    """Read a body of at most ``most`` bytes, as it is once it is decompressed; ``received`` is told of what came.

    A body shorter than announced raises in aiohttp. Raises BadAnswer for one that is too large, or whose compression
    is unknown, broken, or does not come to its end: a connection that breaks off would not always be noticed by that.
    """
    encoding = _encoding(response)
    if encoding in _PLAIN:
        return await _plain(response, server, most, received)
    if encoding not in _ZIPPED:
        raise BadAnswer(server, f"a body in the compression {encoding[:20]!r}, which was not asked for")
    try:
        return await _unzipped(response, server, most, received)
    except zlib.error as error:
        reason = f"a compressed body that is broken: {error}"
    raise BadAnswer(server, reason)


async def read_start(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Read the beginning of a body, ``most`` bytes of it before and after decompression; nothing of a broken one."""
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


async def _plain(response: aiohttp.ClientResponse, server: str, most: int, received: Callable[[int], None]) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        received(len(chunk))
        if size > most:
            raise _too_large(server, most)
        chunks.append(chunk)
    return b"".join(chunks)


async def _unzipped(
    response: aiohttp.ClientResponse, server: str, most: int, received: Callable[[int], None]
) -> bytes:
    unzip = zlib.decompressobj(_GZIP)
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        received(len(chunk))
        packed, is_more = chunk, True
        while is_more:
            chunks.append(unzip.decompress(packed, UNPACKED_AT_ONCE))
            size += len(chunks[-1])
            if size > most:
                raise _too_large(server, most)
            packed, is_more = unzip.unconsumed_tail, len(chunks[-1]) == UNPACKED_AT_ONCE
            if is_more:
                await asyncio.sleep(0)  # others get their turn
        if unzip.unused_data:
            raise BadAnswer(server, "data behind the end of a compressed body")
    if not unzip.eof:
        raise BadAnswer(server, "a compressed body that breaks off")
    return b"".join(chunks)


def _too_large(server: str, most: int) -> BadAnswer:
    return BadAnswer(server, f"a body of more than {most} bytes")
