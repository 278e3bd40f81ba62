"""``python -m benchmarks``: run the cases, then print the tables."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.budgets import judge
from benchmarks.cases import CASES, chosen
from benchmarks.feed import NAME as FEED
from benchmarks.feed import measure_feed
from benchmarks.figures import all_figures
from benchmarks.hooks import NAME as HOOKS
from benchmarks.hooks import measure_hooks
from benchmarks.live import NAME, measure_live
from benchmarks.postgresql import NAME as POSTGRESQL
from benchmarks.postgresql import measure_postgresql
from benchmarks.process import ProgramFailed, compile_all, measure
from benchmarks.rounds import run_case

if TYPE_CHECKING:
    from benchmarks.budgets import Budget
    from benchmarks.feed import FeedCost
    from benchmarks.figures import Figures
    from benchmarks.hooks import HookDelays
    from benchmarks.live import Live
    from benchmarks.postgresql import Publishing

HELP_ROUNDS = 5
BEGAN = time.monotonic()


def main() -> None:
    """Run the selected cases and print the results. People judge whether a budget holds: machines are noisy."""
    arguments = _arguments()
    names = [name for name in arguments.only if name not in {NAME, FEED, HOOKS, POSTGRESQL}]
    cases = chosen(names, full=arguments.full) if names or not arguments.only else []
    compile_all()
    outcomes = [run_case(case, arguments.rounds or case.rounds, _say) for case in cases]
    figures = all_figures(outcomes)
    live = measure_live(_say) if not arguments.only or NAME in arguments.only else None
    hooks = measure_hooks(_say) if not arguments.only or HOOKS in arguments.only else None
    publishing = measure_postgresql(_say) if not arguments.only or POSTGRESQL in arguments.only else None
    feed = measure_feed(_say) if not arguments.only or FEED in arguments.only else None
    help_s = median(_help_s() for _ in range(HELP_ROUNDS))
    budgets = judge(figures, help_s, live, hooks, publishing, feed)
    results = _results(figures, live, hooks, publishing, feed, budgets, help_s)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    _print(figures, live, hooks, publishing, budgets, markdown=arguments.markdown)
    if arguments.plot is not None:
        _plot(results, arguments.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="also the largest libraries: a quarter of an hour in all")
    parser.add_argument("--rounds", type=_number, help="so many rounds of each case, instead of one to nine")
    names = [*(case.name for case in CASES), NAME, FEED, HOOKS, POSTGRESQL]
    parser.add_argument("--only", nargs="+", default=[], choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all figures here")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw how time and memory grow")
    arguments = parser.parse_args()
    # Before minutes are spent on results that could not be saved.
    for kept in filter(None, (arguments.json, arguments.plot)):
        if kept.is_dir() or not os.access(kept if kept.exists() else kept.parent, os.W_OK):
            parser.error(f"{kept} cannot be written: name a file in a directory that is there, and yours")
    if arguments.plot is not None and find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: `make bench` installs it, `pip install '.[bench]'` does")
    if arguments.plot is not None and arguments.only and not {"20k", "200k"} & set(arguments.only):
        parser.error("--plot draws how time grows with the library: --only has to name 20k or 200k")
    return arguments


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rounds: 1 at least")
    return int(text)


def _help_s() -> float:
    return measure([sys.executable, "-m", "retrovue_daemon", "--help"]).wall_s


def _results(
    figures: list[Figures],
    live: Live | None,
    hooks: HookDelays | None,
    publishing: Publishing | None,
    feed: FeedCost | None,
    budgets: list[Budget],
    help_s: float,
) -> dict[str, object]:
    return {
        "machine": report.machine(),
        "help_s": help_s,
        "figures": [
            {"case": each.case.name, "episodes": each.case.episodes}
            | {name: value for name, value in dataclasses.asdict(each).items() if name != "case"}
            for each in figures
        ],
        "live": None if live is None else dataclasses.asdict(live),
        "hooks": None if hooks is None else dataclasses.asdict(hooks),
        "postgresql": None if publishing is None else dataclasses.asdict(publishing),
        "feed": None if feed is None else dataclasses.asdict(feed),
        "budgets": [dataclasses.asdict(budget) for budget in budgets],
    }


def _print(
    figures: list[Figures],
    live: Live | None,
    hooks: HookDelays | None,
    publishing: Publishing | None,
    budgets: list[Budget],
    *,
    markdown: bool,
) -> None:
    tables = [
        report.measured_table(figures) if figures else None,
        None if live is None else report.live_table(live),
        None if live is None else report.flood_table(live),
        None if hooks is None else report.hook_table(hooks),
        None if publishing is None else report.publishing_table(publishing),
        report.budget_table(budgets),
        report.politeness_table(figures),
    ]
    print(report.machine())
    for table in tables:
        if table is None:
            continue
        if markdown:
            print(f"\n{report.as_markdown(table)}")
        else:
            report.show(table)


def _plot(results: dict[str, object], picture: Path) -> None:
    # In a process of its own: this one must stay small, and matplotlib may not be installed.
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as kept:
        json.dump(results, kept)
        kept.flush()
        subprocess.run([sys.executable, "-m", "benchmarks.growth", kept.name, str(picture)], check=True)


def _say(line: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.0f} s  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    # End running programs and leave nothing behind, as Ctrl-C does; SIGHUP arrives when a terminal is closed.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    try:
        main()
    except ProgramFailed as failure:
        sys.exit(f"{failure}")
    except KeyboardInterrupt:
        sys.exit(130)
