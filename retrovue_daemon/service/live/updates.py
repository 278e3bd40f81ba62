"""Live updates of one server: what its notifications hint at is requested, compared and written within seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from retrovue_daemon.service.health import ReportFailures
from retrovue_daemon.service.live.connection import LiveConnection
from retrovue_daemon.service.live.items import AnnouncedItems, Reached
from retrovue_daemon.service.live.pending import SETTLE_S, ItemsDue, PendingHints
from retrovue_daemon.service.live.state import LiveStatus
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.servers import machine_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Never

    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.sync.rounds import MergedRows
    from retrovue_daemon.sync.target import LibraryTarget
    from retrovue_daemon.sync.verdict import PassReport

MARKERS_S: Final = 600.0
"""Seconds between two times that a library's new items are read again because markers were made."""

SOUGHT_S: Final = 3600.0
"""Seconds between two polls because of the scan of a library that no poll has seen."""

_MOST_REMEMBERED: Final = 1_000

log = structlog.get_logger()


class Followed(Reached, Protocol):
    """The worker of the server whose notifications are followed."""

    @property
    def pause(self) -> float:
        """Seconds left of a pause that the server demanded."""

    def poll_again(self) -> None:
        """Poll everything that is due at once, even if the server has failed until now."""

    def submit(self, selection: Selection, *, is_awaited: bool = True) -> object:
        """Start passes over a selection as soon as possible."""


class LiveUpdates:
    """Follows the notifications of one server, beside the polls and passes of its worker."""

    def __init__(self, worker: Followed, merged_rows: MergedRows) -> None:
        self._worker = worker
        self._server = worker.name
        self._clock = worker.context.clock
        self.status = LiveStatus(self._server, worker.context.database, self._clock, self._changed)
        # The state is stored before the first contact, too: that of an earlier worker no longer holds.
        self.status.server_id = worker.server.server_id
        self._pending = PendingHints(self._clock.monotonic)
        self._connection = LiveConnection(
            self._server,
            self._clock,
            self.status,
            self._pending,
            identify=self._identify,
            connected=self._catch_up,
            heard=self._wake,
        )
        self._items = AnnouncedItems(worker, merged_rows, self._pending, self.status)
        self._sought: dict[str, float] = {}
        """When a poll was made because of a library that is not known, by its key."""
        self._markers: dict[int, float] = {}
        self._unlisted: set[str] = set()
        """Keys of libraries over which passes have ended that did not list all of them."""
        self._passed: set[str] = set()
        """Keys of libraries over which a pass has succeeded since the connection; it finds what was before that."""
        self._contacted = asyncio.Event()
        self._news = asyncio.Event()
        self._settings = asyncio.Event()

    @property
    def interval(self) -> float:
        """Seconds between two polls: longer while the server announces its changes."""
        timing = self._worker.context.timing
        return max(timing.interval, timing.interval_live) if self.status.latest.may_stretch else timing.interval

    # -- what the worker reports ------------------------------------------------------------------------------------

    def set_libraries(self, server_id: int, targets: Iterable[LibraryTarget]) -> None:
        """Set the libraries that are synced; a poll has reached the server, and knows which machine it is."""
        self.status.server_id = server_id
        self._items.targets = {target.row.key: target for target in targets}
        self._contacted.set()

    def drop_library(self, library_id: int) -> None:
        """Follow no hints at a library any more."""
        kept = {key: target for key, target in self._items.targets.items() if target.row.id != library_id}
        self._items.targets = kept

    def passes_ended(self, library: LibraryTarget, reports: Sequence[PassReport]) -> None:
        """Read once more what was read while passes over a library ran: their pages may have been older.

        If they did not list all of it, they may leave something to a listing. If they found what servers announce,
        this one should have.
        """
        listed = any(each.run.kind == "full" for each in reports)
        if library.row.key not in self._passed:
            if reports and all(each.run.status == "ok" for each in reports):
                self._passed.add(library.row.key)
        elif any(map(_has_found, reports)) and self.status.latest.is_live and not self._connection.has_hinted:
            self.status.announced(is_silent=True)
        if not listed:
            self._unlisted.add(library.row.key)
            self._wake()
        self._pending.note_passes(library.row.key, sum(each.duration_s for each in reports))
        if self._items.passes_ended(library):
            self._wake()

    def retention_of(self, retention: float | None) -> float | None:
        """Return how long missing rows are kept: half a minute at least while the server announces its changes.

        A file that is renamed is announced as a removal first and then, seconds later, as a new item. A poll mostly
        sees both at once.
        """
        return retention if retention is None or not self.status.latest.is_live else max(retention, SETTLE_S)

    def reconfigured(self) -> None:
        """Apply a new configuration: connect or disconnect."""
        self._settings.set()
        self._wake()

    # -- running ----------------------------------------------------------------------------------------------------

    async def run(self, client: PlexClient, fail: Callable[[Exception], None]) -> Never:
        """Follow notifications while they are wanted, until cancelled; call ``fail`` with each unexpected failure."""
        with ReportFailures(fail):
            await self.status.store(now=True)
        await self._contacted.wait()

        def end(error: Exception) -> None:
            fail(error)
            self.status.end(self._worker.health.error)

        while True:
            with ReportFailures(end):
                while True:
                    self._settings.clear()
                    if self._worker.server.section.notifications:
                        if self.status.latest.is_off:
                            self.status.turned_on()
                            self._connection.forget_failures()
                        await self._follow(client)
                    self.status.end(None)
                    await self.status.store(now=True)
                    await self._settings.wait()
            await self._clock.sleep(self._worker.context.timing.interval)

    async def _follow(self, client: PlexClient) -> None:
        """Follow notifications as long as they are wanted. Raise StoreError."""
        connecting = asyncio.create_task(self._connection.run(client), name=f"notifications {self._server}")
        connecting.add_done_callback(lambda _: self._wake())
        try:
            while self._worker.server.section.notifications and not connecting.done():
                await self._follow_due(client)
                await self.status.store()
                await self._wait()
            if connecting.done():
                connecting.result()
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            # As after a connection that was lost: by the next one, another machine may have the address.
            self._pending.clear()

    async def _wait(self) -> None:
        """Wait for a frame, another configuration, or until something is due."""
        due_in = self._pending.due_in
        wait = None if due_in is None else max(due_in, self._worker.pause)
        await self._clock.wait_for(self._news, wait, f"live due {self._server}")
        self._news.clear()

    async def _identify(self, client: PlexClient) -> None:
        """Raise PlexError unless the machine at the address is the known one: another one's items have other keys."""
        known = await self._worker.context.database.reader.run(machine_of, self.status.server_id)
        await client.confirm_machine(known)

    def _changed(self) -> None:
        """Poll at the usual interval again if the server no longer announces its changes."""
        if not self.status.latest.may_stretch:
            self._worker.poll_within(self._worker.context.timing.interval)
        self._wake()

    def _wake(self) -> None:
        self._news.set()

    def _catch_up(self) -> None:
        """Poll the server: what happened before the connection is not announced again."""
        self._passed.clear()
        self._worker.poll_again()
        self._wake()

    # -- following --------------------------------------------------------------------------------------------------

    async def _follow_due(self, client: PlexClient) -> None:
        await self._follow_markers()
        await self._list_the_rest()
        # A server that demands a pause gets one; more hints than can wait become a listing.
        for due in () if self._worker.pause else self._pending.due():
            if isinstance(due, ItemsDue):
                await self._items.request(client, due)
            else:
                await self._look(due.library, full=due.full)

    async def _list_the_rest(self) -> None:
        """Look again at libraries where only a listing can decide what a pass found: the next poll may be far."""
        passed, self._unlisted = self._unlisted, set()
        if not passed or not self.status.latest.is_live:
            return
        for key, target in (await self._items.current()).items():
            if key in passed and target.row.list_again:
                self._pending.look_again(key)

    async def _look(self, library: str | None, *, full: bool) -> None:
        if library is None and full:
            self._worker.submit(Selection(full=True), is_awaited=False)
        elif library is None or await self._is_new(library):
            self._worker.poll_within(0)
        elif library in self._items.targets:
            self._worker.submit(Selection(library=library, full=full), is_awaited=False)

    async def _is_new(self, library: str) -> bool:
        """Return whether the server may have a library that no poll has seen; the answer is yes once an hour."""
        if library in self._items.targets:
            return False
        now = self._clock.monotonic()
        if self._sought.get(library, float("-inf")) + SOUGHT_S > now:
            return False
        if len(self._sought) >= _MOST_REMEMBERED:
            self._sought.clear()
        self._sought[library] = now
        rows = await self._worker.context.database.reader.run(read_libraries, self.status.server_id)
        return all(row.key != library for row in rows)

    async def _follow_markers(self) -> None:
        """Have the details of new items read again where the server has looked for markers."""
        libraries, now = self._pending.take_markers(), self._clock.monotonic()
        for target in self._items.targets.values():
            is_meant = not libraries.isdisjoint({None, target.row.key})
            if is_meant and self._markers.get(target.row.id, float("-inf")) + MARKERS_S <= now:
                self._markers[target.row.id] = now
                await self._worker.details.markers_made(target.row.id)


def _has_found(report: PassReport) -> bool:
    """Return whether a pass found what servers announce; a full listing also finds updates that they never do."""
    counts = report.run.counts
    return bool(counts.added or counts.removed or (report.run.kind == "quick" and counts.updated))
