"""Kinds of random faults that are hard to read: bombs, nesting, long texts, numbers, encodings, entities."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

    from retrovue_daemon.demo.faults.disturbance import Container, Disturbance

MIB = 1024 * 1024
GZIP_HEADER = b"\x1f\x8b\x08" + b"\x00" * 6 + b"\xff"
BOMB_MIB = (2, 8, 32, 80, 256)
"""After decompression. A compressed MiB of one byte takes 1 KiB."""
DEPTH = (100, 2000, 200_000)
TEXT_MIB = (1, 8, 20)
NUMBERS = (
    "1e400", "-1e400", "1e-400", "18446744073709551616", "-9223372036854775809", "9223372036854775807", "-1", "0.5",
    "NaN", "Infinity", "true", "null", '"twelve"', '"12"', '""', "[]", "{}", "1" + "0" * 5000, "00", "0x10",
)  # fmt: skip
"""As JSON, some of it invalid."""
NUMERIC = ("duration", "year", "index", "parentIndex", "updatedAt", "addedAt", "leafCount", "childCount")
LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
DOCTYPES = (
    f'<!DOCTYPE m [<!ENTITY l0 "ha">{LAUGHS}]><MediaContainer size="1" title="&l9;"/>',
    '<!DOCTYPE m [<!ENTITY e SYSTEM "file:///etc/passwd">]><MediaContainer size="1" title="t">&e;</MediaContainer>',
    '<!DOCTYPE m SYSTEM "http://127.0.0.1:9/x.dtd"><MediaContainer size="0"/>',
    '<MediaContainer size="1" title="&undefined;"/>',
    '<MediaContainer size="1" title="&#0;"/>',
)


async def bomb(it: Disturbance) -> web.StreamResponse:
    """Send a body that grows: gzip of spaces, a million empty entries, nulls or XML elements, compressed."""
    size = it.chooser.choice(BOMB_MIB) * MIB
    start, unit, end = it.chooser.choice(
        (
            (b'{"MediaContainer":{"size":1,"title":"', b" ", b'"}}'),
            (b'{"MediaContainer":{"size":1,"Metadata":[{}', b",{}", b"]}}"),
            (b'{"MediaContainer":{"size":1,"Metadata":[null', b",null", b"]}}"),
            (b'{"MediaContainer":{"size":1,"Metadata":[{"Guid":[{"id":"a"}', b',{"id":"a"}', b"]}]}}"),
            (b'<?xml version="1.0"?><MediaContainer size="1">', b"<Video/>", b"</MediaContainer>"),
        )
    )
    content_type = "text/xml" if start.startswith(b"<") else "application/json"
    return it.with_body(_packed(start, unit, size, end), content_type=content_type, Content_Encoding="gzip")


def _packed(start: bytes, unit: bytes, size: int, end: bytes) -> bytes:
    """Return as gzip what begins with `start`, repeats `unit` up to about `size` bytes, and ends with `end`.

    A MiB is compressed once, in a way that does not refer to what came before it, and then repeated.
    """
    packer = zlib.compressobj(level=1, wbits=-zlib.MAX_WBITS)
    piece = unit * (MIB // len(unit))
    times = size // len(piece)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    middle = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    last = packer.compress(end) + packer.flush()
    checksum = zlib.crc32(start)
    for _ in range(times):
        checksum = zlib.crc32(piece, checksum)
    checksum = zlib.crc32(end, checksum)
    length = len(start) + times * len(piece) + len(end)
    return GZIP_HEADER + first + middle * times + last + struct.pack("<II", checksum, length % 2**32)


async def nesting(it: Disturbance) -> web.StreamResponse:
    """Nest arrays, objects or elements many times."""
    depth = it.chooser.choice(DEPTH)
    opened, closed, content_type = it.chooser.choice(
        (("[", "]", "application/json"), ('{"a":', "}", "application/json"), ("<Video>", "</Video>", "text/xml"))
    )
    inner = opened * depth + ("1" if content_type == "application/json" else "") + closed * depth
    if content_type == "text/xml":
        return it.with_body(f'<MediaContainer size="1">{inner}</MediaContainer>'.encode(), content_type=content_type)
    return it.with_body(f'{{"MediaContainer":{{"size":1,"Metadata":[{inner}]}}}}'.encode(), content_type=content_type)


async def texts(it: Disturbance) -> web.StreamResponse:
    """Send a text of many megabytes: a title, a key, a guid, a name of a container."""
    container = it.container()
    if container is None:
        return it.response
    text = "long " * (it.chooser.choice(TEXT_MIB) * MIB // 5)
    entries = [*container.get("Metadata", []), *container.get("Directory", [])]
    target = it.chooser.choice(entries) if entries and it.chooser.random() < 0.8 else container  # noqa: PLR2004  # most
    names = ("title", "summary", "guid", "type", "uuid", "version", "title1")
    target[it.chooser.choice(names)] = text
    return it.with_container(container)


async def numbers(it: Disturbance) -> web.StreamResponse:
    """Put numbers into an entry that no database holds, or that are none."""
    container = it.container()
    if container is None:
        return it.response
    entries: list[Container] = [*container.get("Metadata", []), *container.get("Directory", [])] or [container]
    entry = it.chooser.choice(entries)
    name = it.chooser.choice([name for name in NUMERIC if name in entry] or ["size"])
    entry[name] = "a number of its own"
    wrong: str = it.chooser.choice(NUMBERS)
    text = json.dumps({"MediaContainer": container}).replace('"a number of its own"', wrong)
    return it.with_body(text.encode())


async def encoding(it: Disturbance) -> web.StreamResponse:
    """Encode the body in another way: UTF-16, Latin-1, a byte order mark, lone surrogates, NUL, invalid UTF-8."""
    text = it.body.decode("utf-8", "replace")
    title = '"title":"'
    ways: tuple[Any, ...] = (
        lambda: text.encode("utf-16"),
        lambda: text.encode("latin-1", "replace"),
        lambda: b"\xef\xbb\xbf" + it.body,
        lambda: text.replace(title, title + "\\ud800").encode(),
        lambda: text.replace(title, title + "\\u0000").encode(),
        lambda: it.body.replace(title.encode(), title.encode() + b"\xff\xfe"),
        lambda: it.body.replace(title.encode(), title.encode() + b"\x00\x1b[2J"),
        lambda: it.body.replace(title.encode(), title.encode() + "\u202e\u2028".encode()),
    )
    return it.with_body(it.chooser.choice(ways)())


async def entities(it: Disturbance) -> web.StreamResponse:
    """Send XML whose entities expand without end, or name files, other addresses, or nothing."""
    return it.with_body(it.chooser.choice(DOCTYPES).encode(), content_type="text/xml")
