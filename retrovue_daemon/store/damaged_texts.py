"""Texts that are not UTF-8, which only other programs can store: Python's sqlite3 module refuses to read them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


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


def damaged_texts(connection: sqlite3.Connection, tables: Iterable[str]) -> Iterator[str]:
    """Yield what such texts are in these tables, a line per column. This reads all rows."""
    for table in tables:
        try:
            for _ in connection.execute(f"SELECT * FROM {table}"):
                pass
        except sqlite3.OperationalError as error:
            if error_name(error):
                raise
            yield from _of_table(connection, table)


def _of_table(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    connection.text_factory = _Text
    try:
        cursor, found = connection.execute(f"SELECT * FROM {table}"), defaultdict[str, list[str]](list)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            for name, value in zip(names, row, strict=True):
                if isinstance(value, _Text) and (text := value.decode(errors="replace")).encode() != value:
                    found[name].append(text)
    finally:
        connection.text_factory = str
    for name, texts in found.items():
        yield f"{len(texts)} texts of {table}.{name} are not UTF-8, such as {texts[0]!r}; write them again"


class _Text(bytes):
    """The bytes of a text, unlike those of a BLOB."""
