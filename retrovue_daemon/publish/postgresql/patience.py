"""A connection to PostgreSQL that gives up if the server does not respond, although the connection is still there.

libpq notices a server that dies. It waits without an end for one that was stopped, or whose disk hangs.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg.waiting import wait_selector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.abc import PQGen

PATIENCE_S: Final = 600.0
"""Seconds without a sign of the server in which a statement may delete all rows of a table, or wait for the disk."""

HURRY_S: Final = 60.0
"""The same while a view of the mirror is open: SQLite's log grows until it is closed."""

TICK_S: Final = 0.1

Result = TypeVar("Result")


class NoResponse(psycopg.OperationalError):
    """The server did not respond in time, or nobody wants to know its response any more."""


class PatientConnection(psycopg.Connection):
    """A connection of which every wait has a limit; after the first one that reached it, the connection is closed."""

    _hurries = False
    _abandoned = False
    _failure: NoResponse | None = None

    def wait(self, gen: PQGen[Result], *_: Any, **__: Any) -> Result:
        """Wait for the server, as each operation of the connection does. Raise NoResponse at the limit."""
        if self._failure is not None:
            raise self._failure
        try:
            # The compiled function of older versions of psycopg does not let a generator look at the clock.
            return wait_selector(self._limited(gen), self.pgconn.socket, TICK_S)
        except NoResponse as failure:
            # So that nothing else is waited for: the end of a COPY, a ROLLBACK.
            self._failure = failure
            self.pgconn.finish()
            raise

    @contextmanager
    def hurrying(self) -> Iterator[None]:
        """Wait for a short time only within the block."""
        self._hurries = True
        try:
            yield
        finally:
            self._hurries = False

    def abandon(self) -> None:
        """Let another thread's wait end soon, with an error."""
        self._abandoned = True

    def _limited(self, gen: PQGen[Result]) -> PQGen[Result]:
        limit = HURRY_S if self._hurries else PATIENCE_S
        heard = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    heard = time.monotonic()
                elif self._abandoned or time.monotonic() - heard > limit:
                    raise NoResponse(f"the server has not responded for {limit:.0f} seconds")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: Result = end.value
            return result
