"""What passes brought, or would bring, as tables for people and as JSON for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from retrovue_daemon.cli.output import describe, new_table, print_json, print_table
from retrovue_daemon.errors import PlexError

if TYPE_CHECKING:
    from rich.table import Table

    from retrovue_daemon.preview import Preview
    from retrovue_daemon.worker import ServerReport

_COUNTS = ("listed", "added", "updated", "unchanged", "removed", "restored", "moved", "skipped")

_SHOWN = 20
"""Changes of each sort that a table names; JSON names them all."""


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
    result = new_table("server", "library", "pass", "status")
    for column in (*counted, "seconds"):
        result.add_column(column, justify="right", no_wrap=True)
    if remarks:
        result.add_column("remark", overflow="fold")
    for report in reports:
        if report.error is not None:
            result.add_row(report.server, "", "", "failed", *[""] * (len(counted) + 1), str(report.error))
        for done in report.passes:
            counts = [f"{getattr(done.run.counts, name):,}" for name in counted]
            remark = [done.run.error or ""] if remarks else []
            seconds = f"{done.duration_s:.1f}"
            result.add_row(report.server, done.library, done.run.kind, done.run.status, *counts, seconds, *remark)
    return result


def print_preview(seen: Preview, code: int, *, as_json: bool) -> None:
    """Print what a sync would bring: its counts, the items by name, and what the path mappings would do."""
    reports = list(seen.reports)
    if as_json:
        print_json({"dry_run": True, **_summary(reports, code), **_changes(seen)})
        return
    print_reports(reports, code, as_json=False)
    if seen.changes:
        print_table(_named(seen))
    if seen.paths:
        print(f"the local paths of {seen.paths:,} files would change")
    for server, mapping in seen.unmatched:
        print(
            f"no file of server {server!r} is under {mapping.plex_path!r}, which is mapped to {mapping.local_path!r}"
        )
    print("nothing was written: this was a dry run")


def _changes(seen: Preview) -> dict[str, object]:
    return {
        "changes": [
            {
                "change": change.change,
                "kind": change.kind.value,
                "id": change.id,
                "server": change.server,
                "library": change.library,
                "title": change.title,
            }
            for change in seen.changes
        ],
        "paths": {
            "changed": seen.paths,
            "unmatched_mappings": [
                {
                    "server": server,
                    "plex_path": mapping.plex_path,
                    "local_path": mapping.local_path,
                    "library_name": mapping.library_name,
                    "library_root": mapping.library_root,
                }
                for server, mapping in seen.unmatched
            ],
        },
    }


def _named(seen: Preview) -> Table:
    """Return the changes by name, the first few of each sort and how many more there are."""
    result = new_table("would be", "kind", "server", "library", "item")
    shown: Counter[str] = Counter()
    for change in seen.changes:
        shown[change.change] += 1
        if shown[change.change] <= _SHOWN:
            result.add_row(change.change, change.kind.value, change.server, change.library, change.title)
    for name, number in shown.items():
        if number > _SHOWN:
            result.add_row(name, "", "", "", f"… and {number - _SHOWN:,} more (--json names them all)")
    return result
