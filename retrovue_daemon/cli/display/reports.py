"""The results of syncs and dry runs, as tables, plain lines or JSON."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from retrovue_daemon.cli.display.output import print_json, print_json_parts, print_line, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.display.terminal import terminal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrovue_daemon.service.dry_run import DryRun
    from retrovue_daemon.store.items.differences import Difference

_COUNTS = ("listed", "added", "updated", "unchanged", "removed", "restored", "moved", "skipped")

_SHOWN = 20
"""The maximum changes of each kind in a table; JSON lists all."""


def print_summary(results: dict[str, Any], *, as_json: bool) -> None:
    """Print the results of a sync (``report.summary``): as a table on a terminal, else as one line per library."""
    if as_json:
        print_json(results)
    elif terminal() is not None:
        print_counts(results)
    else:
        for server in results["servers"]:
            if server["error"]:
                print_line(f"{server['server']}: failed: {server['error']['message']}")
            for done in server["libraries"]:
                print_line(f"{server['server']} / {done['library']}: {_in_words(done)}")


def print_counts(results: dict[str, Any]) -> None:
    """Print the results of a sync as a table, with or without a terminal."""
    if any(server["error"] or server["libraries"] for server in results["servers"]):
        print_table(_table(results["servers"]))


def _in_words(done: dict[str, Any]) -> str:
    """Return the result of a pass as text, with the number of listed items and the other counts that are not 0."""
    counts = [f"{done[name]:,} {name}" for name in _COUNTS if name == "listed" or done[name]]
    result = f"{done['kind']} pass {done['status']} in {done['duration_s']:.1f} s: {', '.join(counts)}"
    return f"{result}; {done['error']}" if done["error"] else result


def _table(servers: list[dict[str, Any]]) -> Table:
    """Return the counts as a table, without columns that contain only zeros, so that it fits a terminal."""
    passes = [done for server in servers for done in server["libraries"]]
    counted = [name for name in _COUNTS if name == "listed" or any(done[name] for done in passes)]
    remarks = any(server["error"] for server in servers) or any(done["error"] for done in passes)
    drop_first = ("seconds", "unchanged", "pass", *reversed(_COUNTS))
    result = Table("server", "library", "pass", "status", drop_first=drop_first)
    for column in (*counted, "seconds"):
        result.add_numbers(column)
    if remarks:
        result.add_column("remark")
    for server in servers:
        if server["error"]:
            message = server["error"]["message"]
            result.add_row(server["server"], "", "", "failed", *[""] * (len(counted) + 1), message)
        for done in server["libraries"]:
            counts = [f"{done[name]:,}" for name in counted]
            remark = [done["error"] or ""] if remarks else []
            seconds = f"{done['duration_s']:.1f}"
            result.add_row(server["server"], done["library"], done["kind"], done["status"], *counts, seconds, *remark)
    return result


def print_dry_run(result: DryRun, results: dict[str, Any], *, as_json: bool) -> None:
    """Print what a sync would change: the counts, the items, and the effects of path mappings."""
    if as_json:
        print_json_parts({"dry_run": True, **results, **_changes(result)})
        return
    print_summary(results, as_json=False)
    table = _named(chain(result.changes(), (item for item, _ in result.held_back())))
    if table is not None:
        print_table(table)
    if result.paths:
        print(f"the local paths of {result.paths:,} files would change")
    for server, mapping in result.unmatched:
        print(
            f"no file of server {server!r} is under {mapping.plex_path!r}, which is mapped to {mapping.local_path!r}"
        )
    print("nothing was written: this was a dry run")


def _changes(result: DryRun) -> dict[str, object]:
    return {
        "changes": ({"change": change.change, **_item(change)} for change in result.changes()),
        "held_back": ({**_item(item), "reason": reason} for item, reason in result.held_back()),
        "paths": {
            "changed": result.paths,
            "unmatched_mappings": [
                {
                    "server": server,
                    "plex_path": mapping.plex_path,
                    "local_path": mapping.local_path,
                    "library_name": mapping.library_name,
                    "library_root": mapping.library_root,
                }
                for server, mapping in result.unmatched
            ],
        },
    }


def _item(change: Difference) -> dict[str, object]:
    return {
        "kind": change.kind.value,
        "id": change.id,
        "server": change.server,
        "library": change.library,
        "title": change.title,
    }


def _named(changes: Iterable[Difference]) -> Table | None:
    """Return a table of the changed items: the first few of each kind of change, and how many more there are.

    None if nothing would change.
    """
    table = Table("would be", "kind", "server", "library", "item", drop_first=("kind",))
    shown: Counter[str] = Counter()
    for change in changes:
        shown[change.change] += 1
        if shown[change.change] <= _SHOWN:
            table.add_row(change.change, change.kind.value, change.server, change.library, change.title)
    for name, number in shown.items():
        if number > _SHOWN:
            table.add_row(name, "", "", "", f"… and {number - _SHOWN:,} more (--json lists all)")
    return table if shown else None
