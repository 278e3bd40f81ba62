"""Progress as plain lines, for output without a terminal: a few lines per library, whatever its size."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from retrovue_daemon.cli.display.table import printable
from retrovue_daemon.units import lasting, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.sync.progress import LibraryProgress, Progress, ProgressBoard

T = TypeVar("T")

EVERY_S: Final = 10.0
"""Minimum seconds between two lines about the same library."""


class LineTimer:
    """Limits the rate of lines about one task, and measures the speed of the task."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reported = clock.monotonic()
        self.begin(0)

    def begin(self, done: int) -> None:
        """Start a new measurement."""
        self._began, self._before = self._clock.monotonic(), done

    def is_due(self) -> bool:
        """Return whether a new line is due; if so, count it as written."""
        now = self._clock.monotonic()
        if now - self._reported < EVERY_S:
            return False
        self._reported = now
        return True

    def rate(self, done: int) -> float:
        """Return the speed per second."""
        took = self._clock.monotonic() - self._began
        return (done - self._before) / took if took > 0 else 0.0


class Lines:
    """Writes the progress of a board: a line when a library starts, one when it ends, and a few in between."""

    def __init__(self, write: Callable[[str], object], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._shown: dict[int, tuple[LibraryProgress, LineTimer]] = {}
        self._details: LineTimer | None = None

    def update(self, progress: Progress) -> None:
        """Write lines about what has changed."""
        # A library that waits for its turn has no listing yet.
        running = {each.number: each for each in progress.running if each.listing}
        for number in self._shown.keys() - running.keys():
            ended, _ = self._shown.pop(number)
            of_all = f"{progress.libraries_done:,} of {plural(progress.libraries_total, 'library', 'libraries')}"
            self._write(f"{_name(ended)}: ended ({of_all})")
        for number, latest in running.items():
            before, timer = self._shown.get(number) or (None, None)
            # Most of the running libraries have not changed.
            if before is not latest:
                self._shown[number] = latest, self._report(latest, before, timer or LineTimer(self._clock))
        self._report_details(progress.details_read, progress.details_total)

    def _report_details(self, read: int, total: int) -> None:
        if not total:
            if self._details is not None:
                self._write("details: ended")
            self._details = None
        elif self._details is None:
            self._write(f"details: reading those of {plural(total, 'item')}")
            self._details = LineTimer(self._clock)
        elif self._details.is_due():
            rate = self._details.rate(read)
            self._write(f"details: {_far(read, total, 'items', rate)}")

    def _report(self, latest: LibraryProgress, before: LibraryProgress | None, timer: LineTimer) -> LineTimer:
        if before is None:
            self._write(f"{_name(latest)}: reading")
        if before is None or before.listing != latest.listing:
            timer.begin(latest.done)
        if latest != before and timer.is_due():
            self._write(f"{_name(latest)}: {_how_far(latest, timer.rate(latest.done))}")
        return timer


async def with_lines(
    work: Coroutine[object, object, T], board: ProgressBoard, write: Callable[[str], object], clock: Clock
) -> T:
    """Await the work, and write the board's progress as lines meanwhile."""

    async def watch() -> None:
        lines = Lines(write, clock)
        async for latest in board.watch():
            lines.update(latest)

    watcher = asyncio.create_task(watch(), name="progress lines")
    try:
        return await work
    finally:
        board.close()
        await watcher


def _name(library: LibraryProgress) -> str:
    # Titles are foreign text: a line break in one must not start a new line.
    return printable(f"{library.server} / {' '.join(library.library.split())}")


def _how_far(library: LibraryProgress, rate: float) -> str:
    return _far(library.done, library.total, library.listing, rate)


def _far(done: int, total: int | None, what: str, rate: float) -> str:
    of_all = "" if total is None else f" of {total:,}"
    parts = [f"{done:,}{of_all} {what}"]
    if rate > 0:
        parts.append(f"{rate:,.0f} per second")
        if total is not None and total > done:
            parts.append(f"{lasting((total - done) / rate)} left")
    return ", ".join(parts)
