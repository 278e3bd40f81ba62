"""What a person or a program asks to be synced, and what comes of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.errors import DaemonError
    from retrovue_daemon.records import Show
    from retrovue_daemon.store.libraries import LibraryRow
    from retrovue_daemon.sync.passes import PassReport


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What was brought for one server; ``error`` is set where it could not be used at all."""

    server: str
    error: DaemonError | None = None
    titles: tuple[str, ...] = ()
    passes: tuple[PassReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for; None means everything.

    ``show`` is a title and, where that is not enough, a year. ``full`` asks for complete listings, also where nothing
    is due; ``accept_removals`` too, and believes what they lack.
    """

    library: str | None = None
    show: tuple[str, int | None] | None = None
    full: bool = False
    accept_removals: bool = False

    def wants(self, library: LibraryRow) -> bool:
        """Tell whether a library is asked for, by its title or its key."""
        if self.show is not None and library.kind != "show":
            return False
        return self.library is None or self.library.strip() in {library.name.strip(), library.key}


EVERYTHING = Selection()


@dataclass(slots=True, eq=False)
class Asked:
    """One selection on its way through one server's worker.

    ``shows`` are those that it names, by the id of their library. ``left`` are the ids of the libraries whose passes
    have not begun, None as long as the server was not looked at: a library that is busy is done once more after that.
    """

    server: str
    selection: Selection
    done: asyncio.Future[ServerReport] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    left: set[int] | None = None
    shows: dict[int, list[Show]] = field(default_factory=dict)
    _order: dict[int, int] = field(default_factory=dict)
    _running: set[int] = field(default_factory=set)
    _titles: tuple[str, ...] = ()
    _passes: list[PassReport] = field(default_factory=list)

    def looked(self, titles: tuple[str, ...], libraries: Sequence[int]) -> None:
        """Learn what the server offers and which libraries it is about, in the order of their report."""
        if self.left is None:
            self._titles, self.left = titles, set(libraries)
            self._order = {library_id: position for position, library_id in enumerate(libraries)}
        else:
            self.left &= set(libraries)

    def begin(self, library_id: int) -> None:
        """Note that the passes of a library have begun."""
        self._running.add(library_id)
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
            self._answer(ServerReport(self.server, None, self._titles, tuple(passes)))

    def fail(self, error: DaemonError) -> None:
        """Report that the server could not be used."""
        self.left = set()
        self._answer(ServerReport(self.server, error, self._titles, tuple(self._passes)))

    def _answer(self, report: ServerReport) -> None:
        """Give the report, unless nobody waits any more."""
        if not self.done.done():
            self.done.set_result(report)
