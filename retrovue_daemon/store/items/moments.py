"""A server's own time: it says what came before what, and no clock that is set can confuse it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.store.items.lookup import TABLES

if TYPE_CHECKING:
    import aiosqlite


class Moments:
    """The present moment; it goes on when a listing begins or ends."""

    def __init__(self, now: int = 1) -> None:
        self.now = now

    def go_on(self) -> int:
        """Return the present moment, and let the next one begin."""
        moment = self.now
        self.now += 1
        return moment


async def next_moment(connection: aiosqlite.Connection, server_id: int) -> int:
    """Return a moment after all that a server's rows remember."""
    query = "SELECT id, max(known_moment, listed_from, listed_until) FROM libraries WHERE server_id = ?"
    latest = 0
    for library_id, moment in list(await connection.execute_fetchall(query, (server_id,))):
        latest = max(latest, moment)
        for table in TABLES.values():
            # The newest row is the last one that was first seen.
            newest = f"SELECT first_moment FROM {table} WHERE library_id = ? ORDER BY id DESC LIMIT 1"
            for (first,) in await connection.execute_fetchall(newest, (library_id,)):
                latest = max(latest, first)
    return latest + 1
