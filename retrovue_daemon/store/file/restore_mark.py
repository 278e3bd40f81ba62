"""The mark by which a process recognises that `database restore` has replaced the content under it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_READ = "SELECT value FROM daemon_state WHERE key = 'restore_mark'"
_WRITE = (
    "INSERT INTO daemon_state (key, value) VALUES ('restore_mark', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


def restore_mark(connection: sqlite3.Connection) -> str | None:
    """Return the mark of the last restore; None if the database was never restored."""
    row = connection.execute(_READ).fetchone()
    return None if row is None else str(row[0])


def set_restore_mark(connection: sqlite3.Connection) -> None:
    """Store a mark that no database had before."""
    connection.execute(_WRITE, (str(uuid.uuid4()),))
