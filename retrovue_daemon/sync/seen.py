"""Which rows a listing has shown, in as little memory as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class SeenIds:
    """A set of row ids, one bit each: a million take 125 kB, where a set of integers takes 60 MB."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self._count = 0

    def add(self, row_id: int) -> None:
        """Mark one row as seen."""
        index, bit = row_id >> 3, 1 << (row_id & 7)
        if index >= len(self._bits):
            self._bits.extend(bytes(index + 1 - len(self._bits)))
        if not self._bits[index] & bit:
            self._bits[index] |= bit
            self._count += 1

    def update(self, row_ids: Iterable[int]) -> None:
        """Mark rows as seen."""
        for row_id in row_ids:
            self.add(row_id)

    def __contains__(self, row_id: int) -> bool:
        index = row_id >> 3
        return index < len(self._bits) and bool(self._bits[index] >> (row_id & 7) & 1)

    def __len__(self) -> int:
        return self._count
