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
    """
    for migration in migrations():
        if migration.version <= version:
            continue
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{migration.sql}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {migration.version};\nCOMMIT;"
        )
        version = migration.version
    return version
