"""What a person or a program asks to be synced, and what comes of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.config.values import is_utf8
from retrovue_daemon.errors import BadInput
from retrovue_daemon.sync.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.errors import DaemonError
    from retrovue_daemon.records import Show
    from retrovue_daemon.store.tables.libraries import LibraryRow
    from retrovue_daemon.sync.discovery import Offer
    from retrovue_daemon.sync.passes.base import PassReport


NO_YEAR: Final = 0
"""The year of a show that has none, where somebody asks for just that one."""

_LATEST_YEAR: Final = 9_999
_LONGEST_NAME: Final = 1_000


class ServerReport(msgspec.Struct, frozen=True):
    """What was brought for one server; ``error`` is set where it could not be used at all.

    ``unknown`` are the entries of ``libraries`` in the configuration that fit none of its libraries; only a sync of
    everything reports them.
    """

    server: str
    error: DaemonError | None = None
    offers: tuple[Offer, ...] = ()
    passes: tuple[PassReport, ...] = ()
    unknown: tuple[str, ...] = ()


class Selection(msgspec.Struct, frozen=True):
    """What is asked for; None means everything.

    ``show`` is a title and, where that is not enough, a year, or NO_YEAR. ``full`` asks for complete listings, also
    where nothing is due; ``accept_removals`` too, and believes what they lack.
    """

    library: str | None = None
    show: tuple[str, int | None] | None = None
    full: bool = False
    accept_removals: bool = False

    def wants(self, library: LibraryRow, former: Sequence[str] = ()) -> bool:
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


class Asked(msgspec.Struct, eq=False):
    """One selection on its way through one server's worker.

    ``shows`` are those that it names, by the id of their library. ``left`` are the ids of the libraries whose passes
    have not begun, None as long as the server was not looked at: a library that is busy is done once more after that.
    """

    server: str
    selection: Selection
    done: asyncio.Future[ServerReport] = msgspec.field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    left: set[int] | None = None
    shows: dict[int, list[Show]] = msgspec.field(default_factory=dict)
    _order: dict[int, int] = msgspec.field(default_factory=dict)
    _running: set[int] = msgspec.field(default_factory=set)
    _offers: tuple[Offer, ...] = ()
    _unknown: tuple[str, ...] = ()
    _passes: list[PassReport] = msgspec.field(default_factory=list)
    _meters: set[int] = msgspec.field(default_factory=set)

    def looked(self, offers: tuple[Offer, ...], libraries: Sequence[int], unknown: tuple[str, ...] = ()) -> None:
        """Learn what the server offers and which libraries it is about, in the order of their report.

        ``unknown`` are the entries of the configuration that fit no library.
        """
        if self.left is None:
            self._offers, self.left = offers, set(libraries)
            self._unknown = unknown if (self.selection.library, self.selection.show) == (None, None) else ()
            self._order = {library_id: position for position, library_id in enumerate(libraries)}
        else:
            self.left &= set(libraries)

    def begin(self, library_id: int, meters: Sequence[int] = ()) -> None:
        """Note that the passes of a library have begun, and by which numbers the progress board shows them."""
        self._running.add(library_id)
        self._meters.update(meters)
        if self.left is not None:
            self.left.discard(library_id)

    def end(self, library_id: int, reports: Sequence[asyncio.Future[PassReport]]) -> None:
        """Note how they ended; the last one's report may still come, where it was cancelled."""
        if library_id not in self._running:
            return  # they are to be done again
        for report in reports:
            if not report.done():
                report.add_done_callback(lambda _: self.end(library_id, reports))
                return
        self._running.remove(library_id)
        self._passes += [report.result() for report in reports]
        self.finish_if_done()

    def again(self) -> None:
        """Have the passes that run done again: another worker goes on with this, and they are about to be stopped."""
        if self.left is not None:
            self.left |= self._running
        self._running.clear()

    def finish_if_done(self) -> None:
        """Report where nothing is left and nothing runs."""
        if not self.left and not self._running and self.left is not None:
            passes = sorted(self._passes, key=lambda done: self._order.get(done.run.library_id, 0))
            self._answer(ServerReport(self.server, None, self._offers, tuple(passes), self._unknown))

    def progress(self, latest: Progress) -> Progress:
        """Return how far this is, of what a board shows of everything: its own libraries and no others."""
        running = tuple(one for one in latest.running if one.number in self._meters)
        total = len(self._order)
        return Progress(total - len(self.left or ()) - len(self._running), total, running)

    def fail(self, error: DaemonError) -> None:
        """Report that the server could not be used."""
        self.left = set()
        self._answer(ServerReport(self.server, error, self._offers, tuple(self._passes)))

    def _answer(self, report: ServerReport) -> None:
        """Give the report, unless nobody waits any more."""
        if not self.done.done():
            self.done.set_result(report)
