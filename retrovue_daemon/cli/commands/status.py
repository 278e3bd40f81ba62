"""``retrovue-daemon status``: the state of the mirror, read from the database, with or without a running daemon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Never

import typer

from retrovue_daemon.cli.commands.libraries import switch_and_state
from retrovue_daemon.cli.display.findings import finding_lines
from retrovue_daemon.cli.display.output import print_json, print_json_line, print_line, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.display.terminal import terminal
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption
from retrovue_daemon.cli.place import Place, find_place
from retrovue_daemon.errors import ConfigProblem
from retrovue_daemon.service.words.hooks import hook_lines
from retrovue_daemon.service.words.libraries import contents_text, last_pass_text, without_libraries
from retrovue_daemon.service.words.live import live_lines, live_word
from retrovue_daemon.service.words.publishing import publish_lines
from retrovue_daemon.service.words.reloads import reload_changes
from retrovue_daemon.units import ago, plural, size

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from retrovue_daemon.service.status import Status
    from retrovue_daemon.store.tables.live import LiveState
    from retrovue_daemon.store.tables.reloads import Reload
    from retrovue_daemon.store.tables.servers import StoredServer

_EVERY_S = 1.0
"""Seconds between two reads. Each opens and closes the database, so that the daemon can close its write-ahead log."""


def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Update the output whenever something changes, until Ctrl-C.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if something is wrong or no daemon is running.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the state of each server and library, the last passes, pending problems and the size of the database.

    A server is live if its notifications bring changes within seconds; otherwise it is only polled, for the reason
    shown. Without a running daemon, nothing is said about that.

    A hook that fails is shown with its error, and so is PostgreSQL. They are no problems of the mirror, so `healthy`
    and `health` ignore them.

    Problems are those that `health` prints. Libraries in doubt are shown, too: their last listing left a question
    open, for example because the token cannot see file paths.

    The command only reads the database, so it works with or without a running daemon. With `--watch --json`, it
    prints one JSON object per line, whenever something changes.

    Examples:

    - `retrovue-daemon status`
    - `retrovue-daemon status --watch`
    - `retrovue-daemon status --exit-code > /dev/null || echo "something is wrong"`
    - `retrovue-daemon status --json --database /srv/retrovue.db | jq '.problems'`
    """
    if watch and exit_code:
        raise typer.BadParameter("cannot be combined with --watch", param_hint="--exit-code")
    place = find_place(config, database)
    if watch:
        _watch(place, as_json=as_json)
        return
    from retrovue_daemon.service.json.status import status_json  # noqa: PLC0415 -- not for --help

    latest = _read(place)
    if as_json:
        print_json(status_json(latest))
    else:
        _print(latest, place)
    if exit_code and latest.condition.findings:
        raise typer.Exit(1)


def _read(place: Place) -> Status:
    from retrovue_daemon.service.status import read_status  # noqa: PLC0415 -- not for --help

    config = place.config if place.is_of_config else None
    if config is None:
        return read_status(place.path)
    return read_status(place.path, config.sync, config.wants_details)


def _watch(place: Place, *, as_json: bool) -> None:
    screen = terminal()
    try:
        if screen is not None and not as_json:
            _fill(screen, place)
        else:
            _print_changes(place, as_json=as_json)
    except KeyboardInterrupt:
        return


def _fill(screen: Console, place: Place) -> Never:
    """Fill the screen of a terminal again and again."""
    from rich.live import Live  # noqa: PLC0415 -- takes a tenth of a second

    from retrovue_daemon.cli.display.screen import picture  # noqa: PLC0415 -- likewise

    def latest_picture() -> RenderableType:
        latest = _read(place)
        return picture(screen, _head(latest), _table(latest, place), _foot(latest))

    with Live(latest_picture(), console=screen, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(_EVERY_S)
            live.update(latest_picture(), refresh=True)


def _print_changes(place: Place, *, as_json: bool) -> Never:
    """Print the state whenever it differs from what was printed last."""
    from retrovue_daemon.service.json.status import status_json  # noqa: PLC0415 -- not for --help

    shown: object = None
    while True:
        latest = _read(place)
        plain = status_json(latest)
        if plain != shown:
            shown = plain
            if as_json:
                print_json_line(plain)
            else:
                _print(latest, place)
        time.sleep(_EVERY_S)


# -- output ---------------------------------------------------------------------------------------------------------


def _print(latest: Status, place: Place) -> None:
    _print_lines(_head(latest))
    print_table(_table(latest, place))
    _print_lines(_foot(latest))


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        print_line(line)


def _head(latest: Status) -> list[str]:
    running = {True: "is running", False: "is not running", None: "may be running: its lock cannot be read"}[
        latest.condition.daemon_runs
    ]
    pid = (
        f" (pid {latest.condition.holder.pid})"
        if latest.condition.holder.pid and latest.condition.daemon_runs
        else ""
    )
    log = f", log {size(latest.log_size)}" if latest.log_size else ""
    return [
        f"database  {latest.condition.path} ({size(latest.size)}{log})",
        f"daemon    {running}{pid}",
        *(_reload(latest.condition.last_reload) if latest.condition.last_reload else ()),
        *live_lines(
            [(server.name, state) for server in latest.condition.servers if (state := _live(latest, server))]
        ),
        *hook_lines(latest.hooks),
        *publish_lines(latest.publishing),
    ]


def _live(latest: Status, server: StoredServer) -> LiveState | None:
    """Return whether a server is live; None if it is off, or cannot be used anyway."""
    return latest.live.get(server.id) if server.is_active and not server.fails else None


def _reload(done: Reload) -> list[str]:
    """Return lines that describe what the last reload changed, or why it was refused."""
    when = ago(done.at) + (", before the last start" if done.before_start else "")
    lines = [
        f"reload    {done.outcome} {when}" + (f": {differences}" if (differences := reload_changes(done)) else "")
    ]
    lines += [f"          {ConfigProblem(problem.path, problem.message)}" for problem in done.problems]
    return lines


def _table(latest: Status, place: Place) -> Table:
    table = Table("server", "library", "state", "contents", "last pass", "next", drop_first=("next",), repeats=True)
    for server in latest.condition.servers:
        own = [library for library in latest.condition.libraries if library.server_id == server.id]
        name = server.name + ("" if not server.is_active else " (failing)" if server.fails else "")
        name += "" if server.is_active else " (off)"
        name += f" ({word})" if (word := live_word(_live(latest, server))) else ""
        following = latest.next_poll(server)
        due = "" if following is None else ago(max(following, time.time()))
        if not own:
            table.add_row(name, "", "", without_libraries(server), "", due)
        for library in own:
            table.add_row(
                name,
                library.name,
                switch_and_state(place, library),
                contents_text(latest.contents.get(library.id)),
                last_pass_text(library, latest.passes.get(library.id)),
                due if library.sync_enabled else "",
            )
    return table


def _foot(latest: Status) -> list[str]:
    totals = latest.totals
    words = {"movies": "film", "shows": "show", "episodes": "episode"}
    parts = [plural(totals.get(name, 0), word) for name, word in words.items()]
    lines = [", ".join(parts) + f"; {totals.get('missing', 0):,} missing"]
    if pending := sum(latest.details_pending.values()):
        lines.append(f"details of {plural(pending, 'item')} not read yet")
    if latest.waiting:
        lines.append(f"{plural(latest.waiting, 'sync request')} not finished yet")
    # The lines above the table say what is wrong with the daemon. What waits for a person comes first.
    findings = [finding for finding in latest.condition.findings if not finding.is_of_process]
    lines += finding_lines(sorted(findings, key=lambda finding: not finding.is_held_back))
    lines += [f"in doubt: {library.server} / {library.name}: {library.doubt}" for library in latest.condition.doubted]
    if not latest.condition.servers:
        lines.append(
            "there are no servers yet; add one with `retrovue-daemon servers add` or [[servers]] in the configuration"
        )
    return lines
