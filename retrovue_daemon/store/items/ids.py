"""New row ids, allocated in advance within one write transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import sqlite3


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
