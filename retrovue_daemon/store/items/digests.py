"""A digest of everything that is stored of an item, to detect changes quickly.

It covers the whole record: every stored field, the external ids, and the id, path, size and change stamp of every
file. Plex's ``updatedAt`` covers less: it may be absent, and does not always move when a file is replaced. The local
path is not included, because path mappings change independently of the server; nor are the times in the paths of
pictures, and the streams of files, which have a digest of their own (``records/beside.py``).
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.records import Item

DIGEST_VERSION = 2
"""Raise this when the fields of the records change: every row then counts as changed once."""

_EMPTY = blake2b(digest_size=8, person=DIGEST_VERSION.to_bytes(2, "big"))
_WITHOUT_LOWEST_BIT = bytes(byte & 0xFE for byte in range(256))
_ENCODER = msgspec.msgpack.Encoder(enc_hook=attrgetter("covered"))


def digests(items: Sequence[Item]) -> tuple[int, ...]:
    """Return the digest of each item as a signed 64-bit integer, which SQLite stores directly.

    Two states of one item collide once in 2**63 changes. The lowest bit is 0: rows of items that wait for their
    parents have it set (``store/items/orphans.py``).
    """
    copy, encode = _EMPTY.copy, _ENCODER.encode
    hashes = bytearray()
    for item in items:
        hashed = copy()
        hashed.update(encode(item))
        hashes += hashed.digest()
    hashes[7::8] = hashes[7::8].translate(_WITHOUT_LOWEST_BIT)
    return struct.unpack(f">{len(items)}q", hashes)
