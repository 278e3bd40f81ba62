"""Kinds of random faults that break or slow the connection, or frame the body badly."""

from __future__ import annotations

import gzip as gzip_format
import zlib
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.demo.faults.disturbance import Disturbance

HANG_S = 60.0
DRIP_BYTES, DRIP_S = 64, 0.05
DRIPS = 400
"""So many pieces are sent slowly, the rest at once: 20 seconds in all."""


async def truncate(it: Disturbance) -> web.StreamResponse:
    """End the body too early: the headers promise more, or the length is that of the part."""
    part = it.body[: it.chooser.randrange(len(it.body) + 1)]
    if it.chooser.random() < 0.5:  # noqa: PLR2004  # half of them
        return it.with_body(part)
    begun = await it.begin(length=len(it.body) + 1)
    await begun.write(part)
    it.close()
    return begun


async def reset(it: Disturbance) -> web.StreamResponse:
    """Reset the connection before, in or after the body."""
    where = it.chooser.choice(("before", "headers", "body", "after"))
    if where == "before":
        it.reset()
        return web.Response()
    begun = await it.begin(length=len(it.body))
    if where == "body":
        await begun.write(it.body[: len(it.body) // 2])
    elif where == "after":
        await begun.write(it.body)
        await begun.write_eof()
    it.reset()
    return begun


async def hang(it: Disturbance) -> web.StreamResponse:
    """Stop responding before the headers, after them, or in the body; continue after a minute."""
    where = it.chooser.choice(("before", "headers", "body"))
    if where == "before":
        await it.wait(HANG_S)
        return it.response
    begun = await it.begin(length=len(it.body))
    sent = len(it.body) // 2 if where == "body" else 0
    await begun.write(it.body[:sent])
    await it.wait(HANG_S)
    await begun.write(it.body[sent:])
    return begun


async def drip(it: Disturbance) -> web.StreamResponse:
    """Send the body in small pieces with pauses: no read times out."""
    begun = await it.begin(length=len(it.body))
    for number, piece in enumerate(_pieces(it.body, DRIP_BYTES)):
        if number < DRIPS and not it.ended.is_set():
            await it.wait(DRIP_S)
        await begun.write(piece)
    return begun


async def chunk(it: Disturbance) -> web.StreamResponse:
    """Send the body in chunks: of a few bytes, without the last one, or with a length that is none."""
    how = it.chooser.choice(("small", "endless", "broken"))
    begun = await it.begin(length=None)
    if how == "small":
        for piece in _pieces(it.body, 1 + len(it.body) // 200):
            await begun.write(piece)
        return begun
    await begun.write(it.body[: len(it.body) // 2])
    if how == "broken":
        it.write_raw(b"zz\r\nnot a chunk\r\n")
    it.close()
    return begun


async def gzip(it: Disturbance) -> web.StreamResponse:
    """Compress though it was not requested: rightly, twice, as deflate, cut short, with a tail, or only in name."""
    packed = gzip_format.compress(it.body, 1)
    encoding, body = it.chooser.choice(
        (
            ("gzip", packed),
            ("gzip", gzip_format.compress(packed, 1)),
            ("gzip", packed[: len(packed) // 2]),
            ("gzip", packed + b"tail"),
            ("gzip", it.body),
            ("gzip", packed[:20] + b"\x00" * 20 + packed[40:]),
            ("deflate", zlib.compress(it.body, 1)),
            ("br", it.body),
            ("gzip, gzip", gzip_format.compress(packed, 1)),
        )
    )
    return it.with_body(body, Content_Encoding=encoding)


async def double(it: Disturbance) -> web.StreamResponse:
    """Respond twice: two documents in one body, or a second response that no one requested."""
    if it.chooser.random() < 0.5:  # noqa: PLR2004  # half of them
        return it.with_body(it.body + it.chooser.choice((b"", b"\n", b"\x00")) + it.body)
    begun = await it.begin(length=len(it.body))
    await begun.write(it.body)
    await begun.write_eof()
    content_type = it.response.headers.get("Content-Type", "application/json")
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(it.body)}\r\n\r\n"
    it.write_raw(head.encode() + it.body)
    return begun


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))
