"""The tables, for a terminal or as Markdown."""

from __future__ import annotations

import os
import platform
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cases import TITLES
from benchmarks.figures import find
from benchmarks.live import share_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.budgets import Budget
    from benchmarks.figures import Figures
    from benchmarks.hooks import HookDelays
    from benchmarks.live import Live
    from benchmarks.postgresql import Publishing

WIDEST = 1000
"""Characters per line, more than any table has: a narrow terminal or file shows the rest on the next line."""

NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the column heads and the lines; the first ``words`` columns contain words, the others numbers."""

    title: str
    heads: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]
    words: int


def measured_table(figures: list[Figures]) -> Table:
    """Return all measurements."""
    heads = (
        "library", "program", "items/s", "of floor", "started", "CPU", "of plexapi", "wall s", "CPU s",
        "first request s", "peak MiB", "requests", "bodies MiB", "written MiB", "rows", "log MiB",
        "block ms (late)",
    )  # fmt: skip
    lines = []
    last = None
    for each in figures:
        seen = each.watched or {}
        block = f"{seen['own_ms']:.0f} ({seen['late_ms']:.0f})" if seen else NOTHING
        lines.append(
            (
                each.case.title if each.case is not last else "",
                TITLES[each.program],
                _number(each.items_a_second),
                _ratio(each.of_floor),
                _ratio(each.started_of_floor),
                _ratio(each.cpu_of_floor),
                _ratio(each.of_plexapi),
                f"{each.wall_s:.2f}",
                f"{each.cpu_s:.2f}",
                NOTHING if each.first_request_s is None else f"{each.first_request_s:.2f}",
                _number(each.peak_mib),
                _number(each.requests),
                f"{each.mib:.1f}",
                f"{each.written_mib:.1f}",
                _number(seen.get("rows")),
                f"{seen['wal_bytes'] / 1024 / 1024:.1f}" if seen else NOTHING,
                block,
            )
        )
        last = each.case
    return Table("What was measured", heads, lines, 2)


def budget_table(budgets: list[Budget]) -> Table:
    """Return the promises, and whether they hold."""
    words = {True: "yes", False: "NO", None: NOTHING}
    lines = [(each.what, each.promised, each.measured, words[each.holds]) for each in budgets]
    return Table("What is promised", ("what", "promised", "measured", "holds"), lines, 4)


KNOWN_IMPORTERS = (
    "importers built into programs that make channels",
    "about 5,000 to 30,000",
    "known, not measured here",
)
"""Requests per pass over such a library: the figures that this project started from."""


def politeness_table(figures: list[Figures]) -> Table | None:
    """Return how many requests a pass over an unchanged library takes, beside other programs; None if not run."""
    lines: list[tuple[str, ...]] = [KNOWN_IMPORTERS]
    for program in ("plexapi", "unchanged", "quick"):
        found = find(figures, "polite", program)
        if found is None:
            return None
        lines.append((TITLES[program], _number(found.requests), "measured"))
    heads = ("500 shows, 2,000 seasons, 20,000 episodes, nothing changed", "requests", "")
    return Table("What it asks of a server", heads, lines, 1)


def live_table(live: Live) -> Table:
    """Return the delays from changes on the server to the rows."""
    heads = ("from a change to its row", "changes", "median s", "95 % s", "worst s")
    lines = [
        (what, _number(len(delays)), *(f"{share_of(delays, share):.2f}" for share in (0.5, 0.95, 1.0)))
        for what, delays in (
            (f"at rest, {live.episodes:,} episodes", live.rest_s),
            (f"the same during full passes ({live.passes})", live.busy_s),
        )
    ]
    return Table("How soon a change arrives", heads, lines, 1)


def flood_table(live: Live) -> Table:
    """Return what the daemon took for that, and for a flood of notifications."""
    heads = ("while", "CPU s", "peak MiB", "block ms (late)")
    lines = [
        (what, cpu, _number(taken.peak_mib), f"{taken.own_ms:.0f} ({taken.late_ms:.0f})")
        for what, cpu, taken in (
            (f"the changes, {live.rest_requests} requests at rest", NOTHING, live.changes),
            (f"{live.frames:,} notifications arrive at once", f"{live.flood_cpu_s:.2f}", live.flood),
        )
    ]
    return Table("What that takes", heads, lines, 1)


def publishing_table(publishing: Publishing) -> Table:
    """Return how fast PostgreSQL is filled, and how soon a change is there."""
    heads = (f"PostgreSQL, {publishing.episodes:,} episodes", "rows or changes", "median s", "95 % s", "worst s")

    def line(what: str, number: int, seconds: list[float]) -> tuple[str, ...]:
        return (what, _number(number), *(f"{share_of(seconds, share):.2f}" for share in (0.5, 0.95, 1.0)))

    lines = [
        line("first fill", publishing.rows, publishing.fill_s),
        line("bare COPY of the same rows", publishing.rows, publishing.bare_s),
        line("commit in SQLite to commit in PostgreSQL, at rest", len(publishing.rest_s), publishing.rest_s),
    ]
    return Table("Publishing to PostgreSQL", heads, lines, 1)


def hook_table(hooks: HookDelays) -> Table:
    """Return how soon a hook is called."""
    heads = ("from a commit to a hook's request, without wait", "changes", "median s", "95 % s", "worst s")
    delays = (f"{share_of(hooks.rest_s, share):.2f}" for share in (0.5, 0.95, 1.0))
    lines = [
        ("one after the other", _number(len(hooks.rest_s)), *delays),
        ("all at once: the last one", _number(hooks.backlog), NOTHING, NOTHING, f"{hooks.backlog_s:.2f}"),
    ]
    return Table("How soon a hook is called", heads, lines, 1)


def machine() -> str:
    """Return a line that describes the machine."""
    model = platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text(encoding="utf-8").splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    return (
        f"{model}, {os.cpu_count()} cores; {platform.system()} {platform.release()};"
        f" Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def as_markdown(table: Table) -> str:
    """Return a table as Markdown."""
    rule = ["---" if number < table.words else "---:" for number in range(len(table.heads))]
    rows: list[Sequence[str]] = [table.heads, rule, *table.lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def show(table: Table) -> None:
    """Print a table at its full width: the measurements took minutes, so nothing is cut off."""
    from rich import box  # noqa: PLC0415 -- what measures must stay small
    from rich.console import Console  # noqa: PLC0415 -- likewise
    from rich.table import Table as RichTable  # noqa: PLC0415 -- likewise

    shown = RichTable(title=table.title, box=box.SIMPLE_HEAD, title_justify="left")
    for number, head in enumerate(table.heads):
        shown.add_column(head, justify="left" if number < table.words else "right")
    for line in table.lines:
        shown.add_row(*line)
    Console(width=WIDEST).print(shown)


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def _ratio(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"
