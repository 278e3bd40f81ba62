"""What a person or a program asks to be synced, and what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.config.values import is_utf8
from retrovue_daemon.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.tables.libraries import StoredLibrary


NO_YEAR: Final = 0
"""The year of a show that has none, where somebody asks for just that one."""

_LATEST_YEAR: Final = 9_999
_LONGEST_NAME: Final = 1_000


class Selection(msgspec.Struct, frozen=True):
    """What is asked for; None means everything.

    ``show`` is a title and, where that is not enough, a year, or NO_YEAR. ``full`` asks for complete listings, also
    where nothing is due; ``accept_removals`` too, and believes what they lack.
    """

    library: str | None = None
    show: tuple[str, int | None] | None = None
    full: bool = False
    accept_removals: bool = False

    def wants(self, library: StoredLibrary, former: Sequence[str] = ()) -> bool:
        """Return whether a library is asked for, by its title, its key, or a ``former`` title."""
        if self.show is not None and library.kind != "show":
            return False
        names = {library.name.strip(), library.key, *(name.strip() for name in former)}
        return self.library is None or self.library.strip() in names

    def check(self) -> None:
        """Refuse what nothing can be, before anybody is asked for it. Raises BadInput."""
        if self.library is not None and not is_name(self.library.strip()):
            raise BadInput(
                f"no library can be called {self.library[:60]!r}", hint="give its title or key, or nothing for all"
            )
        if self.show is not None:
            title, year = self.show
            if not is_name(title.strip()):
                raise BadInput(f"no show can be called {title[:60]!r}", hint="give its whole title as Plex shows it")
            check_year(year)


EVERYTHING = Selection()


def is_name(text: str) -> bool:
    """Tell whether something at Plex can be called so."""
    return 0 < len(text) <= _LONGEST_NAME and is_utf8(text)


def check_year(year: object) -> None:
    """Refuse what is no year that a show can have begun in, nor NO_YEAR or None. Raises BadInput."""
    if year is not None and not (type(year) is int and NO_YEAR <= year <= _LATEST_YEAR):
        raise BadInput(
            f"the year must be a number from 1 to {_LATEST_YEAR}, not {year!r:.60}", hint="0 means without a year"
        )


def is_of_year(began: int | None, year: int | None) -> bool:
    """Tell whether a show that ``began`` then, or has no year, is of the year that is asked for; None is any."""
    return year is None or (began or NO_YEAR) == year
