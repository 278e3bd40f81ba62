"""Errors in the choice of a server, a library or a show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrovue_daemon.errors.base import DaemonError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence


class UnknownServer(DaemonError):
    """No active server is called ``name``; ``known`` are those that there are."""

    exit_code = 2

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name, tuple(known), hint=nearest(name, known))
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        return f"no active server is called {self.name!r}"


class UnknownLibrary(DaemonError):
    """No library to sync is called ``name``; ``known`` are the titles of those that there are.

    ``reason`` completes "it is there, but …" where one of that name is not for syncing.
    """

    exit_code = 2

    def __init__(self, name: str, known: Sequence[str], reason: str | None = None) -> None:
        hint = nearest(name, known) if reason is None else f"it is there, but {reason}"
        super().__init__(name, tuple(known), reason, hint=hint)
        self.name = name
        self.known = tuple(known)
        self.reason = reason

    def __str__(self) -> str:
        return f"no library to sync is called {self.name!r}"


class UnknownShow(DaemonError):
    """No library to sync has a show called ``title``, or none of that ``year``, where 0 means without one."""

    exit_code = 2
    hint = "give the whole title as Plex shows it; upper and lower case are the same"

    def __init__(self, title: str, year: int | None) -> None:
        super().__init__(title, year)
        self.title = title
        self.year = year

    def __str__(self) -> str:
        return f"no show is called {self.title!r}" + ("" if self.year is None else _began(self.year or None))


@dataclass(frozen=True, slots=True)
class NamedShow:
    """A show among others of its title: the title as Plex has it, the year, None where it has none, the library."""

    title: str
    year: int | None
    library: str

    def __str__(self) -> str:
        return f"{self.title!r}{_began(self.year)} in library {self.library!r}"


class AmbiguousShow(DaemonError):
    """Several shows are called ``title``: ``shows``. ``years`` are those in which they began, None for no year."""

    exit_code = 2
    hint = "say in which year it began; 0 means the one without a year"

    def __init__(self, title: str, shows: Sequence[NamedShow]) -> None:
        super().__init__(title, tuple(shows))
        self.title = title
        self.shows = tuple(shows)
        self.years = tuple(dict.fromkeys(show.year for show in shows))

    def __str__(self) -> str:
        return f"several shows are called {self.title!r}: {', '.join(map(str, self.shows))}"


def _began(year: int | None) -> str:
    return " without a year" if year is None else f" ({year})"
