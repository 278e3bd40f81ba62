"""Reading the body of a response: complete, within the size limit, and decompressed."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import BadAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

UNPACKED_AT_ONCE: Final = 1024 * 1024
"""Bytes, about two milliseconds of work: a few kilobytes may decompress to hundreds of megabytes."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_PLAIN: Final = frozenset({"", "identity"})
_ZIPPED: Final = frozenset({"gzip", "x-gzip"})
"""Two names for the same encoding (RFC 9110, 8.4.1.3)."""


async def read_body(
    response: aiohttp.ClientResponse, *, server: str, most: int, received: Callable[[int], None]
) -> bytes:
    """Read a body of at most ``most`` bytes after decompression; ``received`` is called with each number of bytes.

    aiohttp raises if a body is shorter than announced. Raise BadAnswer if it is too large, or if its compression is
    unknown, broken or incomplete: aiohttp does not always notice a broken connection in that case.
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
                await asyncio.sleep(0)  # give other tasks a turn
        if unzip.unused_data:
            raise BadAnswer(server, "data behind the end of a compressed body")
    if not unzip.eof:
        raise BadAnswer(server, "a compressed body that breaks off")
    return b"".join(chunks)


def _too_large(server: str, most: int) -> BadAnswer:
    return BadAnswer(server, f"a body of more than {most} bytes")
