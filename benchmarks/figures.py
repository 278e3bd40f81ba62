"""Medians and ratios of the measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.cases import Case, Program
    from benchmarks.process import Measured
    from benchmarks.rounds import Outcome


@dataclass(frozen=True, slots=True)
class Figures:
    """One program of one case: medians over the rounds; ratios are medians of the rounds' own ratios.

    ``of_floor`` and ``of_plexapi`` compare whole processes, ``started_of_floor`` the time after the first request,
    ``cpu_of_floor`` the processor time, ``of_first`` and ``started_of_first`` a later pass with the first sync: above
    1 the later pass is faster, below 1 slower. None if there is nothing to compare with.
    """

    case: Case
    program: Program
    wall_s: float
    cpu_s: float
    first_request_s: float | None
    items_a_second: float | None
    of_floor: float | None
    started_of_floor: float | None
    cpu_of_floor: float | None
    of_first: float | None
    started_of_first: float | None
    of_plexapi: float | None
    requests: int
    most_at_once: int
    mib: float
    peak_mib: float
    written_mib: float
    watched: dict[str, Any] | None


def figures_of(outcome: Outcome, program: Program) -> Figures:
    """Return the figures of one program's runs."""
    runs = outcome.runs[program]
    arrivals = [run.first_request_s for run in runs if run.first_request_s is not None]
    wall = _median(runs, lambda run: run.wall_s)
    began: Program = "rich" if outcome.case.details else "first"
    return Figures(
        case=outcome.case,
        program=program,
        wall_s=wall,
        cpu_s=_median(runs, lambda run: run.cpu_s),
        first_request_s=median(arrivals) if arrivals else None,
        # A quick pass lists nothing.
        items_a_second=None if program == "quick" else outcome.listed["items"] / wall,
        of_floor=_ratio(outcome, "floor", program, _whole),
        started_of_floor=_ratio(outcome, "floor", program, _started),
        cpu_of_floor=_ratio(outcome, "floor", program, lambda run: run.cpu_s),
        of_first=_ratio(outcome, began, program, _whole),
        started_of_first=_ratio(outcome, began, program, _started),
        of_plexapi=_ratio(outcome, "plexapi", program, _whole) if program == "first" else None,
        requests=round(_median(runs, lambda run: run.requests)),
        most_at_once=max(run.most_at_once for run in runs),
        mib=_median(runs, lambda run: run.mib),
        peak_mib=max(run.peak_mib for run in runs),
        written_mib=_median(runs, lambda run: run.written_mib),
        watched=outcome.watched.get(program),
    )


def all_figures(outcomes: list[Outcome]) -> list[Figures]:
    """Return the figures of all programs of all cases, in the order of the report."""
    return [figures_of(outcome, program) for outcome in outcomes for program in outcome.case.programs]


def find(figures: list[Figures], case: str, program: Program) -> Figures | None:
    """Return the figures of one program of one case, if it was run."""
    return next((each for each in figures if (each.case.name, each.program) == (case, program)), None)


def exponent(small: Figures, large: Figures) -> float:
    """Return how processor time, without the constant startup, grows: 1 is linear, 2 quadratic."""
    taken = [each.cpu_s - (each.first_request_s or 0.0) for each in (small, large)]
    return math.log(taken[1] / taken[0]) / math.log(large.case.episodes / small.case.episodes)


def _whole(run: Measured) -> float:
    return run.wall_s


def _started(run: Measured) -> float:
    """Seconds from the first request to the end."""
    return run.wall_s - (run.first_request_s or 0.0)


def _median(runs: list[Measured], value: Callable[[Measured], float]) -> float:
    return median(value(run) for run in runs)


def _ratio(outcome: Outcome, than: Program, program: Program, value: Callable[[Measured], float]) -> float | None:
    others = outcome.runs.get(than)
    if not others or program in {"quick", than}:
        return None
    if outcome.case.details and program == "first":
        return None  # It reads no details, unlike the others.
    return median(value(other) / value(run) for other, run in zip(others, outcome.runs[program], strict=True))
