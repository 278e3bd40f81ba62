"""Requesting the items that notifications named: a pass per library, and a look where a pass cannot decide."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from msgspec.structs import replace

from retrovue_daemon.errors import Unauthorized, WrongLibrary
from retrovue_daemon.service.live.pending import SETTLE_S
from retrovue_daemon.store.items.lookup import libraries_of_keys
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.sync.passes.base import log_report, run_pass
from retrovue_daemon.sync.passes.events import EventsPass
from retrovue_daemon.sync.progress import ProgressBoard
from retrovue_daemon.sync.rounds import MergedRows, Round

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrovue_daemon.service.details import DetailsReader
    from retrovue_daemon.service.health import Health
    from retrovue_daemon.service.live.pending import ItemsDue, PendingHints
    from retrovue_daemon.service.live.state import LiveStatus
    from retrovue_daemon.service.roster import ActiveServer
    from retrovue_daemon.service.worker_context import WorkerContext
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.sync.passes.events import Answers
    from retrovue_daemon.sync.target import LibraryTarget
    from retrovue_daemon.sync.verdict import PassReport

UNFINISHED_S: Final = 40.0
"""Seconds until an item is read once more that had no guid or no file when it was read."""

_MOST_REMEMBERED: Final = 1_000

log = structlog.get_logger()


class Reached(Protocol):
    """The worker of the server whose items are requested."""

    name: str
    server: ActiveServer
    context: WorkerContext
    details: DetailsReader
    health: Health

    def is_busy(self, library_id: int) -> bool:
        """Return whether passes over a library run."""

    def poll_within(self, seconds: float) -> None:
        """Poll everything that is due within so many seconds."""

    def note_pause(self, error: Exception | None) -> None:
        """Obey a server that demands a pause with this error, if it does."""


class AnnouncedItems:
    """Requests the items of one server that notifications named, beside its other passes."""

    def __init__(self, worker: Reached, merged_rows: MergedRows, pending: PendingHints, status: LiveStatus) -> None:
        self._worker = worker
        self._merged_rows = merged_rows
        self._pending = pending
        self._status = status
        self.targets: dict[str, LibraryTarget] = {}
        """The libraries that are synced, by key."""
        self._during: dict[int, dict[str, None]] = {}
        """Keys of items that were read while another pass over their library ran, which may write older values."""
        self._again: set[str] = set()
        self._is_failing = False

    def passes_ended(self, library: LibraryTarget) -> bool:
        """Read once more what was read while passes over a library ran, and return whether there is anything.

        The pages of those passes may have been older.
        """
        keys = self._during.pop(library.row.id, None)
        if keys is None:
            return False
        self._pending.add_items(library.row.key, keys)
        if len(keys) >= _MOST_REMEMBERED:
            self._pending.look_again(library.row.key)
        return True

    async def current(self) -> dict[str, LibraryTarget]:
        """Return the libraries that are synced with their rows as they are now, which passes change."""
        rows = await self._worker.context.database.reader.run(read_libraries, self._status.server_id)
        found = {row.id: row for row in rows if row.sync_enabled}
        return {
            key: replace(target, row=found[target.row.id])
            for key, target in self.targets.items()
            if target.row.id in found
        }

    async def request(self, client: PlexClient, due: ItemsDue) -> None:
        """Request items and write what differs, in whichever libraries they are. Raise StoreError."""
        if due.library is not None and due.library not in self.targets:
            return  # one that is not synced
        targets = await self.current()
        for library, keys in (await self._by_library(due, targets)).items():
            one = await self._read(client, targets[library], keys, due.since)
            if one is None or one.answers is None:
                continue
            for other, elsewhere in one.elsewhere.items():
                # The response is there: the item has moved, or the notification was wrong, or named no library.
                if other in targets:
                    await self._read(client, targets[other], elsewhere, due.since, one.answers)

    async def _by_library(self, due: ItemsDue, targets: dict[str, LibraryTarget]) -> dict[str, list[str]]:
        """Return the items by the library in whose pass they are requested: that of their row, or the named one.

        Without either, any library will do, because the response says where an item belongs. If that is not worth a
        request, the item is dropped.
        """
        known = await self._worker.context.database.reader.run(
            libraries_of_keys, self._status.server_id, due.rating_keys
        )
        by_id = {target.row.id: key for key, target in targets.items()}
        anywhere = next((key for key, target in targets.items() if target.row.listed_until), None)
        found: dict[str, list[str]] = {}
        for key in due.rating_keys:
            library = by_id.get(known.get(key, 0), due.library)
            if library is None and key not in known and key in due.unplaced:
                library = anywhere
            if library is not None and library in targets:
                found.setdefault(library, []).append(key)
        return found

    async def _read(
        self,
        client: PlexClient,
        target: LibraryTarget,
        rating_keys: Sequence[str],
        since: float,
        answers: Answers | None = None,
    ) -> EventsPass | None:
        """Run a pass over these items of a library, unless it cannot have any now. Raise StoreError."""
        library_id = target.row.id
        if self._worker.is_busy(library_id):
            self._remember(library_id, rating_keys)
        if not target.row.listed_until or not self._worker.health.is_usable:
            return None  # a listing runs, or is still to come
        # A round of its own: this pass waits for no other, and no other waits for it.
        library = replace(target, round=Round(self._merged_rows))
        context = self._worker.context.for_passes(client)
        meter = ProgressBoard().begin(self._worker.name, target.row.name)
        one = EventsPass(context, library, meter, rating_keys, answers, synced=self.targets.keys())
        self._pending.vain.begin(rating_keys)
        done: asyncio.Future[PassReport] = asyncio.get_running_loop().create_future()
        await run_pass(one, context, library, done)
        report = done.result()
        self._report(target, len(rating_keys), since, report)
        if self._worker.is_busy(library_id):
            self._remember(library_id, rating_keys)
        retention = self._worker.context.timing.retention
        is_to_purge = report.run.counts.removed > 0 and retention is not None and retention < SETTLE_S
        if one.needs_look or is_to_purge:
            self._pending.look_again(target.row.key)
        if report.run.counts.any_change or not _is_done(report):
            self._pending.vain.found(rating_keys)
        # What a server could not send now, it may be able to send then.
        self._read_again(target.row.key, one.unfinished if _is_done(report) else rating_keys)
        await self._status.store(now=report.run.counts.any_change)
        self._worker.details.look()
        return one

    def _report(self, target: LibraryTarget, items: int, since: float, report: PassReport) -> None:
        run = report.run
        has_failed = not _is_done(report)
        is_known = (has_failed and self._is_failing) or run.status == target.row.state == "blocked"
        if not is_known:
            log_report(report)  # one line when it begins: hints come every few seconds
        if isinstance(report.cause, Unauthorized | WrongLibrary):
            # A poll finds out whether the server can be used at all; if not, nothing is requested until it can.
            self._worker.poll_within(0)
        self._worker.note_pause(report.cause)
        self._is_failing = has_failed
        changed = run.counts.any_change
        delay = round(self._worker.context.clock.monotonic() - since, 3)
        if changed:
            self._status.applied(delay)
        counts = run.counts
        getattr(log, "info" if changed else "debug")(
            "events.applied",
            server=self._worker.name,
            library=target.row.name,
            items=items,
            added=counts.added,
            updated=counts.updated,
            removed=counts.removed,
            restored=counts.restored,
            moved=counts.moved,
            status=run.status,
            delay_s=delay,
        )
        if has_failed:
            # What it could not read is found by a look at the whole library.
            self._pending.look_again(target.row.key)

    def _remember(self, library_id: int, rating_keys: Iterable[str]) -> None:
        kept = self._during.setdefault(library_id, {})
        if len(kept) < _MOST_REMEMBERED:
            kept.update(dict.fromkeys(rating_keys))

    def _read_again(self, library: str, rating_keys: Iterable[str]) -> None:
        """Read items once more that the server had not finished, or could not send."""
        fresh = [key for key in rating_keys if key not in self._again]
        if len(self._again) + len(fresh) > _MOST_REMEMBERED:
            self._again.clear()
        self._again.update(fresh)
        self._pending.add_items(library, fresh, seconds=UNFINISHED_S)


def _is_done(report: PassReport) -> bool:
    return report.run.status not in {"failed", "incomplete"}
