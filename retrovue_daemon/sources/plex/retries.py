"""Which failed attempts of a request are retried, and after what wait."""

from __future__ import annotations

import random
from collections import Counter
from typing import Final

import msgspec
import stamina.instrumentation

from retrovue_daemon.errors import (
    AnswerBrokeOff,
    BadAnswer,
    ServerBusy,
    ServerTimeout,
    ServerUnreachable,
    Unauthorized,
)

LONGEST_RETRY_AFTER: Final = 10.0
"""Seconds that a request waits if the server demands it; the caller handles longer waits."""

_TRIES_WHERE_ONE_MAY_MISLEAD: Final = 2
"""An overloaded server was seen to refuse valid tokens and to cut off a response: one more attempt decides."""


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


class Retries:
    """The failures of one request so far; as stamina's backoff hook it returns False or the seconds to wait.

    ``timeouts`` is how many attempts may time out: one, if the caller would rather request less.
    """

    def __init__(self, policy: RetryPolicy, *, timeouts: int) -> None:
        self._policy = policy
        self._tries_by_type: dict[type[Exception], int] = {
            ServerUnreachable: policy.attempts,
            AnswerBrokeOff: policy.attempts,
            ServerBusy: policy.attempts,
            ServerTimeout: timeouts,
            Unauthorized: _TRIES_WHERE_ONE_MAY_MISLEAD,
            BadAnswer: _TRIES_WHERE_ONE_MAY_MISLEAD,
        }
        self._failures: Counter[type[Exception]] = Counter()

    def __call__(self, failure: Exception) -> bool | float:
        """Count a failure, and return whether and when to retry."""
        kind = type(failure)
        self._failures[kind] += 1
        if self._failures[kind] >= self._tries_by_type.get(kind, 1):
            return False
        wait = self._policy.wait(self._failures.total())
        if not isinstance(failure, ServerBusy) or failure.retry_after is None:
            return wait
        return max(wait, failure.retry_after) if failure.retry_after <= LONGEST_RETRY_AFTER else False


def silence_stamina() -> None:
    """Turn off stamina's hooks that log each retry, for the whole process, because stamina offers no narrower way.

    Their log line names neither server nor library and bypasses the stable log events; lasting failures are logged
    where they end a pass. A program that embeds this package and wants the hooks can set them again after opening a
    client (``stamina.instrumentation.set_on_retry_hooks``); they receive nothing secret.
    """
    stamina.instrumentation.set_on_retry_hooks(())
