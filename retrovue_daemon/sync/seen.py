"""The rows that a listing has shown, in very little memory, and those that it has not."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from retrovue_daemon.store.items.lookup import next_ids
from retrovue_daemon.store.items.sweep import still_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.connection import Connection


class SeenIds:
    """A set of row ids, one bit each: a million take 125 kB instead of the 60 MB of a set of integers."""

    def __init__(self, row_ids: Collection[int] = ()) -> None:
        self._bits = bytearray()
        self._count = 0
        self.update(row_ids)

    def update(self, row_ids: Collection[int]) -> None:
        """Mark rows as seen."""
        bits, count = self._bits, self._count
        highest = max(row_ids, default=0) >> 3
        if highest >= len(bits):
            bits.extend(bytes(highest + 1 - len(bits)))
        for row_id in row_ids:
            index, bit = row_id >> 3, 1 << (row_id & 7)
            if not bits[index] & bit:
                bits[index] |= bit
                count += 1
        self._count = count

    def unseen(self, row_ids: Iterable[int]) -> array[int]:
        """Return the given rows that were not seen, in order."""
        bits, size = self._bits, len(self._bits) << 3
        return array(
            "q", [row_id for row_id in row_ids if row_id >= size or not bits[row_id >> 3] >> (row_id & 7) & 1]
        )

    def __contains__(self, row_id: object) -> bool:
        if not isinstance(row_id, int):
            return False
        index = row_id >> 3
        return index < len(self._bits) and bool(self._bits[index] >> (row_id & 7) & 1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SeenIds):
            return NotImplemented
        return self._count == other._count and self._bits.rstrip(b"\0") == other._bits.rstrip(b"\0")

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __len__(self) -> int:
        return self._count


async def ids_of_library(
    reader: Connection, kind: Kind, library_id: int, *, chunk: int = 10_000
) -> AsyncIterator[list[int]]:
    """Yield the ids of a library's rows, including missing ones, in chunks, so that a million are never in memory."""
    last = 0
    while ids := await reader.run(next_ids, kind, library_id, last, chunk):
        yield ids
        if len(ids) < chunk:
            return
        last = ids[-1]


async def unseen_rows(
    reader: Connection, library_id: int, seen: Mapping[Kind, SeenIds], *, chunk: int = 10_000
) -> dict[Kind, array[int]]:
    """Return the ids of a library's rows that were not seen and are not yet missing, by kind."""
    unseen = {kind: array("q") for kind in seen}
    kinds, last = list(seen), 0
    while kinds:
        part, kinds, last = await reader.run(_next_unseen, library_id, seen, kinds, last, chunk)
        for kind, ids in part.items():
            unseen[kind] += ids
    return unseen


def _next_unseen(
    connection: sqlite3.Connection,
    library_id: int,
    seen: Mapping[Kind, SeenIds],
    kinds: Sequence[Kind],
    last: int,
    limit: int,
) -> tuple[dict[Kind, array[int]], list[Kind], int]:
    """Look at the next rows of these kinds, beginning after the row ``last`` of the first kind.

    Return the unseen ones, the kinds that are left, and the new ``last``. ``limit`` is the most rows to look at.
    """
    unseen: dict[Kind, array[int]] = {}
    for number, kind in enumerate(kinds):
        ids = next_ids(connection, kind, library_id, last, limit)
        unseen[kind] = still_of(connection, kind, library_id, seen[kind].unseen(ids))
        if len(ids) == limit:
            return unseen, [*kinds[number:]], ids[-1]
        limit, last = limit - len(ids), 0
    return unseen, [], 0
