"""``retrovue-daemon sync``."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrovue_daemon.cli.display.output import print_failure
from retrovue_daemon.cli.display.progress import with_progress
from retrovue_daemon.cli.display.reports import print_dry_run, print_summary
from retrovue_daemon.cli.options import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    LibraryOption,
    QuietOption,
    ServerOption,
    YearOption,
    read_config,
)
from retrovue_daemon.cli.startup import import_lightly, tune_memory
from retrovue_daemon.errors import AmbiguousShow, ConfigError, DatabaseHeld, UnknownShow
from retrovue_daemon.service.report import exit_code, shortfalls, summary, unmet

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.config import Config
    from retrovue_daemon.logs.setup import Redactor
    from retrovue_daemon.service.daemon import SyncOptions
    from retrovue_daemon.sync.progress import ProgressBoard


def sync(
    config: ConfigOption = None,
    database: DatabaseOption = None,
    server: ServerOption = None,
    library: LibraryOption = None,
    show: Annotated[
        str | None, typer.Option("--show", metavar="TITLE", help="Only the show of this title.", show_default=False)
    ] = None,
    year: YearOption = None,
    full: Annotated[
        bool, typer.Option("--full", help="List everything, whatever the servers say has changed.")
    ] = False,
    accept_removals: Annotated[
        bool,
        typer.Option("--accept-removals", help="Believe removals that would be held back because there are so many."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would change, and change nothing: it is done on a copy.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Do one pass over all enabled libraries of all active servers, and end.

    A library is listed completely where its server says that something came or left, or where that was long ago
    ([sync] full_interval); else only what was updated is asked for. On a terminal bars show how far it is, and a
    table what came of it. Elsewhere lines on standard output do, unless the result is to be JSON; log lines go to
    standard error, as JSON.

    Examples:

    - `retrovue-daemon sync --config config.toml`
    - `retrovue-daemon sync --server home --library "TV Shows" --full --json`
    - `retrovue-daemon sync --show "The Lighthouse Keepers"`
    - `retrovue-daemon sync --show "The Lighthouse Keepers" --year 1961`, where several have that title
    - `retrovue-daemon sync --full --dry-run`
    - `retrovue-daemon sync --quiet > /dev/null`, which prints nothing unless something is wrong

    The exit code is 1, too, if an entry of `libraries` in the configuration fits no library of its server.
    """
    if year is not None and show is None:
        raise typer.BadParameter("needs --show", param_hint="--year")
    from retrovue_daemon.service.selection import Selection  # noqa: PLC0415 -- not for --help

    selection = Selection(
        library=library, show=None if show is None else (show, year), full=full, accept_removals=accept_removals
    )
    selection.check()
    settings, only_asks = _settings(config, database, asks=not dry_run)
    import_lightly()
    from retrovue_daemon.service.daemon import SyncOptions  # noqa: PLC0415 -- brings aiohttp, which --help does not need

    tune_memory()
    show_progress = partial(with_progress, settings, quiet=quiet, as_json=as_json)
    options = SyncOptions(server=server, selection=selection)
    if dry_run:
        from retrovue_daemon.service.dry_run import try_sync  # noqa: PLC0415 -- likewise

        result = asyncio.run(show_progress(partial(try_sync, settings, options)))
        told = summary(result.reports, exit_code(result.reports))
        unknown = unmet(selection, told)
        print_dry_run(result, told, as_json=as_json)
    else:
        work = _ask if only_asks else _sync_or_ask
        told = asyncio.run(show_progress(partial(work, settings, options)))
        unknown = unmet(selection, told)
        if as_json or not _ambiguous(told) or any(each["libraries"] for each in told["servers"]):
            print_summary(told, as_json=as_json)
    for error in _ambiguous(told):
        print_failure(error["message"], "--year says which one is meant, --year none the one without a year")
    if told.get("error"):
        print_failure(told["error"]["message"], told["error"]["hint"])
    if unknown is not None:
        if isinstance(unknown, UnknownShow):
            unknown.hint = f"{unknown.hint}; `retrovue-daemon discover` finds it by a part of it"
        raise unknown
    for message, hint in shortfalls(told):
        print_failure(message, hint)
    if not told["servers"] and not told.get("error"):
        print_failure("there is no active server", "add a [[servers]] table to the configuration")
    raise typer.Exit(told["exit_code"])


def _ambiguous(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the servers say that did nothing because the title alone does not tell which show is meant."""
    errors = [server["error"] for server in told["servers"]]
    return [error for error in errors if error and error["type"] == AmbiguousShow.__name__]


def _settings(config: Path | None, database: Path | None, *, asks: bool) -> tuple[Config, bool]:
    """Read the configuration, and say whether it is good for asking a daemon only.

    Whoever asks one needs no token; credentials of systemd are shown to nobody but the service. Raises ConfigError.
    """
    from retrovue_daemon.store.file.lock import holder  # noqa: PLC0415 -- not for --help

    try:
        return read_config(config, database), False
    except ConfigError:
        if not asks:
            raise
        trusting = read_config(config, database, trusts_credentials=True)
        if not holder(trusting.database.path.resolve()).serves:
            raise
        return replace(trusting, warnings=()), True  # they are the daemon's to tell


async def _ask(settings: Config, options: SyncOptions, board: ProgressBoard, _redactor: Redactor) -> dict[str, Any]:
    """Have the daemon that has the database sync."""
    from retrovue_daemon.service.client import ask_daemon  # noqa: PLC0415 -- brings aiosqlite
    from retrovue_daemon.service.signals import Signals  # noqa: PLC0415 -- likewise

    path = settings.database.path.resolve()
    with Signals() as signals:
        return await ask_daemon(path, options.selection, options.server, board, pause=signals.pause)


async def _sync_or_ask(
    settings: Config, options: SyncOptions, board: ProgressBoard, redactor: Redactor
) -> dict[str, Any]:
    """Sync; where a daemon has the database, have it do so."""
    from retrovue_daemon.service.daemon import sync_once  # noqa: PLC0415 -- brings aiohttp

    try:
        reports = await sync_once(settings, options, board, redactor)
    except DatabaseHeld as held:
        if not held.serves:
            raise
        return await _ask(settings, options, board, redactor)
    return summary(reports, exit_code(reports))
