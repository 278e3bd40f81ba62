"""Deleting old entries of the change feed, by observed time: a system clock that is set deletes nothing.

Entries only have the wall clock. So a mark is stored from time to time: the observed time, and the newest entry then.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from retrovue_daemon.store.feed.recording import last_entry

if TYPE_CHECKING:
    import sqlite3

Marks: TypeAlias = list[tuple[int, int]]
"""Observed times and the newest entries at those times, the oldest first."""

_READ: Final = "SELECT value FROM daemon_state WHERE key = 'feed_marks'"
_STORE: Final = (
    "INSERT INTO daemon_state (key, value) VALUES ('feed_marks', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)

_MARKS: Final = 30
"""Marks within the retention: entries are kept longer by a thirtieth of it."""

_PURGED_AT_ONCE: Final = 200
"""Entries per transaction, of up to 1,000 rows each."""

_DELETE: Final = (
    "DELETE FROM change_batches WHERE seq IN (SELECT seq FROM change_batches WHERE seq <= ? ORDER BY seq LIMIT ?)"
    " RETURNING seq"
)


def purge_changes(connection: sqlite3.Connection, observed: int, retention: float) -> int:
    """Delete a batch of entries older than ``retention``, in seconds; return how many, 0 if none are left.

    Run this as one of the writer's transactions, if `is_purge_due` says so.
    """
    marks = _marked(connection, observed, retention)
    position = _position(marks, observed, retention)
    kept = [mark for mark in marks if mark[1] >= position]
    if kept != _read(connection):
        connection.execute(_STORE, (json.dumps(kept),))
    deleted = [seq for (seq,) in connection.execute(_DELETE, (position, _PURGED_AT_ONCE))]
    if deleted:
        connection.execute("UPDATE feed SET floor = max(floor, ?)", (max(deleted),))
    return len(deleted)


def is_purge_due(connection: sqlite3.Connection, observed: int, retention: float) -> bool:
    """Return whether a mark should be stored, or entries deleted."""
    marks = _marked(connection, observed, retention)
    ((oldest,),) = connection.execute("SELECT ifnull(min(seq), -1) FROM change_batches")
    return marks != _read(connection) or 0 <= oldest <= _position(marks, observed, retention)


def _marked(connection: sqlite3.Connection, observed: int, retention: float) -> Marks:
    """Return the marks, with one of now if the last one is old and entries have followed it."""
    marks, last = _read(connection), last_entry(connection)
    if (not marks or marks[-1][0] <= observed - retention / _MARKS) and last > (marks[-1][1] if marks else 0):
        return [*marks, (observed, last)]
    return marks


def _position(marks: Marks, observed: int, retention: float) -> int:
    """Return the newest entry that is old enough."""
    return max((seq for time, seq in marks if time <= observed - retention), default=0)


def _read(connection: sqlite3.Connection) -> Marks:
    for (value,) in connection.execute(_READ):
        try:
            return msgspec.json.decode(value, type=Marks)
        except msgspec.DecodeError:  # another program wrote it
            return []
    return []
