"""Two levels of progress on a terminal: libraries, and the items of each library whose pass is running."""

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
"""Columns of a terminal that has room for bars and remaining times beside the numbers."""

_NUMBERS: Final = 28
"""Columns that the numbers of a large library take: "1000000/1000000 12,345/s"."""

_ROOMY: Final = 24
"""Columns from which on there is room for what of a library is read, besides its name."""

_REMAINING: Final = 16
"""The same of a spinner, the shortest bar and the remaining time."""


class RateColumn(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        """Show nothing until there is something to measure."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


async def with_bars(
    work: Coroutine[Any, Any, T], board: ProgressBoard, console: Console, clock: Clock | None = None
) -> T:
    """Do the work while the bars show what the board says."""
    # Of columns that are too wide together, rich cuts those that may be wrapped: here the bar and no other.
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
    bars: dict[int, TaskID] = {}
    async for latest in board.watch():
        for running in latest.running:
            _draw(progress, bars, running)
        for number in bars.keys() - {running.number for running in latest.running}:
            progress.remove_task(bars.pop(number))
        progress.update(libraries, completed=latest.libraries_done, total=latest.libraries_total or None)


def _draw(progress: Progress, bars: dict[int, TaskID], running: LibraryProgress) -> None:
    if running.number not in bars:
        bars[running.number] = progress.add_task("", total=None)
    description = _description(running, progress.console.width)
    progress.update(bars[running.number], description=description, completed=running.done, total=running.total)


def _description(running: LibraryProgress, width: int) -> str:
    """Say which library it is and what of it is read: names are shortened, so that no number is."""
    name, listing = Text(printable(f"  {running.server} / {running.library}")), f": {running.listing}"
    room = width - _NUMBERS - (_REMAINING if width >= WIDE else 0)
    if not running.listing or room < _ROOMY:
        listing = ""
    name.truncate(max(8, room - len(listing)), overflow="ellipsis")
    return name.plain + listing


class AboveBars:
    """A stream for log lines that appear above the bars instead of tearing them."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        """Print whole lines; the bars move down."""
        if line := text.rstrip("\n"):
            self._console.print(Text.from_ansi(line))
        return len(text)

    def flush(self) -> None:
        """Do nothing: the console writes at once."""

    def isatty(self) -> bool:
        """Tell whether colours are welcome."""
        return self._console.is_terminal

    def as_stream(self) -> TextIO:
        """Return the object as what log handlers expect; they use no more than is here."""
        return cast("TextIO", self)
