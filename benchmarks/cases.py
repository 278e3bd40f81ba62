"""The libraries, and the programs that run on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Program: TypeAlias = Literal[
    "fetch", "decode", "floor", "first", "unchanged", "quick", "changed", "rewritten", "rich", "plexapi"
]

TITLES: Final[dict[Program, str]] = {
    "fetch": "floor: fetch",
    "decode": "floor: fetch, decode",
    "floor": "floor: fetch, decode, insert",
    "first": "first sync",
    "unchanged": "full pass, nothing changed",
    "changed": "full pass, 1 % changed",
    "rewritten": "full pass, everything changed",
    "quick": "quick pass, nothing changed",
    "rich": "first sync, with details",
    "plexapi": "python-plexapi script",
}

FLOOR: Final[tuple[Program, ...]] = ("fetch", "decode", "floor")
RICH: Final[tuple[Program, ...]] = ("first", "rich", "unchanged")
DAEMON: Final[tuple[Program, ...]] = ("first", "unchanged", "quick", "changed", "rewritten")
PLEXAPI: Final[tuple[Program, ...]] = ("plexapi",)


@dataclass(frozen=True, slots=True)
class Case:
    """Servers of one kind, and the programs that run on them, in groups whose order changes from round to round.

    ``episodes`` counts those of all ``servers``, ``a_show`` those of each show, ``season`` is the maximum per season;
    ``libraries`` counts those of each server. ``latency`` is in seconds, ``bandwidth`` in bytes per second.
    ``compressed`` says that programs request compressed bodies, ``details`` that all but ``first`` read details,
    ``watched`` that the event loop is watched and rows are counted, in a separate round.
    """

    name: str
    title: str
    episodes: int
    groups: tuple[tuple[Program, ...], ...]
    rounds: int = 5
    servers: int = 1
    libraries: int = 1
    a_show: int = 100
    season: int = 22
    latency: float = 0.0
    bandwidth: float | None = None
    xml: bool = False
    compressed: bool = False
    details: bool = False
    watched: bool = False
    only_full: bool = False

    @property
    def programs(self) -> tuple[Program, ...]:
        """All programs, in the order of the report."""
        return tuple(program for group in self.groups for program in group)


SMALL: Final = 20_000
NARROW: Final = 5_000_000.0
"""Bytes per second: a common upload rate, for a mirror of a friend's server."""

_VARIANT: Final[tuple[tuple[Program, ...], ...]] = (("floor",), ("first", "unchanged", "quick"))

CASES: Final = (
    Case("20k", "20,000 episodes", SMALL, (FLOOR, DAEMON), rounds=9, watched=True),
    Case("200k", "200,000 episodes", 200_000, (FLOOR, DAEMON), rounds=3, watched=True),
    Case("500k", "500,000 episodes", 500_000, (("floor",), ("first", "unchanged")), rounds=3, only_full=True),
    Case("1m", "1,000,000 episodes", 1_000_000, (FLOOR, DAEMON), rounds=2, watched=True, only_full=True),
    # The simulated server takes five times as long for a page of XML, and the floor reads JSON: no ratio is possible.
    Case("xml", "20,000, XML", SMALL, (("first", "unchanged"),), rounds=3, xml=True, watched=True),
    Case("gzip", "20,000, compressed", SMALL, _VARIANT, rounds=3, compressed=True),
    Case("narrow", "20,000 over 40 Mbit/s", SMALL, _VARIANT, rounds=1, bandwidth=NARROW),
    Case(
        "narrow-gzip", "20,000 over 40 Mbit/s, compressed", SMALL, _VARIANT, rounds=1, bandwidth=NARROW,
        compressed=True,
    ),
    Case("5ms", "20,000, 5 ms a request", SMALL, _VARIANT, rounds=3, latency=0.005),
    Case("50ms", "20,000, 50 ms a request", SMALL, _VARIANT, rounds=3, latency=0.05),
    Case("8-libraries", "20,000 in 8 libraries", SMALL, _VARIANT, rounds=3, libraries=8, watched=True),
    Case("5-servers", "20,000 on 5 servers", SMALL, _VARIANT, rounds=3, servers=5, watched=True),
    Case(
        "50-servers", "40,000 on 50 servers of 8 libraries", 40_000, _VARIANT, rounds=3, servers=50, libraries=8,
        watched=True,
    ),
    Case(
        "polite", "500 shows, 2,000 seasons, 20,000 episodes", SMALL, (("first", "unchanged", "quick"), PLEXAPI),
        rounds=3, a_show=40, season=13,
    ),
    Case(
        "rich", "500 shows, 20,000 episodes, with details", SMALL, (("floor",), RICH), rounds=3, a_show=40, season=13,
        details=True, watched=True,
    ),
)  # fmt: skip
"""``polite`` and ``rich`` have seasons of 13 episodes, for which the request counts of other importers are known."""


def chosen(names: list[str], *, full: bool) -> list[Case]:
    """Return the cases with these names; without names, all except the largest."""
    if names:
        return [case for case in CASES if case.name in names]
    return [case for case in CASES if full or not case.only_full]
