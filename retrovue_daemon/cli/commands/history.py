"""``retrovue-daemon history``: the results of past passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli import choices
from retrovue_daemon.cli.commands.status import plain_pass
from retrovue_daemon.cli.display.output import print_json, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.display.units import lasting, moment, size
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, LibraryOption, ServerOption
from retrovue_daemon.cli.place import find_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.overview import PassRecord


def history(
    server: ServerOption = None,
    library: LibraryOption = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="NUMBER", min=1, help="The number of passes to show.")
    ] = 20,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show past passes, the newest first: the status, duration and counts of each.

    A pass is one sync of one library. Records are kept for 90 days; a pass without changes may leave none.

    Examples:

    - `retrovue-daemon history`
    - `retrovue-daemon history --server home --library "TV Shows" --limit 5`
    - `retrovue-daemon history --json --limit 100`
    """
    from retrovue_daemon.store import overview  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- not for --help

    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        ids = None
        if server is not None or library is not None:
            chosen = choices.choose_libraries(read_libraries(connection), library, server)
            ids = [entry.id for entry in chosen]
        passes = overview.passes(connection, library_ids=ids, limit=limit)
    if as_json:
        print_json({"passes": [plain_pass(done) for done in passes]})
    elif passes:
        print_table(_table(passes))
    else:
        print("no passes are recorded yet")


def _table(passes: Sequence[PassRecord]) -> Table:
    """Return the passes as a table, without columns that contain only zeros, so that it fits a terminal."""
    counted = [name for name in passes[0].counts if name == "listed" or any(done.counts[name] for done in passes)]
    table = Table("run", "started", "duration", "server", "library", "kind", "status")
    for name in counted:
        table.add_numbers(name)
    remarks = any(done.error for done in passes)
    if remarks:
        table.add_column("remark")
    for done in passes:
        took = "" if done.finished_at is None else lasting(done.finished_at - done.started_at)
        counts = (size(done.counts[name]) if name == "bytes" else f"{done.counts[name]:,}" for name in counted)
        table.add_row(
            *(str(done.id), moment(done.started_at), took, done.server, done.library or "", done.kind, done.status),
            *counts,
            *([done.error or ""] if remarks else []),
        )
    return table
