"""When a server is polled next, and when a library that failed may be listed again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from retrovue_daemon.errors import ServerBusy, TokenUnreadable, Unauthorized

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock

FIRST_BACKOFF_S = 15.0
LONGEST_BACKOFF_S = 15 * 60.0
"""The longest wait between two attempts to contact a server, in seconds."""

LONGEST_LIBRARY_BACKOFF_S = 3600.0
"""The longest wait between two attempts to list a library, in seconds."""


class ServerSchedule:
    """The time of a server's next poll, by the monotonic clock.

    Failures double the wait, up to 15 minutes; after a rejected token, the wait is 15 minutes from the start. Jitter
    keeps several servers on one host from always being polled at the same moment.
    """

    def __init__(self, clock: Clock) -> None:
        self.failures = 0
        self._clock = clock
        self._next = self._not_before = clock.monotonic()
        self._is_early = False

    @property
    def due_in(self) -> float:
        """Seconds until the next poll; 0 if it is due."""
        return max(0.0, self._next - self._clock.monotonic(), self._not_before - self._clock.monotonic())

    @property
    def pause(self) -> float:
        """Seconds left of a pause that the server demanded; 0 if there is none."""
        return max(0.0, self._not_before - self._clock.monotonic())

    def begin(self, interval: float) -> bool:
        """Start a poll, and return whether it is for everything that is due, not only for submitted jobs.

        It is if the poll was due, and also while the server fails: reaching it then makes up for missed polls. The
        next poll is scheduled now, so that a request for an earlier one during this poll is kept.
        """
        self._is_early = self.due_in > 0
        if self._is_early and not self.failures:
            return False
        self._after(interval * random.uniform(0.9, 1.1))  # noqa: S311 -- spreads load, guards nothing
        return True

    def succeeded(self) -> None:
        """Record that the server was reached; the next poll stays as scheduled."""
        self.failures = 0

    def failed(self, error: Exception, interval: float) -> None:
        """Schedule the next poll after one that failed to reach the server.

        The server's Retry-After counts unless it is shorter than the first backoff. A failed poll that a job
        requested before the due time does not lengthen the wait.
        """
        if not (self._is_early and self.failures):
            self.failures += 1
        self._is_early = False
        retry_after = error.retry_after or 0.0 if isinstance(error, ServerBusy) else 0.0
        if retry_after >= FIRST_BACKOFF_S:
            self.postpone(retry_after)
            self._after(retry_after)
            return
        wait = min(min(FIRST_BACKOFF_S, interval) * 2 ** (min(self.failures, 20) - 1), LONGEST_BACKOFF_S)
        if isinstance(error, Unauthorized) and not isinstance(error, TokenUnreadable):
            wait = LONGEST_BACKOFF_S
        self._after(max(wait * random.uniform(0.5, 1.0), retry_after))  # noqa: S311 -- likewise

    def postpone(self, seconds: float) -> None:
        """Do not poll for the given number of seconds."""
        self._not_before = max(self._not_before, self._clock.monotonic() + seconds)

    def shorten(self, interval: float) -> None:
        """Poll within a new, shorter interval; a failing server keeps its backoff."""
        if not self.failures:
            self._next = min(self._next, self._clock.monotonic() + interval)

    def reached(self) -> None:
        """Poll at once, also if earlier polls failed: the server responds again. A demanded pause still counts."""
        self._next = self._clock.monotonic()

    def _after(self, seconds: float) -> None:
        self._next = self._clock.monotonic() + seconds


class LibraryBackoff:
    """When libraries whose listing failed may be listed again; the wait doubles with each failure.

    ``first`` is the first wait. Times are seconds of the monotonic clock.
    """

    def __init__(self, first: float) -> None:
        self.first = first
        self._failures: dict[int, int] = {}
        self._not_before: dict[int, float] = {}

    def ready(self, library_id: int, clock: float) -> bool:
        """Return whether a library may be listed now."""
        return clock >= self._not_before.get(library_id, clock)

    def waits(self, clock: float) -> list[float]:
        """Return the seconds until each library may be listed again that may not be listed now."""
        return [time - clock for time in self._not_before.values() if time > clock]

    def failed(self, library_id: int, clock: float) -> float:
        """Count a failed listing, and return the seconds until the next one."""
        failures = self._failures[library_id] = self._failures.get(library_id, 0) + 1
        # The wait is a little shorter than the interval, so that the next poll is not just missed.
        longest = max(LONGEST_LIBRARY_BACKOFF_S, self.first)
        wait: float = min(self.first * 2 ** (min(failures, 30) - 1), longest) - self.first / 5
        self._not_before[library_id] = clock + wait
        return wait

    def succeeded(self, library_id: int) -> None:
        """Forget earlier failures."""
        self._failures.pop(library_id, None)
        self._not_before.pop(library_id, None)
