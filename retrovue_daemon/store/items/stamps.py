"""A digest of what a listing says about an item that its details depend on.

Details are read again if it differs from the one that they were read for. It is computed only for rows that are
written: it covers nothing that the item's own digest does not.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.records import Episode, Movie

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.records import Show

_EMPTY: Final = blake2b(digest_size=8, person=b"details1")
"""Raise the number to read the details of all items again."""

_encode: Final = msgspec.msgpack.Encoder().encode


def details_stamps(items: Sequence[Movie | Show | Episode]) -> tuple[int, ...]:
    """Return a signed 64-bit integer per item: of its time, its files, and the tags that its listing shows."""
    copy, encode = _EMPTY.copy, _encode
    hashes = bytearray()
    for item in items:
        if isinstance(item, Episode):
            files = item.files
            if len(files) == 1:
                # As nearly all are: for this, a list takes twice as long.
                covered: object = (item.updated_at, files[0].part_id, files[0].change_stamp)
            else:
                covered = (item.updated_at, [(file.part_id, file.change_stamp) for file in files])
        elif isinstance(item, Movie):
            parts = [(file.part_id, file.change_stamp) for file in item.files]
            covered = (item.updated_at, parts, item.genre, item.director)
        else:
            covered = (item.updated_at, item.genre, item.network)
        hashed = copy()
        hashed.update(encode(covered))
        hashes += hashed.digest()
    return struct.unpack(f">{len(items)}q", hashes)
