"""The text that describes random faults, as `demo --serve --faults` takes it.

    seed=7,rate=0.1,kinds=status+reset+gzip,paths=/library/*,times=50

Each part is optional: `seed` selects the random numbers (0), `rate` is the share of responses that are spoiled (0.1),
`kinds` names kinds joined by "+" (all), or with a leading "-" all but these; `paths` is an `fnmatch` pattern (*), and
after `times` faults the server is healthy (without end).
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from retrovue_daemon.demo.faults.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

PARTS = ("seed", "rate", "kinds", "paths", "times")
EXAMPLE = "seed=7,rate=0.1,kinds=status+reset"


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """Which responses are spoiled at random, and how."""

    seed: int = 0
    rate: float = 0.1
    kinds: tuple[str, ...] = tuple(KINDS)
    paths: str = "*"
    times: int | None = None

    def __str__(self) -> str:
        """Return the text that `parse_spec` reads."""
        parts = [f"seed={self.seed}", f"rate={self.rate:g}"]
        if self.kinds != tuple(KINDS):
            parts.append(f"kinds={'+'.join(self.kinds)}")
        if self.paths != "*":
            parts.append(f"paths={self.paths}")
        if self.times is not None:
            parts.append(f"times={self.times}")
        return ",".join(parts)


def parse_spec(text: str) -> FaultSpec:
    """Read a specification. Raise ValueError, with a text for the user, if a part is not understood."""
    seed, rate, times = 0, 0.1, None
    kinds, paths = tuple(KINDS), "*"
    for part in text.split(",") if text.strip() else ():
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            raise ValueError(f"{part.strip()!r} has no '='; write for example {EXAMPLE}")
        match name:
            case "seed":
                seed = _number(name, value)
            case "rate":
                rate = _rate(value)
            case "kinds":
                kinds = _kinds(value)
            case "paths":
                paths = value or "*"
            case "times":
                times = _number(name, value, least=1)
            case _:
                raise ValueError(f"unknown part {name!r}{_like(name, PARTS)}; parts are {', '.join(PARTS)}")
    return FaultSpec(seed, rate, kinds, paths, times)


def _number(name: str, text: str, least: int | None = None) -> int:
    try:
        number = int(text)
    except ValueError:
        number = None
    if number is None or (least is not None and number < least):
        wanted = "a whole number" if least is None else f"a whole number from {least}"
        raise ValueError(f"{name} is {text!r}, not {wanted}")
    return number


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:  # also refuses NaN
        raise ValueError(f"rate is {text!r}, not a number from 0 to 1")
    return rate


def _kinds(text: str) -> tuple[str, ...]:
    omitted = text.startswith("-")
    named = [name.strip() for name in text.removeprefix("-").split("+")]
    for name in named:
        if name not in KINDS:
            raise ValueError(f"unknown kind {name!r}{_like(name, KINDS)}; kinds are {', '.join(KINDS)}")
    return tuple(name for name in KINDS if (name in named) is not omitted)


def _like(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
