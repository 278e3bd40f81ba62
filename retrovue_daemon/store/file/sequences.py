"""Ids that are used up: SQLite gives no more to a table in which another program used the highest possible one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import IdsUsedUp
from retrovue_daemon.store.damaged_texts import error_name

if TYPE_CHECKING:
    from pathlib import Path

_HIGHEST: Final = 2**63 - 1
"""https://sqlite.org/autoinc.html: the next row is then refused with the error of a full disk."""


def used_up(connection: sqlite3.Connection) -> list[str]:
    """Return the tables to which no row can be added, because their highest id is used."""
    query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%' ORDER BY name"
    last = (
        "SELECT max((SELECT ifnull(max(CAST(seq AS INTEGER)), 0) FROM sqlite_sequence WHERE name = ?),"
        " ifnull(max(rowid), 0))"
    )
    tables = [name for (name,) in connection.execute(query)]
    return [name for name in tables if connection.execute(f'{last} FROM "{name}"', (name,)).fetchone() == (_HIGHEST,)]


def remedy(tables: list[str]) -> str:
    """Return the statements that make room for new ids again."""
    each = (
        f"DELETE FROM {table} WHERE rowid = {_HIGHEST};"
        f" UPDATE sqlite_sequence SET seq = (SELECT ifnull(max(rowid), 0) FROM {table}) WHERE name = '{table}';"
        for table in tables
    )
    return f"PRAGMA foreign_keys = ON; {' '.join(each)}"


def as_used_up(path: Path, error: sqlite3.Error) -> IdsUsedUp | None:
    """Return the error to report if SQLite refused a row because its table has no more ids."""
    if error_name(error) != "SQLITE_FULL":
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as connection:
            tables = used_up(connection)
    except sqlite3.Error:
        return None
    if not tables:
        return None
    hint = f'another program stored the highest possible id; run: sqlite3 {path} "{remedy(tables)}"'
    return IdsUsedUp(path, f"no more ids for rows of {', '.join(tables)}", hint=hint)
