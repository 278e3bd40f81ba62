"""``python -m tests.chaos.page``: write the figures of docs/chaos.json into docs/reliability.md (``make docs``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.results import Figures

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[2] / "docs"
FIGURES = DOCS / "chaos.json"
PAGE = DOCS / "reliability.md"
BEGIN = "<!-- begin: written by make docs from chaos.json -->\n"
END = "<!-- end -->\n"


@dataclass(frozen=True, slots=True)
class Row:
    """What one kind of trial stands for; ``done`` says how much of it a run did, ``measured`` what it measured."""

    fault: str
    made: str
    promise: str
    done: Callable[[Figures], str]
    measured: tuple[str, ...] = ()


def _times(figures: Figures, what: str) -> str:
    return f"{figures.done[what]:,} {what}"


def _sum(figures: Figures, prefix: str) -> int:
    return sum(number for what, number in figures.done.items() if what.startswith(prefix))


def _kills(figures: Figures) -> str:
    return f"{_sum(figures, 'kills: ') - figures.done['kills: migration']:,} SIGKILLs"


ROWS = {
    "faults": Row(
        "servers fail at random",
        "one or two servers that fail with random faults of 24 kinds, lie in their listings, stumble once, or pretend"
        " to be other servers, beside a healthy one; their libraries change, also while they are listed; backups are"
        " killed, and now and then the database is deleted or replaced",
        "the daemon lives, nothing that the servers have is marked missing even for a moment, ids of items and files"
        " stay, the next undisturbed sync equals the servers, the healthy server is synced on time, a server that"
        " fails is not pestered and is followed again once it has recovered, and each problem is logged once when it"
        " starts and once when it ends",
        lambda figures: f"{_times(figures, 'schedules')}, {_sum(figures, 'faults: '):,} faults",
        (
            "MiB of memory",
            "s of processor time in one callback",
            "s between two looks at a healthy server",
            "s until a change of a healthy server is in the database",
            "s until a server that has recovered is followed again",
        ),
    ),
    "kills": Row(
        "a command is killed",
        "SIGKILL at an SQL statement, within one, after a commit, at a request, or at any moment, several times in a"
        " row",
        "the database is sound after each, nothing is lost, and the next attempt succeeds",
        _kills,
    ),
    "migrations": Row(
        "an upgrade is killed",
        "SIGKILL while a database of an earlier schema is upgraded",
        "every row survives, and the next start completes the upgrade",
        lambda figures: f"{figures.done['kills: migration']:,} SIGKILLs",
    ),
    "copies": Row(
        "a power cut",
        "copies of the database and its log while a daemon writes, as a power cut leaves them",
        "each copy is sound, and a sync on it ends where an undisturbed one does",
        lambda figures: f"{_times(figures, 'copies')}, {figures.done['passes on a copy']:,} of them synced",
    ),
    "files": Row(
        "disk and file",
        "a full disk; a database that is deleted, replaced or overwritten under the daemon; a log that is deleted",
        "a clear error, and the file that is there now stays as it is",
        lambda figures: f"{_sum(figures, 'files: '):,} faults",
    ),
    "clocks": Row(
        "the clock jumps",
        "the system clock is set by an hour to 20 years, in both directions",
        "nothing is deleted early, and syncs continue",
        lambda figures: _times(figures, "clock jumps"),
    ),
}


def section(figures: Figures) -> str:
    """Return the part of the page that shows the figures."""
    lines = ["| fault | how it is made | promise | seen | trials |", "|---|---|---|---|---|"]
    for kind, row in ROWS.items():
        if figures.trials[kind]:
            cells = (row.fault, row.made, row.promise, _seen(figures, kind, row), row.done(figures))
            lines.append(f"| {' | '.join(cells)} |")
    for title, prefix in (
        ("What servers did in the schedules", "schedules: "),
        ("Commands that were killed", "kills: "),
        ("Faults of servers", "faults: "),
        ("Faults of disk and file", "files: "),
    ):
        counts = sorted(
            (-n, what.removeprefix(prefix)) for what, n in figures.done.items() if what.startswith(prefix)
        )
        lines += ["", f"{title}: {', '.join(f'{what} {-n:,}' for n, what in counts)}."]
    return "\n".join(lines) + "\n"


def _seen(figures: Figures, kind: str, row: Row) -> str:
    failed = figures.failed[kind]
    seen = [f"{failed:,} of {figures.trials[kind]:,} trials broke a promise" if failed else "every promise held"]
    return "; ".join(
        [*seen, *(f"at most {figures.most[what]:.3g} {what}" for what in row.measured if what in figures.most)]
    )


def filled(page: str, figures: Figures) -> str:
    """Return the page with these figures."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + section(figures) + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8"), Figures.read(FIGURES)), "utf-8")
