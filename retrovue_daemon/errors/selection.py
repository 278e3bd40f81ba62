"""Errors when a server, library or show is selected by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrovue_daemon.errors.base import DaemonError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence


class UnknownServer(DaemonError):
    """No active server is named ``name``; ``known`` are the names of all active servers."""

    exit_code = 2

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name, tuple(known), hint=nearest(name, known))
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        return f"no active server is named {self.name!r}"


class UnknownLibrary(DaemonError):
    """No synced library is named ``name``; ``known`` are the titles of all synced libraries.

    If a library of that name exists but is not synced, ``reason`` completes "the library exists, but …".
    """

    exit_code = 2

    def __init__(self, name: str, known: Sequence[str], reason: str | None = None) -> None:
        hint = nearest(name, known) if reason is None else f"the library exists, but {reason}"
        super().__init__(name, tuple(known), reason, hint=hint)
        self.name = name
        self.known = tuple(known)
        self.reason = reason

    def __str__(self) -> str:
        return f"no synced library is named {self.name!r}"


class UnknownShow(DaemonError):
    """No synced library has a show named ``title`` from ``year``; 0 means a show without a year, None any show."""

    exit_code = 2
    hint = "give the full title as Plex shows it; case is ignored"

    def __init__(self, title: str, year: int | None) -> None:
        super().__init__(title, year)
        self.title = title
        self.year = year

    def __str__(self) -> str:
        return f"no show is named {self.title!r}" + ("" if self.year is None else _with_year(self.year or None))


@dataclass(frozen=True, slots=True)
class NamedShow:
    """One of several shows with the same title: its title in Plex, its year (None if unknown), and its library."""

    title: str
    year: int | None
    library: str

    def __str__(self) -> str:
        return f"{self.title!r}{_with_year(self.year)} in library {self.library!r}"


class AmbiguousShow(DaemonError):
    """Several ``shows`` are named ``title``. ``years`` are their first years, None for a show without a year."""

    exit_code = 2
    hint = "give the year in which the show began; 0 selects the one without a year"

    def __init__(self, title: str, shows: Sequence[NamedShow]) -> None:
        super().__init__(title, tuple(shows))
        self.title = title
        self.shows = tuple(shows)
        self.years = tuple(dict.fromkeys(show.year for show in shows))

    def __str__(self) -> str:
        return f"several shows are named {self.title!r}: {', '.join(map(str, self.shows))}"


def selects_nothing(entry: str, server: str) -> str:
    """Return what is wrong with an entry of ``libraries`` in the configuration that matches no library."""
    return f"{entry!r} in libraries of server {server!r} selects none of its libraries"


def _with_year(year: int | None) -> str:
    return " without a year" if year is None else f" ({year})"
