"""Showing the progress of a sync: as bars on a terminal, as plain lines elsewhere, or not at all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from retrovue_daemon.cli.display.output import log_warnings, print_warnings
from retrovue_daemon.cli.display.terminal import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from retrovue_daemon.config import Config
    from retrovue_daemon.logs.setup import Redactor
    from retrovue_daemon.sync.progress import ProgressBoard

T = TypeVar("T")


async def with_progress(
    settings: Config,
    work: Callable[[ProgressBoard, Redactor], Coroutine[Any, Any, T]],
    *,
    quiet: bool = False,
    as_json: bool = False,
) -> T:
    """Run work that reports to a progress board, and show its progress: as bars, or as lines unless ``as_json``.

    ``quiet`` shows no progress, and logs only warnings and errors.
    """
    from retrovue_daemon.cli.display.lines import with_lines  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.clock import Clock  # noqa: PLC0415 -- likewise
    from retrovue_daemon.logs.setup import configure_logging, log_uncaught  # noqa: PLC0415 -- likewise
    from retrovue_daemon.sync.progress import ProgressBoard  # noqa: PLC0415 -- likewise

    log_uncaught()
    screen, board = terminal(stderr=True), ProgressBoard()
    level, form = settings.logging.level, settings.logging.format
    # The bars and the final table replace the log lines of level info.
    rare = "warning" if level == "info" else level
    if screen is not None:
        from retrovue_daemon.cli.display.bars import AboveBars, with_bars  # noqa: PLC0415 -- likewise

        print_warnings(settings.warnings)
        redactor = configure_logging(level=rare, format=form, stream=AboveBars(screen).as_stream())
    else:
        redactor = configure_logging(level=rare if quiet else level, format=form)
        log_warnings(settings.warnings)
    if quiet:
        return await work(board, redactor)
    if screen is not None:
        return await with_bars(work(board, redactor), board, screen)
    if as_json:
        return await work(board, redactor)
    return await with_lines(work(board, redactor), board, write_line, Clock())


def write_line(text: str) -> None:
    """Print and flush a line; ignore errors, since printing the result will report them."""
    from retrovue_daemon.logs.streams import Unfailing  # noqa: PLC0415 -- not for --help

    print(text, file=Unfailing(sys.stdout).as_stream(), flush=True)
