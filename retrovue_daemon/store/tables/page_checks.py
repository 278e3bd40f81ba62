"""The last check of the database's pages by a daemon, one JSON text in ``daemon_state``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import sqlite3

_READ = "SELECT value FROM daemon_state WHERE key = 'page_check'"
_STORE = (
    "INSERT INTO daemon_state (key, value) VALUES ('page_check', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class PageCheck(msgspec.Struct, frozen=True):
    """A check of all pages: the time of its end, and the first problem found, which was there ``since``, or None.

    Times are Unix seconds.
    """

    at: int
    damage: str | None = None
    since: int | None = None


def read_page_check(connection: sqlite3.Connection) -> PageCheck | None:
    """Return the last check; None if there was none, or if another program wrote the text."""
    for (value,) in connection.execute(_READ):
        try:
            return msgspec.convert(json.loads(value), PageCheck)
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors, too
            return None
    return None


def store_page_check(connection: sqlite3.Connection, done: PageCheck) -> None:
    """Store a check. Call this from the writer."""
    connection.execute(_STORE, (json.dumps(msgspec.to_builtins(done)),))
