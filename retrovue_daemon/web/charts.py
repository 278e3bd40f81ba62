"""The last passes of a library as a small chart: the sizes of its bars, and the same in words."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.units import moment, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.overview import PassRecord

MOST_BARS: Final = 30
HEIGHT: Final = 24
WIDTH: Final = 4
"""Of a bar with the gap beside it; a chart is always as wide as one of all bars."""

_LOWEST: Final = 3
_CLASSES: Final = {"ok": "good", "failed": "bad", "blocked": "warn", "incomplete": "warn"}


class Bar(msgspec.Struct, frozen=True):
    """One pass. ``kind`` is the class of its color, ``text`` what happened."""

    x: int
    y: int
    height: int
    kind: str
    text: str


class Chart(msgspec.Struct, frozen=True):
    """The bars, the newest one on the right, and what they show in words."""

    bars: tuple[Bar, ...]
    text: str
    width: int = MOST_BARS * WIDTH
    height: int = HEIGHT


def chart_of(passes: Sequence[PassRecord]) -> Chart:
    """Return the chart of these passes, oldest first. Heights grow with the logarithm of the number of changes."""
    changes = [max(0, done.changes) for done in passes]
    longest = math.log1p(max(changes, default=0)) or 1.0
    bars = []
    for position, (done, number) in enumerate(zip(passes, changes, strict=True)):
        height = _LOWEST + round((HEIGHT - _LOWEST) * math.log1p(number) / longest)
        x = (MOST_BARS - len(passes) + position) * WIDTH
        bars.append(Bar(x, HEIGHT - height, height, _CLASSES.get(done.status, "off"), _text(done, number)))
    return Chart(tuple(bars), _summary(passes))


def _text(done: PassRecord, changes: int) -> str:
    ending = f": {done.error}" if done.error else f", {plural(changes, 'change')}"
    return f"{moment(done.started_at)}: {done.kind} pass {done.status}{ending}"


def _summary(passes: Sequence[PassRecord]) -> str:
    endings = Counter(done.status for done in passes)
    return f"{plural(len(passes), 'pass', 'passes')}: " + ", ".join(
        f"{number:,} {status}" for status, number in endings.most_common()
    )
