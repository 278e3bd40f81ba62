"""The tables of a new database: migrated once per process, and copied into the databases of most tests.

All migrations together take 70 ms, and thousands of tests begin with a new database. The tests of ``store/`` itself
and of ``store/file/`` migrate each of theirs, as do all processes.
"""

from __future__ import annotations

import atexit
import sqlite3
from typing import TYPE_CHECKING

from retrovue_daemon.store.file import preparation
from retrovue_daemon.store.migrations import migrate

if TYPE_CHECKING:
    from pathlib import Path

MIGRATED = ("store", "file")
"""Folders whose tests migrate."""

_template: list[sqlite3.Connection] = []


def copied(connection: sqlite3.Connection, version: int) -> int:
    """Do what `migrate` does; an empty database becomes a copy of one that was migrated."""
    is_new = version == 0 and not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not is_new:
        return migrate(connection, version)
    if not _template:
        _template.append(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
        atexit.register(_template[0].close)
        migrate(_template[0], 0)
    _template[0].backup(connection)
    newest: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return newest


def copy_for(test: Path) -> None:
    """Let new databases be copied or migrated, according to the test file."""
    vars(preparation)["migrate"] = migrate if test.parent.name in MIGRATED else copied
