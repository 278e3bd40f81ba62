"""When one server is looked at: at its interval, later while it fails, at once when somebody asks."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from retrovue_daemon.errors import ServerBusy, Unauthorized

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock

FIRST_BACKOFF_S = 15.0
LONGEST_BACKOFF_S = 15 * 60.0


class Agenda:
    """The time of the next look, by a clock that does not jump.

    Failures double the wait, up to a quarter of an hour; a token that is refused is tried no more often than that
    from the start. Jitter keeps the servers of one host from being asked at the same moment for ever.
    """

    def __init__(self, clock: Clock) -> None:
        self.failures = 0
        self._clock = clock
        self._next = clock.monotonic()

    @property
    def due_in(self) -> float:
        """Seconds until the next look; 0 where it is due."""
        return max(0.0, self._next - self._clock.monotonic())

    def looked(self, interval: float) -> None:
        """Plan the next look after one that reached the server."""
        self.failures = 0
        self._after(interval * random.uniform(0.9, 1.1))  # noqa: S311 -- spreads load, guards nothing

    def failed(self, error: Exception, interval: float) -> None:
        """Plan the next look after one that did not: a server that says when to come back is believed."""
        self.failures += 1
        if isinstance(error, ServerBusy) and error.retry_after is not None:
            self._after(error.retry_after)
            return
        wait = min(min(FIRST_BACKOFF_S, interval) * 2 ** (min(self.failures, 20) - 1), LONGEST_BACKOFF_S)
        if isinstance(error, Unauthorized):
            wait = LONGEST_BACKOFF_S
        self._after(wait * random.uniform(0.5, 1.0))  # noqa: S311 -- likewise

    def postpone(self, seconds: float) -> None:
        """Do not look before so many seconds have passed."""
        self._next = max(self._next, self._clock.monotonic() + seconds)

    def bring_forward(self) -> None:
        """Make the next look due now."""
        self._next = min(self._next, self._clock.monotonic())

    def _after(self, seconds: float) -> None:
        self._next = self._clock.monotonic() + seconds
