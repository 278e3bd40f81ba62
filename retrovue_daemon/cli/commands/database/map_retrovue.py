"""``retrovue-daemon database map-retrovue``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.display.output import print_json_parts, print_line, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption
from retrovue_daemon.cli.place import find_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.retrovue.id_map import Mapped

_LISTED = 50
"""Rows without an item that are listed at most; ``--json`` and ``--sql`` contain all."""


def map_retrovue(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", readable=False, help="The database file of the original Retrovue.")
    ],
    as_sql: Annotated[
        bool, typer.Option("--sql", help="Print SQL statements that create a table `retrovue_ids` with all ids.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Translate ids of an original Retrovue database to the ids of this one, for example those in a schedule.

    The two databases give different ids to the same item. For each film, episode, show, season and file in FILE, the
    command finds the item of this database with the same guid and path, or with a guid that only one item has. It
    lists the rows that it does not find or that are ambiguous, with the reason. Run `database import-retrovue` and a
    complete sync first.

    Schema versions 2 and 3 and releases 1.2.x are supported; schema 3 stores no guids, so only the path decides. Both
    databases are only read. `docs/retrovue.md` has the SQL statements that update a schedule.

    Examples:

    - `retrovue-daemon database map-retrovue ~/retrovue/retrovue.db`
    - `retrovue-daemon database map-retrovue ~/retrovue/retrovue.db --sql | sqlite3 schedule.db`
    - `retrovue-daemon database map-retrovue ~/retrovue/retrovue.db --json`
    """
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.retrovue.id_map import map_ids, statements  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.retrovue.old_rows import read_old_rows  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.retrovue.original import opened  # noqa: PLC0415 -- likewise

    if as_sql and as_json:
        raise typer.BadParameter("cannot be combined with --json", param_hint="--sql")
    with opened(file) as (original, layout):
        old = read_old_rows(original, layout)
    with visits.reading(find_place(config, database).path) as connection:
        rows = map_ids(connection, old)
    if as_sql:
        for line in statements(rows):
            print_line(line)
    elif as_json:
        print_json_parts(
            {"file": str(file.absolute()), "layout": layout, "counts": _counts(rows), "rows": iter(rows)}
        )
    else:
        _print(rows)


def _counts(rows: Sequence[Mapped]) -> dict[str, dict[str, int]]:
    from retrovue_daemon.store.retrovue.id_map import counts  # noqa: PLC0415 -- not for --help

    return {table: dict(number) for table, number in counts(rows).items()}


def _print(rows: Sequence[Mapped]) -> None:
    table = Table("table there", "found by")
    table.add_numbers("rows")
    for name, numbers in _counts(rows).items():
        for by, number in sorted(numbers.items()):
            table.add_row(name, by, f"{number:,}")
    print_table(table)
    left = [row for row in rows if row.item_id is None]
    if not left:
        print_line(f"all {len(rows):,} ids have an item here")
        return
    table = Table("table there", "id there", "title", "reason", "ids here")
    for row in left[:_LISTED]:
        table.add_row(row.old_table, str(row.old_id), row.title, row.reason or "", _some(row.candidates))
    print_table(table)
    more = f"; {len(left) - _LISTED:,} are not listed, --json lists all" if len(left) > _LISTED else ""
    print_line(f"{len(left):,} of {len(rows):,} ids have no item here{more}")


def _some(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:5])) + (", …" if len(ids) > 5 else "")  # noqa: PLR2004 -- enough to look at
