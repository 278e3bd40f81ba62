"""The observed clock: Unix seconds that pass only while the daemon runs, unaffected by changes of the system clock.

Within a process it follows the monotonic clock, between two processes the wall clock: never backwards, and by a day
at most. If the wall clock jumps by a year, nothing counts as missing for a year, yet a daily ``sync`` and a daemon
that was stopped for a while see time pass. Retention and the removal guard use this clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.store.items.lookup import TABLES

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.clock import Clock

DAY_S = 24 * 60 * 60

KEPT_EVERY_S = 60 * 60
"""Seconds after which the time is stored even if nothing else is: what a crash loses counts as downtime."""

_READ = "SELECT value FROM daemon_state WHERE key = 'observed_clock'"
_KEEP = (
    "INSERT INTO daemon_state (key, value) VALUES ('observed_clock', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
"""One row holds both times, observed and wall: each process writes it, even if it finds nothing new."""


class ObservedClock:
    """The observed time of one process; call ``start`` first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = self._kept = clock.monotonic()
        self._base = 0

    def start(self, connection: sqlite3.Connection) -> None:
        """Continue from what the last process stored. Call this from the writer.

        A database without a stored time, or whose stored time another program damaged, starts at the wall clock. No
        row may be missing since a later time: a crash can lose the latest stored time, but not the time itself.
        """
        observed = wall = self._clock.now()
        for (value,) in connection.execute(_READ):
            try:
                stored_time, stored_wall = map(int, str(value).split())
            except ValueError:
                continue
            observed = stored_time + min(max(wall - stored_wall, 0), DAY_S)
        for table in (*TABLES.values(), "collections"):
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
        """Whether the time should be stored even if nothing else is written, because it has not been for long."""
        return self._clock.monotonic() - self._kept >= KEPT_EVERY_S

    def keep(self, connection: sqlite3.Connection) -> None:
        """Store the time and the current wall clock: the next process starts from both."""
        connection.execute(_KEEP, (f"{self.now()} {self._clock.now()}",))
        self._kept = self._clock.monotonic()
