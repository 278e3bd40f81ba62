"""A server's logical time: it orders events, and no change of the system clock affects it."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from retrovue_daemon.store.items.lookup import TABLES

if TYPE_CHECKING:
    import sqlite3


class Moments:
    """The current moment; it advances when a listing begins or ends.

    The end is recorded in the thread of the writer's connection, beginnings in the event loop's.
    """

    def __init__(self, now: int = 1) -> None:
        self.now = now
        self._advancing = Lock()

    def advance(self) -> int:
        """Return the current moment and advance to the next."""
        with self._advancing:
            moment = self.now
            self.now += 1
        return moment


def next_moment(connection: sqlite3.Connection, server_id: int) -> int:
    """Return a moment later than all moments stored in a server's rows."""
    query = "SELECT id, max(known_moment, listed_from, listed_until) FROM libraries WHERE server_id = ?"
    latest = 0
    for library_id, moment in connection.execute(query, (server_id,)).fetchall():
        latest = max(latest, moment)
        for table in TABLES.values():
            # The newest row has the latest first-seen moment.
            newest = f"SELECT first_moment FROM {table} WHERE library_id = ? ORDER BY id DESC LIMIT 1"
            for (first,) in connection.execute(newest, (library_id,)):
                latest = max(latest, first)
    return latest + 1
