"""The numbered schema files, and the function that upgrades a database to the newest one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x52565044
"""Written to the file header (``PRAGMA application_id``): the letters RVPD."""


class Migration(msgspec.Struct, frozen=True):
    """One schema file: ``0001_schema.sql`` is version 1."""

    version: int
    name: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations of this release, oldest first."""
    return tuple(
        Migration(int(file.name.split("_", 1)[0]), file.stem, file.read_text("utf-8"))
        for file in sorted(Path(__file__).parent.glob("*.sql"))
    )


def migrate(connection: sqlite3.Connection, version: int) -> int:
    """Apply all migrations newer than ``version`` and return the number of the last one.

    Each migration shares a transaction with its version number, so that a failure leaves the previous version intact.
    A new database (version 0) gets its whole schema in one: a start that is killed leaves an empty file.
    """
    waiting = [migration for migration in migrations() if migration.version > version]
    for steps in [waiting] if version == 0 else [[migration] for migration in waiting]:
        if not steps:
            break
        sql = "\n".join(migration.sql for migration in steps)
        version = steps[-1].version
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{sql}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {version};\nCOMMIT;"
        )
    return version


def holds_rows(connection: sqlite3.Connection) -> bool:
    """Return whether a database has any row that a migration did not make."""
    tables = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'feed'"
    ).fetchall()
    quoted = (name.replace('"', '""') for (name,) in tables)
    return any(connection.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone() for name in quoted)
