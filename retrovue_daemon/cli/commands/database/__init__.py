"""``retrovue-daemon database …``: maintain the database file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.commands.database.copying import copying_progress
from retrovue_daemon.cli.commands.database.map_retrovue import map_retrovue
from retrovue_daemon.cli.commands.database.restore import restore_database
from retrovue_daemon.cli.display.output import print_failure, print_json, print_line, print_table, print_warning
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import (
    ConfigOption,
    DatabaseOption,
    DryRunOption,
    JsonOption,
    QuietOption,
    command_group,
)
from retrovue_daemon.cli.place import Place, find_place
from retrovue_daemon.errors import DatabaseMissing, DatabaseUnusable
from retrovue_daemon.service.report import describe
from retrovue_daemon.units import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.file.maintenance import Finding, Sizes
    from retrovue_daemon.store.retrovue.importing import Existing, Import

app = command_group(
    "Check, back up, restore, shrink or measure the database, or import settings from an original Retrovue database.",
    "database check",
    "database backup /backup/retrovue.db",
)


@app.command("check")
def check_database(
    quick: Annotated[
        bool, typer.Option("--quick", help="Skip the comparison of indexes and tables; takes half the time.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the integrity of the database: damage, dangling references, orphaned rows, unreadable texts.

    The check only reads, so the daemon may keep running. Exit code 78 means that a problem was found. The
    command also warns of tables of other programs whose rows are deleted together with rows of the daemon; such a
    warning does not change the exit code.

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
    for finding in findings:
        if finding.name == maintenance.FOREIGN_TABLES and finding.remark:
            print_warning(f"{finding.remark}; keep such tables in a database of their own")
    failed = {finding.name for finding in findings if finding.problems}
    if failed - {maintenance.FREE_IDS, maintenance.TEXTS}:
        print_failure(
            "the database is damaged" if maintenance.INTEGRITY in failed else "some rows contradict each other",
            "stop the daemon and restore a backup with `retrovue-daemon database restore FILE`, or move the file away"
            " and sync again",
        )
    if not sound:
        raise typer.Exit(DatabaseUnusable.exit_code)


@app.command("backup")
def backup_database(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to create; it must not exist.")],
    config: ConfigOption = None,
    database: DatabaseOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the current state of the database to one file, also while the daemon is running.

    FILE appears when the copy is complete. A backup that is killed leaves FILE.partial, which the next backup to the
    same FILE removes.

    Only you can read the copy, since it contains the tokens of servers that the database defines. `database restore`
    restores it.

    Examples:

    - `retrovue-daemon database backup /backup/retrovue-$(date +%F).db`
    - `retrovue-daemon database backup copy.db --database /srv/retrovue.db --json`
    """
    from retrovue_daemon.store.file import maintenance  # noqa: PLC0415 -- not for --help

    path = find_place(config, database).path
    with copying_progress(quiet=quiet, as_json=as_json) as progress:
        number = maintenance.backup(path, file, progress=progress)
    if as_json:
        print_json({"file": str(file.absolute()), "bytes": number})
    else:
        print_line(f"wrote and verified {file}: {size(number)}")


app.command("restore")(restore_database)


@app.command("vacuum")
def vacuum_database(
    config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Rewrite the database file to free the space of deleted rows. Stop the daemon first.

    Until it is done, this needs additional disk space, as much as the database takes up.

    Examples:

    - `retrovue-daemon database stats`, which shows how much space this would free
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
        bool,
        typer.Option("--by-table", help="Also show the bytes of each table with its indexes; reads the whole file."),
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the number of rows per table, and the size of the database on disk.

    Examples:

    - `retrovue-daemon database stats`
    - `retrovue-daemon database stats --by-table --json`
    """
    from retrovue_daemon.store.file import maintenance  # noqa: PLC0415 -- not for --help

    sizes = maintenance.sizes(find_place(config, database).path, by_table=by_table)
    if as_json:
        print_json(_plain_sizes(sizes))
        return
    print(f"file {size(sizes.bytes)}, of which {size(sizes.free_bytes)} free; log {size(sizes.log_bytes)}")
    print_table(_sizes_table(sizes, by_table=by_table))


@app.command("import-retrovue")
def import_retrovue(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", readable=False, help="The database file of the original Retrovue.")
    ],
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import servers, libraries and path mappings from a database of the original Retrovue.

    Schema versions 2 and 3 and releases 1.2.x are supported. FILE is only read, and existing entries of this database
    stay unchanged. Path mappings keep their meaning: those of schema 2 and 3 apply to a whole server, even if the row
    names a library; those of 1.2.x apply to one library. Rows that Retrovue itself ignored are skipped, with the
    reason. Items are not imported; the next sync adds them. Exit code 1 means that an entry was refused.

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


app.command("map-retrovue")(map_retrovue)


def _existing(place: Place) -> Existing:
    """Return the existing settings; none if the database does not exist yet."""
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.retrovue import importing  # noqa: PLC0415 -- not for --help

    try:
        with visits.reading(place.path) as connection:
            return importing.existing(connection)
    except DatabaseMissing:
        return importing.Existing()


# -- output ---------------------------------------------------------------------------------------------------------


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
        print(f"{many}: {counts[what, 'added']} {added}, {left} left unchanged, {refused} refused")
