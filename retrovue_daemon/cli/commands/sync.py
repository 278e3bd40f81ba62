"""``retrovue-daemon sync``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrovue_daemon.cli.display.output import print_failure, print_warning
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
)
from retrovue_daemon.cli.place import announce
from retrovue_daemon.cli.startup import import_lightly, tune_memory
from retrovue_daemon.errors import AmbiguousShow, ConfigError, DatabaseHeld, UnknownLibrary, UnknownShow
from retrovue_daemon.service.report import describe, exit_code, idle_servers, shortfalls, summary, unmet

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.config import Config
    from retrovue_daemon.logs.setup import Redactor
    from retrovue_daemon.service.daemon import SyncOptions
    from retrovue_daemon.service.selection import Selection
    from retrovue_daemon.sync.progress import ProgressBoard


def sync(
    config: ConfigOption = None,
    database: DatabaseOption = None,
    server: ServerOption = None,
    library: LibraryOption = None,
    show: Annotated[
        str | None, typer.Option("--show", metavar="TITLE", help="Only the show with this title.", show_default=False)
    ] = None,
    year: YearOption = None,
    full: Annotated[
        bool, typer.Option("--full", help="Request full listings, even if the servers report no changes.")
    ] = False,
    accept_removals: Annotated[
        bool,
        typer.Option("--accept-removals", help="Apply removals that the safety guard would hold back."),
    ] = False,
    no_details: Annotated[
        bool,
        typer.Option(
            "--no-details", help="Do not wait until details (all tags, credits, chapters, markers) are read."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change: sync a copy, and leave the database unchanged.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Sync all enabled libraries of all active servers once, and exit.

    A library gets a full listing if the server reports additions or removals, or if the last full listing is older
    than `full_interval`. Otherwise only updated items are requested. If a daemon is running on the database, it does
    the work. On a terminal, the command shows progress bars and a table of results. Otherwise it prints progress and
    results as plain lines (or one JSON object) to standard output, and log lines as JSON to standard error.

    After the listings, the command reads the details of new and changed items (all tags, credits, chapters and
    markers), 100 items per request, unless the configuration says `details = false`. Then it adds new titles to the
    search index of `items search`, which takes at most two seconds or a tenth of the time so far. `--no-details`
    skips both: a running daemon does them in the background; without a daemon, the next sync does them.

    If a larger share of a library than `max_removed` would become missing, a safety guard holds the removals back,
    because a disk that is not mounted looks like an emptied library. `--accept-removals` applies them.

    Examples:

    - `retrovue-daemon sync --config config.toml`
    - `retrovue-daemon sync --server home --library "TV Shows" --full --json`
    - `retrovue-daemon sync --show "The Lighthouse Keepers"`
    - `retrovue-daemon sync --show "The Lighthouse Keepers" --year 1961`, if several shows have that title
    - `retrovue-daemon sync --full --dry-run`
    - `retrovue-daemon sync --no-details`
    - `retrovue-daemon sync --quiet > /dev/null`, which prints only warnings and errors

    The exit code is also 1 if an entry of `libraries` in the configuration matches no library of its server.
    """
    if year is not None and show is None:
        raise typer.BadParameter("requires --show", param_hint="--year")
    from retrovue_daemon.service.selection import Selection  # noqa: PLC0415 -- not for --help

    selection = Selection(
        library=library,
        show=None if show is None else (show, year),
        full=full,
        accept_removals=accept_removals,
        details=not (no_details or dry_run),
    )
    selection.check()
    settings, daemon_only = _settings(config, database, may_request=not dry_run)
    if not quiet:
        announce(settings)
    import_lightly()
    import asyncio  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.service.daemon import SyncOptions  # noqa: PLC0415 -- imports aiohttp, which --help does not need

    tune_memory()
    show_progress = partial(with_progress, settings, quiet=quiet, as_json=as_json)
    options = SyncOptions(server=server, selection=selection)
    if dry_run:
        from retrovue_daemon.service.dry_run import try_sync  # noqa: PLC0415 -- likewise

        result = asyncio.run(show_progress(partial(try_sync, settings, options)))
        results = summary(result.reports, exit_code(result.reports))
        unknown = _unmet(selection, results)
        with result:
            print_dry_run(result, _for_programs(results, unknown) if as_json else results, as_json=as_json)
    else:
        work = _request if daemon_only else _sync_or_request
        results = asyncio.run(show_progress(partial(work, settings, options)))
        unknown = _unmet(selection, results)
        if as_json or not _ambiguous(results) or any(each["libraries"] for each in results["servers"]):
            # A reader that closes the pipe must not hide that the sync failed.
            with suppress(BrokenPipeError):
                print_summary(_for_programs(results, unknown) if as_json else results, as_json=as_json)
    for error in _ambiguous(results):
        print_failure(error["message"], "select one with --year; --year none selects the show without a year")
    if unknown is not None:
        raise unknown
    if results.get("error"):
        print_failure(results["error"]["message"], results["error"]["hint"])
    for message, hint in shortfalls(results):
        print_failure(message, hint)
    for line in idle_servers(results):
        print_warning(line)
    if not results["servers"] and not results.get("error"):
        print_failure("there is no active server", "add a [[servers]] table to the configuration")
    raise typer.Exit(results["exit_code"])


def _unmet(selection: Selection, results: dict[str, Any]) -> UnknownLibrary | UnknownShow | None:
    """Return an error if no server syncs the selected library or show, with a hint for people at a command line."""
    unknown = unmet(selection, results)
    if isinstance(unknown, UnknownShow):
        unknown.hint = f"{unknown.hint}; `retrovue-daemon discover` finds shows by a part of their title"
    return unknown


def _for_programs(results: dict[str, Any], unknown: UnknownLibrary | UnknownShow | None) -> dict[str, Any]:
    """Add why nothing was synced, which people read on standard error."""
    return results if unknown is None else {**results, "error": describe(unknown)}


def _ambiguous(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the errors of servers that skipped the request because several shows have the title."""
    errors = [server["error"] for server in results["servers"]]
    return [error for error in errors if error and error["type"] == AmbiguousShow.__name__]


def _settings(config: Path | None, database: Path | None, *, may_request: bool) -> tuple[Config, bool]:
    """Read the configuration; return it, and whether only a running daemon can use it.

    A request to the daemon needs no token, and systemd shows credentials to its service only. Raise ConfigError.
    """
    from retrovue_daemon.config import read_config  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file.lock import holder, real_path  # noqa: PLC0415 -- likewise

    try:
        return read_config(config, database), False
    except ConfigError:
        if not may_request:
            raise
        trusting = read_config(config, database, trusts_credentials=True)
        if not holder(real_path(trusting.database.path)).serves:
            raise
        return replace(trusting, warnings=()), True  # the daemon has logged them


async def _request(
    settings: Config, options: SyncOptions, board: ProgressBoard, _redactor: Redactor
) -> dict[str, Any]:
    """Request the sync from the running daemon."""
    from retrovue_daemon.service.signals import Signals  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service.sync_request import request_sync  # noqa: PLC0415 -- imports aiosqlite
    from retrovue_daemon.store.file.lock import real_path  # noqa: PLC0415 -- likewise

    path = real_path(settings.database.path)
    with Signals() as signals:
        return await request_sync(path, options.selection, options.server, board, pause=signals.pause)


async def _sync_or_request(
    settings: Config, options: SyncOptions, board: ProgressBoard, redactor: Redactor
) -> dict[str, Any]:
    """Sync in this process, or request the sync from the daemon that is running on the database."""
    from retrovue_daemon.service.daemon import sync_once  # noqa: PLC0415 -- imports aiohttp

    try:
        reports = await sync_once(settings, options, board, redactor)
    except DatabaseHeld as held:
        if not held.serves:
            raise
        return await _request(settings, options, board, redactor)
    return summary(reports, exit_code(reports))
