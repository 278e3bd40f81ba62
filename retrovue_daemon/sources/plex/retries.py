"""Which failed tries of a request are worth another, and after what wait."""

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
"""Seconds that a request waits because the server says so; a longer wait is the caller's affair."""

_TRIES_WHERE_ONE_MAY_MISLEAD: Final = 2
"""A server under strain was seen to refuse good tokens, and to break off an answer: one more try tells."""


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often a request is tried, and how long it waits in between, in seconds.

    The wait before a further try is drawn evenly between 0 and a limit that doubles from ``wait_initial`` up to
    ``wait_max``, so that many requests that failed together do not come back together.
    """

    attempts: int = 4
    wait_initial: float = 0.5
    wait_max: float = 8.0

    def wait(self, failures: int) -> float:
        """Draw the seconds to wait after the given number of failures (from 1)."""
        limit = min(self.wait_max, self.wait_initial * 2 ** (failures - 1))
        return random.uniform(0.0, limit)  # noqa: S311 - spreads load, guards nothing


class Retries:
    """The failures of one request so far; as stamina's backoff hook it answers False, or the seconds to wait.

    ``timeouts`` is how many tries may end by a timeout: one, where the caller would rather ask for less.
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
        """Count a failure, and tell whether and when to try again."""
        kind = type(failure)
        self._failures[kind] += 1
        if self._failures[kind] >= self._tries_by_type.get(kind, 1):
            return False
        wait = self._policy.wait(self._failures.total())
        if not isinstance(failure, ServerBusy) or failure.retry_after is None:
            return wait
        return max(wait, failure.retry_after) if failure.retry_after <= LONGEST_RETRY_AFTER else False


def silence_stamina() -> None:
    """Turn off the hooks by which stamina logs each retry, for the whole process: it knows no other way.

    Its line would name neither server nor library and bypass the stable log events; failures that last are logged
    where they end a pass. A program that embeds this package and wants the hooks sets them again after opening a
    client (``stamina.instrumentation.set_on_retry_hooks``); nothing secret is in what they are given.
    """
    stamina.instrumentation.set_on_retry_hooks(())
