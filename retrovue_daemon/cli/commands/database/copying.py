"""The progress of copying a database."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from retrovue_daemon.cli.display.terminal import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def copying_progress(*, quiet: bool, as_json: bool) -> Iterator[Callable[[int, int], object] | None]:
    """Show the progress of copying as a sync does: yield what to call with the pages done and their total."""
    from retrovue_daemon.cli.display.lines import LineTimer  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.cli.display.progress import write_line  # noqa: PLC0415 -- likewise
    from retrovue_daemon.clock import Clock  # noqa: PLC0415 -- likewise

    screen = terminal(stderr=True)
    if quiet or (as_json and screen is None):
        yield None
        return
    if screen is None:
        timer = LineTimer(Clock())

        def report(done: int, total: int) -> None:
            if timer.is_due():
                write_line(f"copied {done / max(total, 1):.0%}")

        yield report
        return
    from rich.progress import Progress  # noqa: PLC0415 -- takes a tenth of a second

    with Progress(console=screen, transient=True) as bar:
        task = bar.add_task("copying", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
