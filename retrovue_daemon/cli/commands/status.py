"""``retrovue-daemon status``: the state of the mirror, read from the database, with or without a running daemon."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.commands.libraries import contents_text, plain_library, switch_and_state
from retrovue_daemon.cli.commands.reload import plain_reload, reload_changes
from retrovue_daemon.cli.display.output import print_json, print_json_line, print_line, print_table
from retrovue_daemon.cli.display.table import Table, printable
from retrovue_daemon.cli.display.terminal import terminal
from retrovue_daemon.cli.display.units import ago, plural, size
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption
from retrovue_daemon.cli.place import Place, find_place
from retrovue_daemon.errors import ConfigProblem

if TYPE_CHECKING:
    from rich.console import RenderableType

    from retrovue_daemon.store.file.lock import Holder
    from retrovue_daemon.store.overview import Contents, PassRecord
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.reloads import Reload
    from retrovue_daemon.store.tables.servers import StoredServer

_EVERY_S = 1.0
"""Seconds between two reads. Each opens and closes the database, so that the daemon can close its write-ahead log."""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the mirror; sizes are bytes, ``next_polls`` are Unix times by server, as far as they are known."""

    place: Place
    holder: Holder
    size: int
    log_size: int
    servers: list[StoredServer]
    libraries: list[StoredLibrary]
    contents: dict[int, Contents]
    passes: dict[int, PassRecord]
    waiting: int
    next_polls: dict[str, float]
    last_reload: Reload | None

    @property
    def totals(self) -> dict[str, int]:
        """How many rows of each kind are present or missing in all libraries."""
        totals: dict[str, int] = {}
        for held in self.contents.values():
            for name, number in (*held.present.items(), ("missing", held.missing), ("unavailable", held.unavailable)):
                totals[name] = totals.get(name, 0) + number
        return totals

    @property
    def blocked(self) -> list[StoredLibrary]:
        """The libraries in which a removal is held back."""
        return [library for library in self.libraries if library.state == "blocked"]

    @property
    def doubted(self) -> list[StoredLibrary]:
        """The synced libraries whose last complete listing left something in doubt."""
        return [
            library
            for library in self.libraries
            if library.doubt and library.sync_enabled and library.state != "missing"
        ]


def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Update the output whenever something changes, until Ctrl-C.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the state of each server and library, the last passes, pending problems and the size of the database.

    Problems are removals that wait for your confirmation, libraries whose last listing left something in doubt, and a
    configuration that the daemon refused to reload.

    The command only reads the database, so it works with or without a running daemon. With `--watch --json`, it
    prints one JSON object per line, whenever something changes.

    Examples:

    - `retrovue-daemon status`
    - `retrovue-daemon status --watch`
    - `retrovue-daemon status --json --database /srv/retrovue.db | jq '.blocked'`
    """
    place = find_place(config, database)
    if watch:
        _watch(place, as_json=as_json)
    elif as_json:
        print_json(_plain(read_status(place)))
    else:
        latest = read_status(place)
        _print_lines(_head(latest))
        print_table(_table(latest))
        _print_lines(_foot(latest))


def read_status(place: Place) -> Status:
    """Read the state of the mirror from the database and its lock."""
    from retrovue_daemon.store import overview  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import lock, maintenance, visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.reloads import read_reloads  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- not for --help

    path = visits.find(place.path)
    holder = lock.holder(path)
    with visits.reading(path) as connection:
        servers = read_servers(connection)
        return Status(
            place,
            holder,
            *maintenance.file_sizes(path),
            servers,
            read_libraries(connection),
            overview.contents(connection),
            overview.last_passes(connection),
            overview.waiting_requests(connection),
            _next_polls(place, holder, servers),
            next(reversed(read_reloads(connection)), None),
        )


def _next_polls(place: Place, holder: Holder, servers: list[StoredServer]) -> dict[str, float]:
    """Return when a running daemon polls each server next: one interval after the last time."""
    if not holder.held or place.config is None or not place.is_of_config:
        return {}
    interval = place.config.sync.interval
    return {
        server.name: server.last_sync_at + interval
        for server in servers
        if server.is_active and server.last_sync_at is not None
    }


def _watch(place: Place, *, as_json: bool) -> None:
    from rich.console import Group  # noqa: PLC0415 -- takes a tenth of a second
    from rich.live import Live  # noqa: PLC0415 -- likewise
    from rich.text import Text  # noqa: PLC0415 -- likewise

    def picture(latest: Status) -> RenderableType:
        head, foot = (Text("\n".join(map(printable, lines))) for lines in (_head(latest), _foot(latest)))
        return Group(head, _table(latest), foot)

    screen = terminal()
    shown: object = None
    try:
        if screen is not None and not as_json:
            with Live(picture(read_status(place)), console=screen, screen=True, auto_refresh=False) as live:
                while True:
                    time.sleep(_EVERY_S)
                    live.update(picture(read_status(place)), refresh=True)
        while True:
            latest = read_status(place)
            plain = _plain(latest)
            if plain != shown:
                shown = plain
                if as_json:
                    print_json_line(plain)
                else:
                    print_table(picture(latest))
            time.sleep(_EVERY_S)
    except KeyboardInterrupt:
        return


# -- output ---------------------------------------------------------------------------------------------------------


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        print_line(line)


def _head(latest: Status) -> list[str]:
    running = {True: "is running", False: "is not running", None: "may be running: its lock cannot be read"}[
        latest.holder.held
    ]
    pid = f" (pid {latest.holder.pid})" if latest.holder.pid else ""
    log = f", log {size(latest.log_size)}" if latest.log_size else ""
    return [
        f"database  {latest.place.path} ({size(latest.size)}{log})",
        f"daemon    {running}{pid}",
        *(_reload(latest.last_reload) if latest.last_reload else ()),
    ]


def _reload(done: Reload) -> list[str]:
    """Return lines that describe what the last reload changed, or why it was refused."""
    when = ago(done.at) + (", before the last start" if done.before_start else "")
    lines = [
        f"reload    {done.outcome} {when}" + (f": {differences}" if (differences := reload_changes(done)) else "")
    ]
    lines += [f"          {ConfigProblem(problem.path, problem.message)}" for problem in done.problems]
    return lines


def _table(latest: Status) -> Table:
    table = Table("server", "library", "state", "contents", "last pass", "next")
    for server in latest.servers:
        own = [library for library in latest.libraries if library.server_id == server.id]
        name = server.name if server.is_active else f"{server.name} (off)"
        following = latest.next_polls.get(server.name)
        due = "" if following is None else ago(max(following, time.time()))
        if not own:
            table.add_row(name, "", "", "not contacted yet", "never", due)
        for library in own:
            table.add_row(
                name,
                library.name,
                switch_and_state(latest.place, library),
                contents_text(latest.contents.get(library.id)),
                _last(library, latest.passes.get(library.id)),
                due if library.sync_enabled else "",
            )
            name = ""
    return table


def _last(library: StoredLibrary, done: PassRecord | None) -> str:
    """Return when a library was last synced, and how its last recorded pass ended."""
    if done is None:
        return ago(library.last_sync_at)
    ended = done.finished_at or done.started_at
    when = ago(max(ended, library.last_sync_at or 0) if done.status == "ok" else ended)
    # The lines below the table show what is held back or in doubt, even if a later pass did not concern it.
    is_shown_below = done.status == "blocked" or done.error == library.doubt
    return f"{when}, {done.status}" + (f": {done.error}" if done.error and not is_shown_below else "")


def _foot(latest: Status) -> list[str]:
    totals = latest.totals
    words = {"movies": "film", "shows": "show", "episodes": "episode"}
    parts = [plural(totals.get(name, 0), word) for name, word in words.items()]
    lines = [", ".join(parts) + f"; {totals.get('missing', 0):,} missing"]
    if latest.waiting:
        lines.append(f"{plural(latest.waiting, 'sync request')} not finished yet")
    lines += [
        f"held back: {library.server} / {library.name}: {library.last_error or 'a removal'}"
        for library in latest.blocked
    ]
    if latest.blocked:
        lines.append("if these items are really gone, run: retrovue-daemon sync --accept-removals")
    lines += [f"in doubt: {library.server} / {library.name}: {library.doubt}" for library in latest.doubted]
    if not latest.servers:
        lines.append(
            "there are no servers yet; add one with `retrovue-daemon servers add` or [[servers]] in the configuration"
        )
    return lines


def _plain(latest: Status) -> dict[str, object]:
    return {
        "database": {
            "path": str(latest.place.path),
            "bytes": latest.size,
            "wal_bytes": latest.log_size,
            "daemon_running": latest.holder.held,
            "daemon_pid": latest.holder.pid,
        },
        "servers": [
            {
                "name": server.name,
                "url": server.shown_url,
                "source": server.source,
                "is_active": server.is_active,
                "version": server.version,
                "machine_identifier": server.machine_identifier,
                "next_look_at": latest.next_polls.get(server.name),
                "libraries": [
                    {
                        **plain_library(library, latest.contents.get(library.id)),
                        "last_pass": plain_pass(latest.passes.get(library.id)),
                    }
                    for library in latest.libraries
                    if library.server_id == server.id
                ],
            }
            for server in latest.servers
        ],
        "blocked": [
            {"server": library.server, "library": library.name, "error": library.last_error}
            for library in latest.blocked
        ],
        "doubted": [
            {"server": library.server, "library": library.name, "doubt": library.doubt} for library in latest.doubted
        ],
        "last_reload": None if latest.last_reload is None else plain_reload(latest.last_reload),
        "totals": latest.totals,
        "waiting_requests": latest.waiting,
    }


def plain_pass(done: PassRecord | None) -> dict[str, object] | None:
    """Return a pass as ``--json`` prints it."""
    if done is None:
        return None
    return {
        "run_id": done.id,
        "server": done.server,
        "library": done.library,
        "kind": done.kind,
        "status": done.status,
        "started_at": done.started_at,
        "finished_at": done.finished_at,
        "duration_s": None if done.finished_at is None else done.finished_at - done.started_at,
        **done.counts,
        "error": done.error,
    }
