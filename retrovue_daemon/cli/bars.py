"""Two levels of progress on a terminal: libraries, and the items of each library whose pass is running."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

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
from rich.text import Text

from retrovue_daemon.cli.table import printable

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from rich.console import Console
    from rich.progress import Task

    from retrovue_daemon.progress import LibraryProgress, ProgressBoard

T = TypeVar("T")


class RateColumn(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        """Show nothing until there is something to measure."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


async def with_bars(work: Coroutine[Any, Any, T], board: ProgressBoard, console: Console) -> T:
    """Do the work while the bars show what the board says."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
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
    description = f"  {running.server} / {running.library}" + (f": {running.listing}" if running.listing else "")
    progress.update(
        bars[running.number], description=printable(description), completed=running.done, total=running.total
    )


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
