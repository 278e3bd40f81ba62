"""A job of one server's worker, from its selection to its report."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.service.report import ServerReport
from retrovue_daemon.sync.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from retrovue_daemon.errors import DaemonError
    from retrovue_daemon.records import Show
    from retrovue_daemon.service.selection import Selection
    from retrovue_daemon.sync.discovery import Offer
    from retrovue_daemon.sync.verdict import PassReport


class Job(msgspec.Struct, eq=False):
    """A selection that one server's worker syncs.

    ``shows`` are the selected shows, by library id. ``pending`` are the ids of libraries whose passes have not
    started, None until the server has been polled. A library that is busy at that time gets one more pass later.
    ``is_awaited`` means that a person or a program waits for it.
    """

    server: str
    selection: Selection
    is_awaited: bool = True
    done: asyncio.Future[ServerReport] = msgspec.field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    pending: set[int] | None = None
    shows: dict[int, list[Show]] = msgspec.field(default_factory=dict)
    _order: dict[int, int] = msgspec.field(default_factory=dict)
    _running: set[int] = msgspec.field(default_factory=set)
    _offers: tuple[Offer, ...] = ()
    _unknown: tuple[str, ...] = ()
    _passes: list[PassReport] = msgspec.field(default_factory=list)
    _meters: set[int] = msgspec.field(default_factory=set)

    def set_libraries(
        self, offers: tuple[Offer, ...], libraries: Sequence[int], unknown: tuple[str, ...] = ()
    ) -> None:
        """Set what the server offers and the libraries to sync, in the order of the report.

        ``unknown`` are the configuration entries that match no library.
        """
        if self.pending is None:
            self._offers, self.pending = offers, set(libraries)
            self._unknown = unknown if (self.selection.library, self.selection.show) == (None, None) else ()
            self._order = {library_id: position for position, library_id in enumerate(libraries)}
        else:
            self.pending &= set(libraries)

    def can_start(self, busy: AbstractSet[int]) -> bool:
        """Return whether the server has to be polled for it now: not while all of its libraries are ``busy``."""
        return self.pending is None or not self.pending <= busy

    def begin(self, library_id: int, meters: Sequence[int] = ()) -> None:
        """Record that the passes of a library have started, and their numbers on the progress board."""
        self._running.add(library_id)
        self._meters.update(meters)
        if self.pending is not None:
            self.pending.discard(library_id)

    def ends_with(self, library_id: int, ended: AbstractSet[int]) -> bool:
        """Return whether the job is done as soon as the passes of this library have ended, as others have."""
        return not self.pending and self._running - ended == {library_id}

    def end(self, library_id: int, reports: Sequence[asyncio.Future[PassReport]]) -> None:
        """Record how the passes ended. If the last one was cancelled, its report may come later."""
        if library_id not in self._running:
            return  # they will be repeated
        for report in reports:
            if not report.done():
                report.add_done_callback(lambda _: self.end(library_id, reports))
                return
        self._running.remove(library_id)
        self._passes += [report.result() for report in reports]
        self.finish_if_done()

    def requeue_running(self) -> None:
        """Repeat the running passes: they are about to be stopped, and another worker takes over the job."""
        if self.pending is not None:
            self.pending |= self._running
        self._running.clear()

    def finish_if_done(self) -> None:
        """Complete the job if nothing is pending or running."""
        if not self.pending and not self._running and self.pending is not None:
            passes = sorted(self._passes, key=lambda done: self._order.get(done.run.library_id, 0))
            self._resolve(ServerReport(self.server, None, self._offers, tuple(passes), self._unknown))

    @property
    def library_ids(self) -> tuple[int, ...]:
        """The ids of its libraries, in the order of the report."""
        return tuple(self._order)

    def progress(self, latest: Progress) -> Progress:
        """Return the progress of this job's libraries, out of the progress of everything."""
        running = tuple(one for one in latest.running if one.number in self._meters)
        total = len(self._order)
        return Progress(total - len(self.pending or ()) - len(self._running), total, running)

    def fail(self, error: DaemonError) -> None:
        """Complete the job with an error: the server could not be used."""
        self.pending = set()
        self._resolve(ServerReport(self.server, error, self._offers, tuple(self._passes)))

    def _resolve(self, report: ServerReport) -> None:
        """Set the report, unless the job is already done or cancelled."""
        if not self.done.done():
            self.done.set_result(report)
