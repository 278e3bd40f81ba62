"""The kinds of trials, and how often each is drawn."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.chaos.trials import clocks, copies, faults, files, kills, migrations

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.chaos.results import Result

TRIALS: dict[str, Callable[[int, Path], Awaitable[Result]]] = {
    "faults": faults.trial,
    "kills": kills.trial,
    "migrations": migrations.trial,
    "copies": copies.trial,
    "files": files.trial,
    "clocks": clocks.trial,
}
WEIGHTS = {"faults": 10, "kills": 8, "migrations": 2, "copies": 6, "files": 2, "clocks": 1}


def drawn(seed: int) -> str:
    """Return the kind of trial that belongs to a seed."""
    return random.Random(f"kind {seed}").choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
