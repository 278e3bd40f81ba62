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
