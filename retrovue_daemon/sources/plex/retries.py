"""Which failed attempts of a request are retried, and after what wait."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Final, Self

import msgspec

from retrovue_daemon.errors import (
    AnswerBrokeOff,
    BadAnswer,
    ServerBusy,
    ServerTimeout,
    ServerUnreachable,
    Unauthorized,
)

if TYPE_CHECKING:
    from types import TracebackType

LONGEST_RETRY_AFTER: Final = 10.0
"""Seconds that a request waits if the server demands it; the caller handles longer waits."""

_TRIES_WHERE_ONE_MAY_MISLEAD: Final = 2
"""An overloaded server was seen to refuse valid tokens and to cut off a response: one more attempt decides."""

_PASSING: Final = frozenset({ServerUnreachable, AnswerBrokeOff, ServerBusy})
_MISLEADING: Final = frozenset({Unauthorized, BadAnswer})


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often a request is tried, and how many seconds it waits in between.

    The wait before a retry is uniformly random between 0 and a limit that doubles from ``wait_initial`` up to
    ``wait_max``, so that requests that failed together are not retried together.
    """

    attempts: int = 4
    wait_initial: float = 0.5
    wait_max: float = 8.0

    def wait(self, failures: int) -> float:
        """Return a random wait in seconds after the given number of failures (from 1)."""
        limit = min(self.wait_max, self.wait_initial * 2 ** (failures - 1))
        return random.uniform(0.0, limit)  # noqa: S311 - spreads load, guards nothing


class Attempts:
    """The attempts of one request: ``async for attempt in …: with attempt: …``; the block returns its result.

    A failure in the block is swallowed if another attempt follows, after a wait. At most ``timeouts`` attempts may
    time out: one, if the caller would rather request less. At most ``tries`` are made.
    """

    def __init__(self, policy: RetryPolicy, *, tries: int, timeouts: int) -> None:
        self._policy = policy
        self._tries_left = tries
        self._timeouts = timeouts
        self._failures: Counter[type[Exception]] = Counter()
        self._wait: float | None = 0.0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Self:
        if self._wait is None:
            raise StopAsyncIteration
        if self._wait:
            await asyncio.sleep(self._wait)
        self._wait = None
        return self

    def __enter__(self) -> None:
        self._tries_left -= 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception) and self._tries_left > 0:
            self._wait = self._wait_after(error)
        return self._wait is not None

    def _wait_after(self, failure: Exception) -> float | None:
        """Count a failure; return the seconds to wait before another attempt, or None for no other."""
        kind = type(failure)
        self._failures[kind] += 1
        if self._failures[kind] >= self._most(kind):
            return None
        wait = self._policy.wait(self._failures.total())
        if not isinstance(failure, ServerBusy) or failure.retry_after is None:
            return wait
        return max(wait, failure.retry_after) if failure.retry_after <= LONGEST_RETRY_AFTER else None

    def _most(self, kind: type[Exception]) -> int:
        """Return how many attempts may end in this kind of failure."""
        if kind is ServerTimeout:
            return self._timeouts
        if kind in _MISLEADING:
            return _TRIES_WHERE_ONE_MAY_MISLEAD
        return self._policy.attempts if kind in _PASSING else 1
