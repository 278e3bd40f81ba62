"""What a pass changed: the first items, for its log line, and its entries in the change feed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from retrovue_daemon.store.items.changes import MOST_NAMED, ChangedRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.feed.recording import Entries
    from retrovue_daemon.store.items.changes import Op
    from retrovue_daemon.store.items.upserts import BatchResult
    from retrovue_daemon.sync.removal import Removal


class ChangedItems:
    """Collects changed rows, and keeps the first of each operation."""

    def __init__(self) -> None:
        self._first: dict[Op, dict[tuple[Kind, int], None]] = {}
        """The rows, in order; a row that is written twice counts once."""
        self.entries: list[Entries] = []
        """All entries in the change feed."""

    def add(self, result: BatchResult) -> None:
        """Add the result of a batch."""
        self.entries.append(result.entries)
        for row in result.first:
            first = self._first.setdefault(row.op, {})
            if len(first) < MOST_NAMED:
                first[row.kind, row.id] = None

    def rows(self, removal: Removal | None) -> tuple[ChangedRow, ...]:
        """Return what to name first: what left or moved, then what came, then what was only updated."""
        left = () if removal is None else _rows_of(removal)
        written: tuple[Op, ...] = ("restored", "added", "updated")
        return (*left, *(ChangedRow(op, *each) for op in written for each in self._first.get(op, ())))


def _rows_of(removal: Removal) -> Iterator[ChangedRow]:
    if removal.refusal is None:
        yield from _first_of("removed", removal.leaving)
    yield from _first_of("moved", removal.rekeyed.pairs)


def _first_of(op: Op, ids: Mapping[Kind, Iterable[int]]) -> Iterator[ChangedRow]:
    return islice((ChangedRow(op, kind, row_id) for kind, row_ids in ids.items() for row_id in row_ids), MOST_NAMED)
