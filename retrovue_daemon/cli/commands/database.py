"""``retrovue-daemon database …``: looking after the file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.display.output import print_failure, print_json, print_line, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.display.terminal import terminal
from retrovue_daemon.cli.display.units import size
from retrovue_daemon.cli.options import (
    ConfigOption,
    DatabaseOption,
    DryRunOption,
    JsonOption,
    Place,
    QuietOption,
    command_group,
    find_place,
)
from retrovue_daemon.errors import DatabaseMissing, DatabaseUnusable
from retrovue_daemon.service.report import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.file.maintenance import Finding, Sizes
    from retrovue_daemon.store.retrovue.importing import Existing, Import

app = command_group(
    "The database file: check it, copy it, shrink it, measure it, fill it from a Retrovue database.",
    "database check",
    "database backup /backup/retrovue.db",
)


@app.command("check")
def check_database(
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not compare the indexes with their tables: about half of the time.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check whether the database is whole, every reference leads somewhere, and every row belongs to something.

    It reads only, and may run beside the daemon. Exit code 78 says that something is wrong.

    Examples:

    - `retrovue-daemon database check`
    - `retrovue-daemon database check --quick --json`
    """
    from retrovue_daemon.store.file import maintenance  # noqa: PLC0415 -- not for --help

    path = find_place(config, database).path
    try:
        findings = maintenance.check(path, quick=quick)
    except DatabaseUnusable as error:
        if as_json:
            print_json({"sound": False, "checks": [], "error": describe(error)})
        raise
    sound = not any(finding.problems for finding in findings)
    if as_json:
        print_json({"sound": sound, "checks": [_plain_finding(finding) for finding in findings], "error": None})
    else:
        print_table(_findings_table(findings))
    if any(finding.problems for finding in findings if finding.name == maintenance.INTEGRITY):
        print_failure("the database is damaged", "put a backup in its place, or move it away and sync anew")
    if not sound:
        raise typer.Exit(DatabaseUnusable.exit_code)


@app.command("backup")
def backup_database(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; it must not be there yet.")],
    config: ConfigOption = None,
    database: DatabaseOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the database as it is now into one file, also while the daemon writes to it.

    Only its owner may read the copy, since it holds the tokens of servers that the database defines. To restore it,
    stop the daemon, put it in the place of the database, and remove the database's -wal and -shm files.

    Examples:

    - `retrovue-daemon database backup /backup/retrovue-$(date +%F).db`
    - `retrovue-daemon database backup copy.db --database /srv/retrovue.db --json`
    """
    number = _copy(find_place(config, database).path, file, quiet=quiet, as_json=as_json)
    if as_json:
        print_json({"file": str(file.absolute()), "bytes": number})
    else:
        print_line(f"wrote {file}: {size(number)}, checked")


def _copy(path: Path, file: Path, *, quiet: bool, as_json: bool) -> int:
    """Make the copy; what shows how far it is, is what a sync would show."""
    from retrovue_daemon.cli.display.lines import Pace  # noqa: PLC0415 -- likewise
    from retrovue_daemon.cli.display.progress import write_line  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.clock import Clock  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.file import maintenance  # noqa: PLC0415 -- likewise

    screen = terminal(stderr=True)
    if quiet or (as_json and screen is None):
        return maintenance.backup(path, file)
    if screen is None:
        pace = Pace(Clock())

        def tell(done: int, total: int) -> None:
            if pace.is_due():
                write_line(f"copied {done / max(total, 1):.0%}")

        return maintenance.backup(path, file, progress=tell)
    from rich.progress import Progress  # noqa: PLC0415 -- takes a tenth of a second

    with Progress(console=screen, transient=True) as bar:
        task = bar.add_task("copying", total=None)
        return maintenance.backup(
            path, file, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )


@app.command("vacuum")
def vacuum_database(
    config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Write the database anew, to give back the room that deleted rows left. The daemon must not run.

    It needs as much room again as the database takes, for as long as it works.

    Examples:

    - `retrovue-daemon database stats`, which tells how much that would give back
    - `systemctl stop retrovue-daemon && retrovue-daemon database vacuum; systemctl start retrovue-daemon`
    """
    from retrovue_daemon.store.file import maintenance  # noqa: PLC0415 -- not for --help

    before, after = maintenance.vacuum(find_place(config, database).path)
    if as_json:
        print_json({"bytes_before": before, "bytes_after": after})
    else:
        print(f"{size(before)} before, {size(after)} now")


@app.command("stats")
def measure_database(
    by_table: Annotated[
        bool, typer.Option("--by-table", help="Also the bytes of each table with its indexes; reads the whole file.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how many rows the tables hold, and how much the database takes on the disk.

    Examples:

    - `retrovue-daemon database stats`
    - `retrovue-daemon database stats --by-table --json`
    """
    from retrovue_daemon.store.file import maintenance  # noqa: PLC0415 -- not for --help

    sizes = maintenance.sizes(find_place(config, database).path, by_table=by_table)
    if as_json:
        print_json(_plain_sizes(sizes))
        return
    print(f"{size(sizes.bytes)} in the file, {size(sizes.free_bytes)} of it free; log {size(sizes.log_bytes)}")
    print_table(_sizes_table(sizes, by_table=by_table))


@app.command("import-retrovue")
def import_retrovue(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", readable=False, help="The database of the original Retrovue.")
    ],
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take servers, libraries and path mappings from a database of the original Retrovue.

    Schema versions 2 and 3 can be read, and releases 1.2.x. That file is only read. What is here already is left as
    it is. Mappings mean what they meant there: those of schema 2 and 3 hold for a whole server, also where a row
    names a library, those of 1.2.x for one library; rows that Retrovue itself did not use are left, with the reason.
    The items themselves come with the next sync. Exit code 1 says that something could not be taken.

    Examples:

    - `retrovue-daemon database import-retrovue ~/retrovue/retrovue.db --dry-run`
    - `retrovue-daemon database import-retrovue ~/retrovue/retrovue.db`
    """
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.retrovue import importing, original  # noqa: PLC0415 -- not for --help

    source = original.read(file)
    place = find_place(config, database)
    configured = place.config.servers if place.config else ()
    if dry_run:
        result = importing.plan(_existing(place), source, configured)
    else:
        place.make_if_missing()
        with visits.changing(place.path) as connection:
            result = importing.plan(importing.existing(connection), source, configured)
            importing.carry_out(connection, result, int(time.time()))
    if as_json:
        print_json(_plain_import(result, dry_run=dry_run))
    else:
        _print_import(result, dry_run=dry_run)
    if any(step.outcome == "refused" for step in result.steps):
        raise typer.Exit(1)


def _existing(place: Place) -> Existing:
    """Return what is set up here, also where there is no database yet."""
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.retrovue import importing  # noqa: PLC0415 -- not for --help

    try:
        with visits.reading(place.path) as connection:
            return importing.existing(connection)
    except DatabaseMissing:
        return importing.Existing()


# -- how it is told -------------------------------------------------------------------------------------------------


def _plain_finding(finding: Finding) -> dict[str, object]:
    return {
        "name": finding.name,
        "ok": not finding.problems,
        "problems": list(finding.problems),
        "remark": finding.remark,
    }


def _findings_table(findings: Sequence[Finding]) -> Table:
    table = Table("check", "result")
    for finding in findings:
        table.add_row(finding.name, finding.problems or finding.remark or "ok")
    return table


def _plain_sizes(sizes: Sizes) -> dict[str, object]:
    return {
        "bytes": sizes.bytes,
        "wal_bytes": sizes.log_bytes,
        "free_bytes": sizes.free_bytes,
        "page_size": sizes.page_size,
        "tables": [{"name": table.name, "rows": table.rows, "bytes": table.bytes} for table in sizes.tables],
    }


def _sizes_table(sizes: Sizes, *, by_table: bool) -> Table:
    table = Table("table")
    for column in ("rows", "with indexes")[: 2 if by_table else 1]:
        table.add_numbers(column)
    for entry in sizes.tables:
        taken = "" if entry.bytes is None else size(entry.bytes)
        table.add_row(entry.name, f"{entry.rows:,}", *([taken] if by_table else []))
    return table


def _plain_import(result: Import, *, dry_run: bool) -> dict[str, object]:
    counts: dict[str, dict[str, int]] = {}
    for (what, outcome), number in result.counts().items():
        counts.setdefault(what, {})[outcome] = number
    steps = [
        {"what": step.what, "name": step.name, "outcome": step.outcome, "reason": step.reason}
        for step in result.steps
    ]
    return {"dry_run": dry_run, "counts": counts, "steps": steps}


def _print_import(result: Import, *, dry_run: bool) -> None:
    table = Table("what", "name", "outcome", "reason")
    for step in result.steps:
        table.add_row(step.what, step.name, step.outcome, step.reason)
    if result.steps:
        print_table(table)
    counts = result.counts()
    added = "would be added" if dry_run else "added"
    for what, many in (("server", "servers"), ("library", "libraries"), ("mapping", "mappings")):
        left, refused = counts[what, "left"], counts[what, "refused"]
        print(f"{many}: {counts[what, 'added']} {added}, {left} left as they are, {refused} refused")
