"""Progress bars: one for all libraries, and one per running pass for the items of its library."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar, cast

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from retrovue_daemon.cli.display.table import printable
from retrovue_daemon.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from rich.console import Console
    from rich.progress import Task

    from retrovue_daemon.sync.progress import LibraryProgress, ProgressBoard

T = TypeVar("T")

WIDE: Final = 70
"""Minimum columns of a terminal for bars and remaining times in addition to the numbers."""

_NUMBERS: Final = 28
"""Columns that the numbers of a large library take: "1000000/1000000 12,345/s"."""

_ROOMY: Final = 24
"""Minimum columns to show, after the library's name, which items are being read."""

_REMAINING: Final = 16
"""Columns of a spinner, the shortest bar and the remaining time."""


class RateColumn(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        """Return the rate; nothing until it can be measured."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


async def with_bars(
    work: Coroutine[Any, Any, T], board: ProgressBoard, console: Console, clock: Clock | None = None
) -> T:
    """Await the work, and show the board's progress as bars meanwhile."""
    # If the columns are too wide, rich shrinks those that may wrap: here only the bar.
    whole = Column(no_wrap=True)
    name, numbers = TextColumn("{task.description}", markup=False), MofNCompleteColumn(table_column=whole)
    rate, left = RateColumn(table_column=whole), TimeRemainingColumn(table_column=whole)
    columns: tuple[ProgressColumn, ...] = (name, numbers, rate)
    if console.width >= WIDE:
        columns = (SpinnerColumn(), name, BarColumn(), numbers, rate, left)
    with Progress(*columns, console=console, get_time=(clock or Clock()).monotonic) as progress:
        watcher = asyncio.create_task(_show(board, progress), name="progress bars")
        try:
            return await work
        finally:
            board.close()
            await watcher


async def _show(board: ProgressBoard, progress: Progress) -> None:
    libraries = progress.add_task("Libraries", total=None)
    details: TaskID | None = None
    bars: dict[int, TaskID] = {}
    async for latest in board.watch():
        for running in latest.running:
            _draw(progress, bars, running)
        for number in bars.keys() - {running.number for running in latest.running}:
            progress.remove_task(bars.pop(number))
        if latest.details_total and details is None:
            details = progress.add_task("Details", total=None)
        if details is not None:
            total = latest.details_total or progress.tasks[progress.task_ids.index(details)].total
            done = latest.details_read if latest.details_total else total
            progress.update(details, completed=done, total=total)
        progress.update(libraries, completed=latest.libraries_done, total=latest.libraries_total or None)


def _draw(progress: Progress, bars: dict[int, TaskID], running: LibraryProgress) -> None:
    if running.number not in bars:
        bars[running.number] = progress.add_task("", total=None)
    description = _description(running, progress.console.width)
    progress.update(bars[running.number], description=description, completed=running.done, total=running.total)


def _description(running: LibraryProgress, width: int) -> str:
    """Return the library's name and what is being read; long names are shortened to make room for the numbers."""
    name, listing = Text(printable(f"  {running.server} / {running.library}")), f": {running.listing}"
    room = width - _NUMBERS - (_REMAINING if width >= WIDE else 0)
    if not running.listing or room < _ROOMY:
        listing = ""
    name.truncate(max(8, room - len(listing)), overflow="ellipsis")
    return name.plain + listing


class AboveBars:
    """A stream that prints log lines above the bars, so that they do not disrupt them."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        """Print complete lines; the bars move down."""
        if line := text.rstrip("\n"):
            self._console.print(Text.from_ansi(line))
        return len(text)

    def flush(self) -> None:
        """Do nothing: the console writes at once."""

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._console.is_terminal

    def as_stream(self) -> TextIO:
        """Return the object typed as TextIO; log handlers use only the methods defined here."""
        return cast("TextIO", self)
