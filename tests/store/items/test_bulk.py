"""Rows by the hundred in one statement."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from retrovue_daemon.store.items.bulk import VALUES_AT_ONCE, Insertion, write_rows

COLUMNS = tuple(f"c{number}" for number in range(20))
MOST = VALUES_AT_ONCE // len(COLUMNS)
INSERTION = Insertion("things", COLUMNS, "ON CONFLICT (c0) DO UPDATE SET c1 = excluded.c1")


def _rows(number: int) -> list[tuple[int, ...]]:
    return [tuple(range(first, first + len(COLUMNS))) for first in range(number)]


@pytest.mark.parametrize("number", [0, 1, MOST - 1, MOST, MOST + 1, 4 * MOST + 17])
def test_all_rows_are_written_whatever_their_number(number: int) -> None:
    """Every one of them once, with its own values, in few statements of few different texts."""
    statements: list[str] = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"CREATE TABLE things (c0 INTEGER PRIMARY KEY, {', '.join(COLUMNS[1:])})")
        connection.set_trace_callback(statements.append)
        write_rows(connection, INSERTION, _rows(number))
        connection.set_trace_callback(None)
        assert connection.execute("SELECT * FROM things ORDER BY c0").fetchall() == _rows(number)
    assert len(statements) <= number // MOST + 4 * 4
    assert len({statement.count("), (") for statement in statements}) <= 5


def test_a_later_row_of_the_same_id_changes_the_earlier_one() -> None:
    """Also within one statement."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"CREATE TABLE things (c0 INTEGER PRIMARY KEY, {', '.join(COLUMNS[1:])})")
        write_rows(connection, INSERTION, [(1, *range(19)), (1, 99, *range(18))] * 2)
        assert connection.execute("SELECT c0, c1 FROM things").fetchall() == [(1, 99)]
