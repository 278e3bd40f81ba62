"""The selection that a person or a program requests to be synced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.config.values import is_utf8
from retrovue_daemon.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.tables.libraries import StoredLibrary


NO_YEAR: Final = 0
"""Selects the show that has no year."""

_LATEST_YEAR: Final = 9_999
_LONGEST_NAME: Final = 1_000


class Selection(msgspec.Struct, frozen=True):
    """What to sync; None means everything.

    ``show`` is a title and, if that is ambiguous, a year or NO_YEAR. ``full`` requests full listings even if none
    are due. ``accept_removals`` does the same and applies removals that the guard would hold back. ``details`` also
    waits until the details that items want now are read.
    """

    library: str | None = None
    show: tuple[str, int | None] | None = None
    full: bool = False
    accept_removals: bool = False
    details: bool = True

    def wants(self, library: StoredLibrary, former: Sequence[str] = ()) -> bool:
        """Return whether a library is selected by its title, its key or a ``former`` title."""
        if self.show is not None and library.kind != "show":
            return False
        names = {library.name.strip(), library.key, *(name.strip() for name in former)}
        return self.library is None or self.library.strip() in names

    def check(self) -> None:
        """Refuse impossible names and years before a server is contacted. Raises BadInput."""
        if self.library is not None and not is_name(self.library.strip()):
            raise BadInput(
                f"invalid library name {self.library[:60]!r}", hint="give its title or key, or nothing for all"
            )
        if self.show is not None:
            title, year = self.show
            if not is_name(title.strip()):
                raise BadInput(f"invalid show title {title[:60]!r}", hint="give the whole title as Plex shows it")
            check_year(year)


EVERYTHING = Selection()


def is_name(text: str) -> bool:
    """Return whether a text can be a name in Plex."""
    return 0 < len(text) <= _LONGEST_NAME and is_utf8(text)


def check_year(year: object) -> None:
    """Refuse a value that is not a possible year, NO_YEAR or None. Raises BadInput."""
    if year is not None and not (type(year) is int and NO_YEAR <= year <= _LATEST_YEAR):
        raise BadInput(
            f"the year must be a number from 1 to {_LATEST_YEAR}, not {year!r:.60}",
            hint="0 selects shows without a year",
        )


def is_of_year(began: int | None, year: int | None) -> bool:
    """Return whether the year a show ``began``, or None, matches the selected year; None selects any."""
    return year is None or (began or NO_YEAR) == year
