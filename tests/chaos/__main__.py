"""``python -m tests.chaos``: play random faults, kills and copies against real processes until the time is up.

Each trial is drawn from one number. A run plays SEED, SEED + 1, and so on; a failed trial is repeated alone with its
own seed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import structlog

from tests.chaos.results import Figures, Result
from tests.chaos.trials import TRIALS, drawn

if TYPE_CHECKING:
    from collections.abc import Iterator

TRIAL_S = 180.0
"""Seconds after which a trial counts as hung."""


def main() -> int:
    """Run the trials and print what they saw; return 1 if a promise did not hold."""
    arguments = _arguments()
    seed = random.SystemRandom().randrange(10**9) if arguments.seed is None else arguments.seed
    if not arguments.json:
        print(f"seed {seed}, {arguments.seconds:.0f} s", flush=True)
    silence()
    figures = asyncio.run(_run(arguments, seed))
    if arguments.json:
        print(json.dumps({"seed": seed, **figures.as_json()}))
    else:
        print("\n".join(figures.lines()))
    return 1 if figures.failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="begin no trial after so many seconds (60)")
    parser.add_argument("--seed", type=int, help="the seed of the first trial; drawn and printed without it")
    parser.add_argument("--trials", type=int, help="play so many trials at most")
    parser.add_argument("--jobs", type=int, default=1, help="so many trials at once (1)")
    parser.add_argument("--only", choices=sorted(TRIALS), help="only trials of this kind")
    parser.add_argument("--until-failure", action="store_true", help="begin no trial after one that failed")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--figures", type=Path, metavar="FILE", help="add the figures to those in this JSON file")
    return parser.parse_args()


def silence() -> None:
    """Log nothing in this process: what counts are the logs of the daemons."""
    logging.disable(logging.CRITICAL)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[_drop])


def _drop(_logger: object, _method: str, _line: object) -> NoReturn:
    raise structlog.DropEvent


async def _run(arguments: argparse.Namespace, seed: int) -> Figures:
    figures, until = Figures(), time.monotonic() + arguments.seconds
    earlier = Figures() if arguments.figures is None else Figures.read(arguments.figures)
    seeds = iter(range(seed, seed + (arguments.trials or 10**9)))

    async def work() -> None:
        for number in _until(seeds, until):
            result = await play(number, arguments.only)
            figures.add(result)
            if arguments.figures is not None:  # at once: a run may be stopped
                earlier.add(result)
                earlier.write(arguments.figures)
            if not arguments.json:
                _say(result)
            if arguments.until_failure and figures.failures:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(arguments.jobs):
            group.create_task(work())
    return figures


def _until(seeds: Iterator[int], until: float) -> Iterator[int]:
    for number in seeds:
        yield number
        if time.monotonic() >= until:
            return


async def play(seed: int, only: str | None = None) -> Result:
    """Play one trial in a directory of its own. An error in it is a failure of the trial, with its traceback."""
    kind = only or drawn(seed)
    with tempfile.TemporaryDirectory(prefix="retrovue-chaos-", ignore_cleanup_errors=True) as name:
        try:
            async with asyncio.timeout(TRIAL_S):
                return await TRIALS[kind](seed, Path(name))
        except Exception:  # noqa: BLE001 -- the run goes on
            return Result(kind, seed, broken=[traceback.format_exc(limit=-6)])


def _say(result: Result) -> None:
    done = ", ".join(f"{n} {what}" for what, n in sorted(result.done.items()) if not what.startswith("faults: "))
    print(f"{result.seed} {result.kind}: {'FAILED' if result.broken else 'ok'} ({done})", flush=True)
    for text in result.broken:
        print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
