"""The log lines of a server's rounds: one when a round ends, or one per hour as long as nothing changes.

A round is one poll of a server and the passes that it started.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from retrovue_daemon.store.tables.runs import Counts, last_change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.sync.verdict import PassReport

log = structlog.get_logger()

IDLE_S: Final = 60 * 60
"""Seconds between two lines of a server on which nothing changes."""


class RoundLog:
    """Begins the rounds of one server, and counts those that found no change."""

    def __init__(self, server: str, database: Database, clock: Clock) -> None:
        self._server = server
        self._database = database
        self._clock = clock
        self._since = clock.monotonic()
        self._looks = 0
        self._libraries = 0
        self.is_silent = True
        """Whether no round was logged yet."""

    def begin(self, *, requested: bool) -> Round:
        """Begin a round; ``requested`` means that a person or a program waits for it."""
        return Round(self._server, self, self._clock, requested=requested)

    def note(self, libraries: int, *, is_idle: bool) -> None:
        """Record that a round over so many libraries has ended; count it if it found no change."""
        self.is_silent = False
        if is_idle:
            self._looks += 1
            self._libraries = libraries

    async def report_idle(self, server_id: int) -> None:
        """Log the rounds without a change if the last such line was an hour ago."""
        seconds = self._clock.monotonic() - self._since
        if not self._looks or seconds < IDLE_S:
            return
        changed = await self._database.reader.run(last_change, server_id)
        log.info(
            "sync.idle",
            server=self._server,
            looks=self._looks,
            libraries=self._libraries,
            last_change=None if changed is None else f"{datetime.fromtimestamp(changed, UTC):%Y-%m-%dT%H:%M:%SZ}",
            duration_s=round(seconds),
        )
        self._since, self._looks = self._clock.monotonic(), 0


class Round:
    """One round. A pass that is cancelled never ends here, and its round is not logged."""

    def __init__(self, server: str, rounds: RoundLog, clock: Clock, *, requested: bool) -> None:
        self._server = server
        self._rounds = rounds
        self._clock = clock
        self._requested = requested
        self._began = clock.monotonic()
        self._libraries = 0
        self._open: set[int] = set()
        self._passes = 0
        self._failed = 0
        self._unchanged = 0
        self._sums = Counter[str]()

    def expect(self, library_ids: Iterable[int]) -> None:
        """Set the libraries whose passes are about to start."""
        self._open = set(library_ids)
        self._libraries = len(self._open)

    def add(self, report: PassReport) -> None:
        """Add a finished pass."""
        self._passes += 1
        self._failed += report.run.status != "ok"
        self._unchanged += report.found_nothing
        self._sums.update(msgspec.structs.asdict(report.run.counts))

    def end(self, library_id: int) -> None:
        """Record that all passes over a library have finished; log the round after the last library."""
        self._open.discard(library_id)
        if self._open:
            return
        is_idle = self._unchanged == self._passes
        # The first round is awaited, too: it shows that the daemon works.
        is_awaited = self._requested or self._rounds.is_silent
        self._rounds.note(self._libraries, is_idle=is_idle)
        counts = {field: self._sums[field] for field in Counts.__struct_fields__}
        getattr(log, "debug" if is_idle and not is_awaited else "info")(
            "round.finished",
            server=self._server,
            libraries=self._libraries,
            passes=self._passes,
            failed=self._failed,
            **counts,
            duration_s=round(self._clock.monotonic() - self._began, 3),
        )
