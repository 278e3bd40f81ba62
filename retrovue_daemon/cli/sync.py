"""``retrovue-daemon sync``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, read_config
from retrovue_daemon.cli.output import (
    describe,
    log_warnings,
    new_table,
    print_failure,
    print_json,
    print_table,
    print_warnings,
)
from retrovue_daemon.cli.run import calm_collector
from retrovue_daemon.errors import PlexError, UnknownLibrary

if TYPE_CHECKING:
    from rich.table import Table

    from retrovue_daemon.config import Config
    from retrovue_daemon.daemon import SyncOptions
    from retrovue_daemon.worker import ServerReport

_COUNTS = ("listed", "added", "updated", "unchanged", "removed", "restored", "moved", "skipped")


def sync(
    config: ConfigOption = None,
    database: DatabaseOption = None,
    server: Annotated[
        str | None, typer.Option("--server", "-s", metavar="NAME", help="Only this server.", show_default=False)
    ] = None,
    library: Annotated[
        str | None,
        typer.Option("--library", "-l", metavar="NAME", help="Only this library: title or key.", show_default=False),
    ] = None,
    show: Annotated[
        str | None, typer.Option("--show", metavar="TITLE", help="Only the show of this title.", show_default=False)
    ] = None,
    year: Annotated[
        int | None,
        typer.Option(
            "--year", help="With --show: the year it began, where several have the title.", show_default=False
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="List everything, whatever the servers say has changed.")
    ] = False,
    accept_removals: Annotated[
        bool,
        typer.Option("--accept-removals", help="Believe removals that would be held back because there are so many."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Do one pass over all enabled libraries of all active servers, and end.

    On a terminal bars show how far it is; elsewhere log lines go to standard error as JSON.

    Examples:

    - `retrovue-daemon sync --config config.toml`
    - `retrovue-daemon sync --server home --library "TV Shows" --json`
    """
    settings = read_config(config, database)
    from retrovue_daemon.daemon import SyncOptions  # noqa: PLC0415 -- brings aiohttp, which --help does not need
    from retrovue_daemon.worker import Selection  # noqa: PLC0415 -- likewise

    calm_collector()
    selection = Selection(library=library, show=None if show is None else (show, year), full=full)
    options = SyncOptions(server=server, selection=selection, accept_removals=accept_removals)
    reports = asyncio.run(sync_with_progress(settings, options))
    code = exit_code(reports)
    unknown = _unknown_library(library, reports) if code == 0 else None
    code = unknown.exit_code if unknown else code
    print_reports(reports, code, as_json=as_json)
    if unknown:
        raise unknown
    if not reports:
        print_failure("there is no active server", "add a [[servers]] table to the configuration")
    raise typer.Exit(code)


async def sync_with_progress(settings: Config, options: SyncOptions) -> list[ServerReport]:
    """Sync once, with bars where standard error is a terminal, with log lines where it is not."""
    from rich.console import Console  # noqa: PLC0415 -- takes a tenth of a second

    from retrovue_daemon.cli.bars import AboveBars, with_bars  # noqa: PLC0415 -- likewise
    from retrovue_daemon.daemon import sync_once  # noqa: PLC0415 -- brings aiohttp
    from retrovue_daemon.logs import configure_logging  # noqa: PLC0415 -- likewise
    from retrovue_daemon.progress import ProgressBoard  # noqa: PLC0415 -- likewise

    console = Console(stderr=True)
    if not console.is_terminal:
        redactor = configure_logging(level=settings.logging.level, format=settings.logging.format)
        log_warnings(settings.warnings)
        return await sync_once(settings, options, ProgressBoard(), redactor)

    print_warnings(settings.warnings)
    # The bars and the table at the end say what the ordinary lines would.
    level = "warning" if settings.logging.level == "info" else settings.logging.level
    redactor = configure_logging(level=level, format=settings.logging.format, stream=AboveBars(console).as_stream())

    board = ProgressBoard()
    return await with_bars(sync_once(settings, options, board, redactor), board, console)


def print_reports(reports: list[ServerReport], code: int, *, as_json: bool) -> None:
    """Print what a round brought, for people or for programs; ``code`` is the exit code."""
    if as_json:
        print_json(_summary(reports, code))
    elif any(report.error or report.passes for report in reports):
        print_table(_table(reports))


def exit_code(reports: list[ServerReport]) -> int:
    """Return 0 where all went well, 3 where no server could be used, else 1."""
    if all(isinstance(report.error, PlexError) for report in reports):
        return 3
    clean = all(report.error is None and all(done.run.status == "ok" for done in report.passes) for report in reports)
    return 0 if clean else 1


def _summary(reports: list[ServerReport], code: int) -> dict[str, object]:
    """Return the object that ``--json`` prints: the counts of sync_runs for every server and library."""
    return {
        "exit_code": code,
        "servers": [
            {
                "server": report.server,
                "error": describe(report.error),
                "libraries": [
                    {
                        "library": done.library,
                        "run_id": done.run_id,
                        **done.run.values(),
                        "duration_s": done.duration_s,
                    }
                    for done in report.passes
                ],
            }
            for report in reports
        ],
    }


def _table(reports: list[ServerReport]) -> Table:
    """Return the counts as a table that fits a terminal: a column that would hold only zeros is left out."""
    runs = [done.run for report in reports for done in report.passes]
    counted = [name for name in _COUNTS if name == "listed" or any(getattr(run.counts, name) for run in runs)]
    remarks = any(report.error is not None for report in reports) or any(run.error for run in runs)
    result = new_table("server", "library", "status")
    for column in (*counted, "seconds"):
        result.add_column(column, justify="right", no_wrap=True)
    if remarks:
        result.add_column("remark", overflow="fold")
    for report in reports:
        if report.error is not None:
            result.add_row(report.server, "", "failed", *[""] * (len(counted) + 1), str(report.error))
        for done in report.passes:
            counts = [f"{getattr(done.run.counts, name):,}" for name in counted]
            remark = [done.run.error or ""] if remarks else []
            seconds = f"{done.duration_s:.1f}"
            result.add_row(report.server, done.library, done.run.status, *counts, seconds, *remark)
    return result


def _unknown_library(library: str | None, reports: list[ServerReport]) -> UnknownLibrary | None:
    """Tell whether a library was asked for that no server has to sync."""
    if library is None or any(report.passes for report in reports):
        return None
    return UnknownLibrary(library, sorted({title for report in reports for title in report.titles}))
