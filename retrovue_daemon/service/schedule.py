"""When a server is contacted next, and when a library whose listing failed is tried again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from retrovue_daemon.errors import ServerBusy, Unauthorized

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock

FIRST_BACKOFF_S = 15.0
LONGEST_BACKOFF_S = 15 * 60.0
"""Seconds between two tries to contact a server."""

LONGEST_LIBRARY_BACKOFF_S = 3600.0
"""Seconds between two tries to list a library."""


class ServerSchedule:
    """The time of the next look, by a clock that does not jump.

    Failures double the wait, up to a quarter of an hour; a token that is refused is tried no more often than that
    from the start. Jitter keeps the servers of one host from being asked at the same moment for ever.
    """

    def __init__(self, clock: Clock) -> None:
        self.failures = 0
        self._clock = clock
        self._next = self._not_before = clock.monotonic()
        self._is_early = False

    @property
    def due_in(self) -> float:
        """Seconds until the next look; 0 where it is due."""
        return max(0.0, self._next - self._clock.monotonic(), self._not_before - self._clock.monotonic())

    def begin(self, interval: float) -> bool:
        """Tell whether the look that begins is for all that is due, and not only for what somebody asks for.

        It is when its time has come, and while the server fails: reaching it then makes up for what was missed. The
        next one is planned now, so that whoever asks for another meanwhile gets it.
        """
        self._is_early = self.due_in > 0
        if self._is_early and not self.failures:
            return False
        self._after(interval * random.uniform(0.9, 1.1))  # noqa: S311 -- spreads load, guards nothing
        return True

    def succeeded(self) -> None:
        """Note that the server was reached: what comes next is what was planned."""
        self.failures = 0

    def failed(self, error: Exception, interval: float) -> None:
        """Plan the next look after one that did not reach the server.

        A server that says when to come back is believed, unless that is sooner than after any failure. A look that
        somebody asked for before its time does not lengthen the wait.
        """
        if not (self._is_early and self.failures):
            self.failures += 1
        self._is_early = False
        asked_for = error.retry_after or 0.0 if isinstance(error, ServerBusy) else 0.0
        if asked_for >= FIRST_BACKOFF_S:
            self._after(asked_for)
            return
        wait = min(min(FIRST_BACKOFF_S, interval) * 2 ** (min(self.failures, 20) - 1), LONGEST_BACKOFF_S)
        if isinstance(error, Unauthorized):
            wait = LONGEST_BACKOFF_S
        self._after(max(wait * random.uniform(0.5, 1.0), asked_for))  # noqa: S311 -- likewise

    def postpone(self, seconds: float) -> None:
        """Do not look before so many seconds have passed."""
        self._not_before = max(self._not_before, self._clock.monotonic() + seconds)

    def shorten(self, interval: float) -> None:
        """Look within an interval that is shorter than the one before; a server that fails is left alone as long."""
        if not self.failures:
            self._next = min(self._next, self._clock.monotonic() + interval)

    def _after(self, seconds: float) -> None:
        self._next = self._clock.monotonic() + seconds


class LibraryBackoff:
    """When libraries whose listing did not end well may be listed again: the wait doubles from try to try.

    ``first`` is the first wait. Times are seconds of a clock that does not jump (``time.monotonic``).
    """

    def __init__(self, first: float) -> None:
        self.first = first
        self._failures: dict[int, int] = {}
        self._not_before: dict[int, float] = {}

    def ready(self, library_id: int, clock: float) -> bool:
        """Tell whether a library may be listed now."""
        return clock >= self._not_before.get(library_id, clock)

    def failed(self, library_id: int, clock: float) -> None:
        """Count a listing that did not end well."""
        failures = self._failures[library_id] = self._failures.get(library_id, 0) + 1
        # The first wait is a little shorter than the interval, so that the next look is not missed by a hair.
        wait = (
            min(self.first * 2 ** (min(failures, 30) - 1), max(LONGEST_LIBRARY_BACKOFF_S, self.first))
            - self.first / 5
        )
        self._not_before[library_id] = clock + wait

    def succeeded(self, library_id: int) -> None:
        """Forget what failed before."""
        self._failures.pop(library_id, None)
        self._not_before.pop(library_id, None)
