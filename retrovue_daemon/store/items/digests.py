"""Digests of items, to detect changes quickly: of everything that is stored, and of what their details depend on.

The first covers the whole record: every stored field, the external ids, and the id, path, size and change stamp of
every file. Plex's ``updatedAt`` covers less: it may be absent, and does not always move when a file is replaced. The
local path is not included, because path mappings change independently of the server. Neither are the times in the
paths of pictures, nor the streams of files, which have a digest of their own (``records/beside.py``).

The second is the stamp of an item's details, which are read again if it differs from the one that they were read for.
It is computed only for rows that are written: it covers nothing that the first does not.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from retrovue_daemon.records import Episode, Movie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from retrovue_daemon.records import Item, Show

DIGEST_VERSION: Final = 2
"""Raise this when the fields of the records change: every row then counts as changed once."""

_OF_ITEM: Final = blake2b(digest_size=8, person=DIGEST_VERSION.to_bytes(2, "big"))
_OF_DETAILS: Final = blake2b(digest_size=8, person=b"details1")
"""Raise the number to read the details of all items again."""

_WITHOUT_LOWEST_BIT: Final = bytes(byte & 0xFE for byte in range(256))
_encode_item: Final = msgspec.msgpack.Encoder(enc_hook=attrgetter("covered")).encode
_encode: Final = msgspec.msgpack.Encoder().encode


def digests(items: Sequence[Item]) -> tuple[int, ...]:
    """Return the digest of each item as a signed 64-bit integer, which SQLite stores directly.

    Two states of one item collide once in 2**63 changes. The lowest bit is 0: rows of items that wait for their
    parents have it set (``store/items/parents.py``).
    """
    hashes = _hashes(items, _encode_item, _OF_ITEM.copy)
    hashes[7::8] = hashes[7::8].translate(_WITHOUT_LOWEST_BIT)
    return struct.unpack(f">{len(items)}q", hashes)


def details_stamps(items: Sequence[Movie | Show | Episode]) -> tuple[int, ...]:
    """Return a signed 64-bit integer per item: of its time, its files, and the tags that its listing shows."""
    return struct.unpack(f">{len(items)}q", _hashes(map(_listed_details, items), _encode, _OF_DETAILS.copy))


def _listed_details(item: Movie | Show | Episode) -> tuple[object, ...]:
    """Return what a listing says about an item that its details depend on."""
    if isinstance(item, Episode):
        files = item.files
        if len(files) == 1:
            # As nearly all are: for this, a list takes twice as long.
            return item.updated_at, files[0].part_id, files[0].change_stamp
        return item.updated_at, [(file.part_id, file.change_stamp) for file in files]
    if isinstance(item, Movie):
        parts = [(file.part_id, file.change_stamp) for file in item.files]
        return item.updated_at, parts, item.genre, item.director
    return item.updated_at, item.genre, item.network


def _hashes(values: Iterable[object], encode: Callable[[object], bytes], begin: Callable[[], Any]) -> bytearray:
    """Return eight bytes for each value; ``begin`` returns a new hash."""
    hashes = bytearray()
    for value in values:
        hashed = begin()
        hashed.update(encode(value))
        hashes += hashed.digest()
    return hashes
