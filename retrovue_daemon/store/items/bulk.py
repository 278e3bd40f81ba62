"""Rows by the hundred in one statement.

The interpreter's lock is given back at every step of a statement and taken again after it, and taking it means
waiting, up to 5 ms, where another thread computes. ``executemany`` takes a step for each row: beside a listing that
is being decoded it wrote a few hundred rows a second. A statement of many rows takes one.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

Row: TypeAlias = tuple[str | int | None, ...]

VALUES_AT_ONCE = 5_000
"""Values of the largest statement: twice as many bring nothing, and it stays in memory (about 100 bytes each)."""

FEWER = 5
"""What is left over goes in statements of a fifth of the rows, of a fifth of that, and so on: a few texts a table."""


class Insertion(msgspec.Struct, frozen=True):
    """Inserts rows of these columns into a table; ``conflict`` is what it does about rows that are there."""

    table: str
    columns: tuple[str, ...]
    conflict: str


def write_rows(connection: sqlite3.Connection, insertion: Insertion, rows: Sequence[Row]) -> None:
    """Write finished rows, in their order, within the transaction of the caller."""
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
