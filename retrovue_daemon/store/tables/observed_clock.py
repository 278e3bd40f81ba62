"""The observed clock: Unix seconds that only pass while the daemon looks, so that nobody can set it.

Within a process it follows the monotonic clock, between two processes the wall clock: never backwards, and a day at
most. A wall clock that jumps by a year is therefore no year in which something was missing, but a daily ``sync`` and
a daemon that was stopped for a while see time pass. Retention and the removal guard count by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.store.items.lookup import TABLES

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.clock import Clock

DAY_S = 24 * 60 * 60

KEPT_EVERY_S = 60 * 60
"""Seconds after which the time is stored although nothing else has to be: what a crash loses counts as downtime."""

_READ = "SELECT value FROM daemon_state WHERE key = 'observed_clock'"
_KEEP = (
    "INSERT INTO daemon_state (key, value) VALUES ('observed_clock', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
"""One row holds both times, observed and wall: each process writes it, also one that finds nothing new."""


class ObservedClock:
    """The observed time of one process; ``start`` comes first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = self._kept = clock.monotonic()
        self._base = 0

    def start(self, connection: sqlite3.Connection) -> None:
        """Go on from what the last process stored; to be run by the writer.

        A database without a stored time begins with the wall clock. No row may be missing since a later time: a crash
        can lose the newest stored time, but not time itself.
        """
        observed = wall = self._clock.now()
        for (value,) in connection.execute(_READ):
            stored_time, stored_wall = map(int, str(value).split())
            observed = stored_time + min(max(wall - stored_wall, 0), DAY_S)
        for table in TABLES.values():
            query = f"SELECT ifnull(max(missing_observed), 0) FROM {table} WHERE state = 'missing'"
            ((latest,),) = connection.execute(query)
            observed = max(observed, latest)
        self._base, self._began = observed, self._clock.monotonic()
        self.keep(connection)

    def now(self) -> int:
        """Return the observed time."""
        return self._base + int(self._clock.monotonic() - self._began)

    @property
    def is_due(self) -> bool:
        """Whether the time was not stored for so long that it should be, even if nothing else is written."""
        return self._clock.monotonic() - self._kept >= KEPT_EVERY_S

    def keep(self, connection: sqlite3.Connection) -> None:
        """Store the time, and the wall clock's at this moment: the next process starts from both."""
        connection.execute(_KEEP, (f"{self.now()} {self._clock.now()}",))
        self._kept = self._clock.monotonic()
