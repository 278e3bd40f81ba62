"""The body of an answer: whole, not larger than is allowed, and out of its compression."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import BadAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

_GZIP: Final = 16 + zlib.MAX_WBITS
_PLAIN: Final = frozenset({"", "identity"})


async def read_body(
    response: aiohttp.ClientResponse, *, server: str, most: int, received: Callable[[int], None]
) -> bytes:
    """Read a body of at most ``most`` bytes, as it is once it is decompressed; ``received`` is told of what came.

    A body shorter than announced raises in aiohttp. Raises BadAnswer for one that is too large, or whose compression
    is unknown, broken, or does not come to its end: a connection that breaks off would not always be noticed by that.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in _PLAIN:
        return await _plain(response, server, most, received)
    if encoding != "gzip":
        raise BadAnswer(server, f"a body in the compression {encoding[:20]!r}, which was not asked for")
    try:
        return await _unzipped(response, server, most, received)
    except zlib.error as error:
        reason = f"a compressed body that is broken: {error}"
    raise BadAnswer(server, reason)


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
        # One byte more than is allowed shows that there is more; the rest is never made.
        chunks.append(unzip.decompress(chunk, most - size + 1))
        size += len(chunks[-1])
        if size > most:
            raise _too_large(server, most)
        if unzip.unused_data:
            raise BadAnswer(server, "data behind the end of a compressed body")
    if not unzip.eof:
        raise BadAnswer(server, "a compressed body that breaks off")
    return b"".join(chunks)


def _too_large(server: str, most: int) -> BadAnswer:
    return BadAnswer(server, f"a body of more than {most} bytes")
