"""Writing hundreds of rows per statement, and the ids of new rows.

The interpreter lock is released at every step of a statement and reacquired after it, and reacquiring it means
waiting up to 5 ms while another thread computes. ``executemany`` takes a step per row: while a listing was being
decoded, it wrote only a few hundred rows per second. A statement with many rows takes a single step.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Self, TypeAlias

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

Row: TypeAlias = tuple[str | int | float | None, ...]

VALUES_AT_ONCE = 5_000
"""Values in the largest statement: twice as many gain nothing, and it stays in memory (about 100 bytes each)."""

FEWER = 5
"""The remainder is written in statements of a fifth of the rows, a fifth of that, and so on: few texts per table."""


class Insertion(msgspec.Struct, frozen=True):
    """Inserts rows of these columns into a table; ``conflict`` is the clause for rows that already exist."""

    table: str
    columns: tuple[str, ...]
    conflict: str


def write_rows(connection: sqlite3.Connection, insertion: Insertion, rows: Sequence[Row]) -> None:
    """Write finished rows in order, within the caller's transaction."""
    start = 0
    for size in _sizes(len(insertion.columns)):
        while len(rows) - start >= size:
            connection.execute(_text(insertion, size), tuple(chain.from_iterable(rows[start : start + size])))
            start += size


@cache
def _sizes(columns: int) -> tuple[int, ...]:
    sizes = [VALUES_AT_ONCE // columns]
    while sizes[-1] > 1:
        sizes.append(max(sizes[-1] // FEWER, 1))
    return tuple(sizes)


@cache
def _text(insertion: Insertion, rows: int) -> str:
    names = ", ".join(insertion.columns)
    marks = ", ".join("?" * len(insertion.columns))
    many = ", ".join([f"({marks})"] * rows)
    return f"INSERT INTO {insertion.table} ({names}) VALUES {many} {insertion.conflict}"


class NewIds:
    """Allocates the next ids of an ``AUTOINCREMENT`` table.

    SQLite keeps the highest id of such a table in ``sqlite_sequence``, even after its row is deleted, and raises it
    for explicit ids too (https://sqlite.org/autoinc.html): no id is ever reused.
    """

    def __init__(self, last: int) -> None:
        self._last = last

    @classmethod
    def of(cls, connection: sqlite3.Connection, table: str) -> Self:
        """Return an allocator that starts after the highest id that the table ever had."""
        rows = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,))
        return cls(max((seq for (seq,) in rows), default=0))

    def take(self) -> int:
        """Return the next id."""
        self._last += 1
        return self._last
