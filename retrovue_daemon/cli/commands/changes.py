"""``retrovue-daemon changes``: what changed in the mirror, also as it happens."""

from __future__ import annotations

import select
import sys
import time
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from retrovue_daemon.cli.display.output import print_json_line, print_line, print_note, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.units import moment

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from retrovue_daemon.store.named_changes import FeedChange

_NEWEST: Final = 50
"""Changes that are shown without --since."""

_DIGITS: Final = 30
"""Digits of a number that are read: more than any number of the feed has."""

_ROWS: Final = 1_000
"""Rows of a table at most, before another one begins: a feed may have millions."""


class Since(NamedTuple):
    """The value of --since: a position in the feed, or a time in Unix seconds."""

    seq: int | None = None
    time: int | None = None


def _read_since(word: str) -> Since:
    from datetime import datetime  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.config.values import DURATION, seconds  # noqa: PLC0415 -- likewise

    text = word.strip()
    if text.isascii() and text.isdecimal():
        return Since(seq=min(int(text[:_DIGITS]), 2**63 - 1))
    if DURATION.fullmatch(text):
        return Since(time=int(time.time() - min(seconds(text), 1e10)))
    try:
        return Since(time=int(datetime.fromisoformat(text).timestamp()))
    except (ValueError, OverflowError, OSError):
        message = 'must be a number from the output, a time such as "2026-03-14" or "2026-03-14T09:15", or "2h"'
        raise typer.BadParameter(message) from None


def changes(
    since: Annotated[
        Since | None,
        typer.Option(
            "--since",
            metavar="SEQ|TIME",
            help="Start after the change with this number, or at a time (2026-03-14, or 2h for two hours ago)."
            f" Default: the newest {_NEWEST} changes; with --follow, only new changes.",
            show_default=False,
            parser=_read_since,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep running, and print changes as they happen, until Ctrl-C.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line instead of a table.")
    ] = False,
) -> None:
    """Print the change feed: what was added, updated, moved, marked missing, restored or deleted, the oldest first.

    Each line shows one change, with the item as it is now; of a deleted item, only the kind and id are left. Several
    lines can have the same `seq`; `rest` in the JSON is how many more follow. A program stores the `seq` of a line
    whose `rest` is 0, and passes it as `--since` the next time. Exit code 1 means that changes after that number are
    no longer stored, or that the database was restored from a copy: the program must then read everything anew.

    The command only reads the database, so it works with or without a running daemon. `docs/database.md` describes
    the feed for programs that read the database themselves.

    Examples:

    - `retrovue-daemon changes`
    - `retrovue-daemon changes --since 2h`
    - `retrovue-daemon changes --follow --json | jq --unbuffered -r 'select(.op == "added").file_path'`
    """
    from retrovue_daemon.service.json.changes import change_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- likewise

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        start = _start(connection, since, follow=follow)
    try:
        if as_json or follow:
            for change in _read(place.path, start, follow=follow):
                if as_json:
                    print_json_line(change_json(change))
                else:
                    print_line(_line(change))
        else:
            _print(_read(place.path, start, follow=False))
    except KeyboardInterrupt:
        return


def _start(connection: sqlite3.Connection, since: Since | None, *, follow: bool) -> int:
    """Return the position to begin at."""
    from retrovue_daemon.store.feed.reading import feed_state, position_at  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.named_changes import last_position  # noqa: PLC0415 -- likewise

    state = feed_state(connection)
    if since is None:
        return state.last_seq if follow else max(last_position(connection, _NEWEST), state.floor)
    if since.seq is None:
        return max(position_at(connection, since.time or 0), state.floor)
    return since.seq


def _read(path: Path, position: int, *, follow: bool) -> Iterator[FeedChange]:
    """Yield the changes after a position, then those that come. Raises ReadAnew."""
    from retrovue_daemon.store.change_reader import LOOK_S, ChangeReader  # noqa: PLC0415 -- not for --help

    reader, output = ChangeReader(path, position), select.poll()
    with suppress(OSError, ValueError):  # not a file, in a program that calls this
        output.register(sys.stdout.fileno(), 0)
    while True:
        while (found := reader.read()) is not None:
            yield from found
        if not follow:
            return
        while not reader.is_written():
            if any(events & (select.POLLERR | select.POLLHUP) for _, events in output.poll(LOOK_S * 1000)):
                # Nothing reads the output any more.
                raise BrokenPipeError


def _print(changes: Iterator[FeedChange]) -> None:
    """Print tables while the changes are read, so that only some are in memory."""
    some = list(islice(changes, _ROWS))
    if not some:
        print_note("nothing changed")
    while some:
        _print_table(some)
        some = list(islice(changes, _ROWS))


def _print_table(found: list[FeedChange]) -> None:
    table = Table(
        "seq", "when", "what", "kind", "id", "title", "server", "library", "file", drop_first=("file", "id")
    )
    for change in found:
        table.add_row(
            str(change.seq),
            moment(change.at),
            change.op,
            change.kind,
            str(change.id),
            *(text or "" for text in (change.title, change.server, change.library, change.file_path)),
        )
    print_table(table)


def _line(change: FeedChange) -> str:
    """Return a change as a line for people."""
    place = " / ".join(text for text in (change.server, change.library) if text)
    name = change.title or f"id {change.id}"
    return f"{moment(change.at)}  {change.op:12}  {change.kind:10}  {name}" + (f"  ({place})" if place else "")
