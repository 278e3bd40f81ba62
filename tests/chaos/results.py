"""What the trials tried and saw: a result per trial, figures over all of them, and the file in which they add up."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass
class Result:
    """One trial: what was done, how often, what was measured, and which promises did not hold."""

    kind: str
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    """Schedules, kills, copies and the like; ``faults: status`` and so on per kind of fault."""
    most: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def count(self, what: str, number: int = 1) -> None:
        self.done[what] += number

    def measure(self, what: str, value: float) -> None:
        self.most[what] = max(value, self.most.get(what, value))

    def require(self, *broken: str) -> None:
        """Note promises that did not hold."""
        self.broken += broken


@dataclass
class Figures:
    """The sums over trials, per kind of trial."""

    trials: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    most: dict[str, float] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.trials[result.kind] += 1
        self.done.update(result.done)
        for what, value in result.most.items():
            self.most[what] = max(value, self.most.get(what, value))
        if result.broken:
            self.failed[result.kind] += 1
            self.failures.append({"seed": result.seed, "kind": result.kind, "broken": result.broken})

    def merge(self, other: Figures) -> None:
        """Add the figures of earlier runs."""
        self.trials.update(other.trials)
        self.failed.update(other.failed)
        self.done.update(other.done)
        self.failures = other.failures + self.failures
        for what, value in other.most.items():
            self.most[what] = max(value, self.most.get(what, value))

    def as_json(self) -> dict[str, Any]:
        return {
            "trials": dict(sorted(self.trials.items())),
            "failed": dict(sorted(self.failed.items())),
            "done": dict(sorted(self.done.items())),
            "most": {name: round(value, 3) for name, value in sorted(self.most.items())},
            "failures": self.failures,
        }

    @classmethod
    def read(cls, path: Path) -> Figures:
        """Read figures; a file that is not there holds none."""
        if not path.exists():
            return cls()
        saved = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            trials=Counter(saved["trials"]),
            failed=Counter(saved["failed"]),
            done=Counter(saved["done"]),
            most=dict(saved["most"]),
            failures=list(saved["failures"]),
        )

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")

    def lines(self) -> list[str]:
        """Return tables for people."""
        rows = [("trial", "trials", "failed")]
        rows += [(kind, f"{number:,}", f"{self.failed[kind]:,}") for kind, number in sorted(self.trials.items())]
        lines = _table(rows)
        lines += ["", *_table([("done", "times"), *((what, f"{n:,}") for what, n in sorted(self.done.items()))])]
        if self.most:
            lines += [
                "",
                *_table([("measured", "most"), *((what, f"{n:.3f}") for what, n in sorted(self.most.items()))]),
            ]
        for failure in self.failures:
            repeat = f"make chaos SEED={failure['seed']} TRIALS=1 ONLY={failure['kind']}"
            lines += ["", f"failed; repeat it with {repeat}"]
            lines += [f"  {text}" for text in failure["broken"]]
        return lines


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
