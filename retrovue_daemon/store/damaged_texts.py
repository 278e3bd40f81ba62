"""Texts that are not UTF-8, which only other programs can store: Python's sqlite3 module refuses to read them."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def error_name(error: BaseException) -> str:
    """Return SQLite's name of an error; an empty text if Python raised it by itself, as for such a text."""
    name: str = getattr(error, "sqlite_errorname", "")
    return name


def read_leniently(connection: sqlite3.Connection, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a query; such a text has replacement characters instead of ending the query."""
    try:
        return connection.execute(query, values).fetchall()
    except sqlite3.OperationalError as error:
        if error_name(error) or connection.text_factory is not str:
            raise
    # Only then, because it takes a call per text.
    connection.text_factory = lambda text: text.decode(errors="replace")
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.text_factory = str
