"""What is wrong, as lines of text."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING

from retrovue_daemon.units import ago, lasting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrovue_daemon.service.status import Finding
    from retrovue_daemon.store.tables.problems import Problem


def finding_lines(findings: Iterable[Finding]) -> list[str]:
    """Return each finding as a line with its time, followed by one with the hint; neighbours share an equal hint."""
    lines: list[str] = []
    for hint, sharing in groupby(findings, key=lambda finding: finding.problem.hint):
        for finding in sharing:
            label = "held back" if finding.is_held_back else "problem"
            times = _times(finding.problem)
            lines.append(f"{label}: {finding.place}: {finding.problem.message}{f' ({times})' if times else ''}")
        if hint:
            lines.append(f"hint: {hint}")
    return lines


def _times(problem: Problem) -> str:
    parts = []
    if problem.since is not None:
        parts.append(f"since {lasting(max(0.0, time.time() - problem.since))}")
    if problem.next_try_at is not None:
        parts.append(f"next try {ago(max(problem.next_try_at, time.time()))}")
    return ", ".join(parts)
