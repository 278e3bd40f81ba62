"""What runs in the publisher's thread: it follows the mirror until it is stopped, or until there is trouble."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from retrovue_daemon.publish.postgresql.target import Target, connected, state_of, take_origin, upgrade
from retrovue_daemon.store.feed.reading import feed_state
from retrovue_daemon.store.file.visits import reading
from retrovue_daemon.store.tables.publishing import ResyncRequest, requested_resync

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from retrovue_daemon.publish.postgresql.following import Step
    from retrovue_daemon.publish.postgresql.patience import PatientConnection
    from retrovue_daemon.publish.postgresql.target import TargetState

LOOK_S: Final = 0.25
"""Seconds between two looks whether the mirror was written to; a look takes microseconds."""

ADVANCE_S: Final = 2.0
"""Seconds between two reports of how far a copy of all rows is."""

CANCEL_S: Final = 2.0
"""Seconds to reach the target in order to cancel a statement."""


Report: TypeAlias = "Callable[[Step, float, ResyncRequest | None], None]"
"""Called with a step, how many seconds it took, and the request that it served."""


class Progress(NamedTuple):
    """How many rows of a copy of all of them were sent."""

    rows: int
    total: int


class RolledBack(Exception):
    """The target has come further than the mirror's feed had before this process wrote to it."""


class Stopped(Exception):
    """The publisher was asked to end."""


class Worker:
    """What runs in the thread. ``report`` is called there, after each step that wrote something or found nothing.

    So is ``advance`` now and then, while all rows are copied. If ``known`` is given, the target has come at most to
    that entry of the feed.
    """

    def __init__(
        self,
        path: Path,
        target: Target,
        own_id: str,
        report: Report,
        advance: Callable[[Progress], None],
        known: int | None = None,
    ) -> None:
        self._path = path
        self._target = target
        self._own_id = own_id
        self._report = report
        self._advance = advance
        self._known = known
        self._total: int | None = None
        self._advanced = 0.0
        self._served: ResyncRequest | None = None
        self._stop = threading.Event()
        self._connection: PatientConnection | None = None

    def run(self) -> None:
        """Follow the mirror until `stop`. Raise PublishError or sqlite3.Error in case of trouble, or RolledBack."""
        with suppress(Stopped), connected(self._target) as target, reading(self._path) as mirror:
            self._connection = target
            try:
                self._check(0)
                self._follow(target, mirror)
            finally:
                self._connection = None

    def stop(self) -> None:
        """End the work soon, also in the middle of a statement, and of a server that does not respond."""
        self._stop.set()
        if (connection := self._connection) is not None:
            with suppress(Exception):
                connection.cancel_safe(timeout=CANCEL_S)
            connection.abandon()

    def _follow(self, target: PatientConnection, mirror: sqlite3.Connection) -> None:
        request = requested_resync(mirror)
        upgrade(target, self._target, rebuild=request is not None)
        take_over = request is not None and request.take_over
        state = take_origin(target, self._target, self._own_id, take_over=take_over)
        if state is not None and self._is_ahead(state, feed_state(mirror).feed_id):
            raise RolledBack
        seen = None
        while not self._stop.is_set():
            ((version,),) = mirror.execute("PRAGMA data_version")
            if version == seen:
                self._stop.wait(LOOK_S)
                continue
            began, request = time.monotonic(), requested_resync(mirror)
            if request == self._served:
                request = None
            if request is not None:
                upgrade(target, self._target, rebuild=True)
                state = state_of(target, self._target.origin)
            try:
                step = self._next(target, mirror, state, anew=request is not None)
            except Exception:
                if self._stop.is_set():  # the statement was cancelled
                    raise Stopped from None
                raise
            seen = version if step.is_current else None
            if step.state != state or seen is not None:
                self._report(step, time.monotonic() - began, request)
            self._served = request or self._served
            state = step.state

    def _is_ahead(self, state: TargetState, feed_id: str) -> bool:
        is_same = (state.mirror_id, state.feed_id) == (self._own_id, feed_id)
        return is_same and self._known is not None and state.seq > self._known

    def _next(
        self, target: PatientConnection, mirror: sqlite3.Connection, state: TargetState | None, *, anew: bool
    ) -> Step:
        # These need psycopg, which may not be installed: `connected` says so.
        import psycopg  # noqa: PLC0415

        from retrovue_daemon.publish.postgresql.following import follow  # noqa: PLC0415

        arguments = (target, mirror, self._target.origin, self._own_id, state, self._check)
        try:
            return follow(*arguments, anew=anew, begin=self._begin)
        except (psycopg.DataError, sqlite3.OperationalError):
            # Another program wrote a text that PostgreSQL cannot hold. Reading every text in Python is slow.
            mirror.text_factory = _storable
            try:
                return follow(*arguments, anew=anew, begin=self._begin)
            finally:
                mirror.text_factory = str
        finally:
            self._total = None

    def _begin(self, total: int) -> None:
        self._total, self._advanced = total, time.monotonic()

    def _check(self, rows: int) -> None:
        if self._stop.is_set():
            raise Stopped
        if self._total is not None and time.monotonic() - self._advanced >= ADVANCE_S:
            self._advanced = time.monotonic()
            self._advance(Progress(rows, self._total))


def _storable(text: bytes) -> str:
    """Return a text without U+0000, and with a replacement character where it is not UTF-8."""
    return text.decode(errors="replace").replace("\0", "")
