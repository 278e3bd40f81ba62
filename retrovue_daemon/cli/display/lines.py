"""Progress in plain lines, where no terminal shows bars: a few for each library, whatever number of pages it has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from retrovue_daemon.cli.display.table import printable
from retrovue_daemon.cli.display.units import lasting, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.sync.progress import LibraryProgress, Progress, ProgressBoard

T = TypeVar("T")

EVERY_S: Final = 10.0
"""Seconds between two lines about the same work."""


class Pace:
    """Keeps the lines about one piece of work rare, and measures how fast that goes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told = clock.monotonic()
        self.begin(0)

    def begin(self, done: int) -> None:
        """Measure from here on."""
        self._began, self._before = self._clock.monotonic(), done

    def is_due(self) -> bool:
        """Tell whether it is time for a line, which is then taken as told."""
        now = self._clock.monotonic()
        if now - self._told < EVERY_S:
            return False
        self._told = now
        return True

    def rate(self, done: int) -> float:
        """Return how much was done in a second."""
        took = self._clock.monotonic() - self._began
        return (done - self._before) / took if took > 0 else 0.0


class Lines:
    """Tells of what a board shows: each library when its reading begins and ends, and rarely in between."""

    def __init__(self, write: Callable[[str], object], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._shown: dict[int, tuple[LibraryProgress, Pace]] = {}

    def tell(self, progress: Progress) -> None:
        """Write what is new and worth a line."""
        # One that only waits for its turn has no listing yet.
        running = {each.number: each for each in progress.running if each.listing}
        for number in self._shown.keys() - running.keys():
            ended, _ = self._shown.pop(number)
            of_all = f"{progress.libraries_done:,} of {plural(progress.libraries_total, 'library', 'libraries')}"
            self._write(f"{_name(ended)}: ended ({of_all})")
        for number, latest in running.items():
            before, pace = self._shown.get(number) or (None, None)
            # Of hundreds that run, one has moved.
            if before is not latest:
                self._shown[number] = latest, self._tell_of(latest, before, pace or Pace(self._clock))

    def _tell_of(self, latest: LibraryProgress, before: LibraryProgress | None, pace: Pace) -> Pace:
        if before is None:
            self._write(f"{_name(latest)}: reading")
        if before is None or before.listing != latest.listing:
            pace.begin(latest.done)
        if latest != before and pace.is_due():
            self._write(f"{_name(latest)}: {_how_far(latest, pace.rate(latest.done))}")
        return pace


async def with_lines(
    work: Coroutine[object, object, T], board: ProgressBoard, write: Callable[[str], object], clock: Clock
) -> T:
    """Do the work while lines tell what the board shows."""

    async def watch() -> None:
        lines = Lines(write, clock)
        async for latest in board.watch():
            lines.tell(latest)

    watcher = asyncio.create_task(watch(), name="progress lines")
    try:
        return await work
    finally:
        board.close()
        await watcher


def _name(library: LibraryProgress) -> str:
    # Titles are not ours: one that holds a line break makes no line of its own.
    return printable(f"{library.server} / {' '.join(library.library.split())}")


def _how_far(library: LibraryProgress, rate: float) -> str:
    of_all = "" if library.total is None else f" of {library.total:,}"
    parts = [f"{library.done:,}{of_all} {library.listing}"]
    if rate > 0:
        parts.append(f"{rate:,.0f} a second")
        if library.total is not None and library.total > library.done:
            parts.append(f"{lasting((library.total - library.done) / rate)} left")
    return ", ".join(parts)
