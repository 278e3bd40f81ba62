"""One full pass over one library: list, compare, write what differs, mark what left, set the marks."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon.errors import DaemonError, InternalError, PlexError, WriterStopped, WrongLibrary
from retrovue_daemon.store.database import unreadable
from retrovue_daemon.store.lookup import known_rows, listed_ids
from retrovue_daemon.store.runs import Counts, Marks, Run, record_run
from retrovue_daemon.store.sweep import counts, mark_missing
from retrovue_daemon.store.upserts import Change
from retrovue_daemon.sync.completeness import GUARD_WINDOW, ListingLog, guard
from retrovue_daemon.sync.digest import digest
from retrovue_daemon.sync.feed import BatchFeed
from retrovue_daemon.sync.seen import SeenIds
from retrovue_daemon.sync.targets import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiosqlite

    from retrovue_daemon.plex.client import Listing, PlexClient
    from retrovue_daemon.progress import Meter
    from retrovue_daemon.records import Item, Kind, Page
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.lookup import KnownRow
    from retrovue_daemon.store.runs import RunStatus
    from retrovue_daemon.sync.skips import SkipLog
    from retrovue_daemon.sync.targets import LibraryTarget

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PassSettings:
    """The part of the configuration that a pass works by; ``max_removed`` is a fraction."""

    page_size: int
    batch_size: int
    max_removed: float
    accept_removals: bool = False


@dataclass(frozen=True, slots=True)
class PassReport:
    """How a pass ended; ``run_id`` is its row in sync_runs, None where that could not be written."""

    server: str
    library: str
    run: Run
    run_id: int | None
    duration_s: float


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How a pass ends, and what may be marked missing."""

    status: RunStatus
    error: str | None = None
    leaving: tuple[tuple[Kind, list[int]], ...] = ()


class FullPass:
    """A complete listing of one library, and what follows from it. Use one object for one pass."""

    def __init__(
        self,
        client: PlexClient,
        database: Database,
        target: LibraryTarget,
        settings: PassSettings,
        *,
        meter: Meter,
        skips: SkipLog,
        now: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._client = client
        self._database = database
        self._library = target
        self._target = target.target
        self._settings = settings
        self._meter = meter
        self._skips = skips
        self._now = now
        self._counts = Counts()
        self._seen: dict[Kind, SeenIds] = {}
        self._doubts: list[str] = []
        self._watermark: int | None = None

    async def run(self) -> PassReport:
        """Do the pass; whatever goes wrong ends in the report, only a cancellation is raised on."""
        started_at, start = self._now(), time.monotonic()
        run_id: int | None = None
        try:
            verdict = await self._look()
            run_id = await self._conclude(verdict, started_at)
        except asyncio.CancelledError:
            self._record_cancelled(started_at)
            raise
        except Exception as error:  # noqa: BLE001 -- a mistake of ours in one library must not cost the others
            verdict = self._failure(error)
        run = self._result(verdict, started_at)
        duration_s = round(time.monotonic() - start, 3)
        return PassReport(self._library.server, self._library.row.name, run, run_id, duration_s)

    async def _look(self) -> _Verdict:
        """List everything, write what differs, and decide how the pass ends."""
        try:
            for kind, listing in LISTINGS[self._library.row.kind]:
                await self._list(kind, listing)
            return await self._judge()
        except PlexError as error:
            # What was read before is stored; it only was not everything.
            return _Verdict("incomplete" if self._counts.pages else "failed", str(error))

    def _failure(self, error: Exception) -> _Verdict:
        """Say how a pass ends that broke down; to be called where ``error`` is being handled."""
        self._counts.removed = 0  # whatever was about to go was rolled back
        if isinstance(error, sqlite3.Error):
            error = unreadable(self._database.path, error)
        if isinstance(error, DaemonError):
            return _Verdict("failed", str(error))
        log.error("sync.crashed", server=self._library.server, library=self._library.row.name, exc_info=error)
        return _Verdict("failed", str(InternalError(type(error).__name__)))

    async def _list(self, kind: Kind, listing: Listing) -> None:
        """Read one listing to its end, and write every item that differs from its row."""
        seen = self._seen.setdefault(kind, SeenIds())
        noted = ListingLog()
        unstored: set[str] = set()
        feed = BatchFeed(
            self._database.writer,
            self._target,
            kind,
            batch_size=self._settings.batch_size,
            now=self._now,
            seen=seen,
            counts=self._counts,
        )
        pages = self._client.pages(self._library.row.key, listing, page_size=self._settings.page_size)
        try:
            async with aclosing(pages):
                async for page in pages:
                    self._check_uuid(page)
                    noted.note(page)
                    await feed.put(await self._compare(kind, page, seen, unstored))
                    self._meter.advance(listing.value, noted.entries, page.total)
            await feed.settle()
        finally:
            # What was read before something went wrong is kept; the pass's record stands behind it in the queue.
            feed.hand_over()
            self._counts.pages += noted.pages
            self._counts.bytes += noted.bytes
        if doubt := noted.incomplete(len(seen) + len(unstored)):
            self._doubts.append(f"{listing.value}: {doubt}")

    async def _compare(self, kind: Kind, page: Page, seen: SeenIds, unstored: set[str]) -> list[Change]:
        """Return the items of a page that are new or differ; mark all that have a row as seen."""
        keys = [item.rating_key for item in page.items]
        keys += [skipped.rating_key for skipped in page.skipped if skipped.rating_key is not None]
        known = await known_rows(self._database.reader, kind, self._target.server_id, keys)
        changes = []
        for item in page.items:
            row = known.get(item.rating_key)
            fresh = digest(item)
            if row is None:
                changes.append(Change(item, fresh))
                continue
            seen.add(row.id)
            if self._differs(row, item, fresh):
                changes.append(Change(item, fresh))
            else:
                self._counts.unchanged += 1
        for skipped in page.skipped:
            self._skips.note(self._library.server, self._library.row.name, skipped)
            if skipped.rating_key in known:
                seen.add(known[skipped.rating_key].id)
            elif skipped.rating_key is not None:
                unstored.add(skipped.rating_key)
        self._counts.listed += len(page.items)
        self._counts.skipped += len(page.skipped)
        self._raise_watermark(page)
        return changes

    def _raise_watermark(self, page: Page) -> None:
        times = [item.updated_at for item in page.items if item.updated_at is not None]
        if self._watermark is not None:
            times.append(self._watermark)
        self._watermark = max(times, default=None)

    def _differs(self, row: KnownRow, item: Item, fresh: int) -> bool:
        return row.digest != fresh or row.library_id != self._target.library_id or row.state != item.state

    def _check_uuid(self, page: Page) -> None:
        """Refuse a page that says it is another library's, before anything of it is written."""
        expected, found = self._library.row.uuid, page.library_uuid
        if expected is not None and found is not None and found != expected:
            raise WrongLibrary(self._library.server, expected, found)

    async def _judge(self) -> _Verdict:
        """Decide what may be believed to be gone."""
        if self._library.listing.refreshing:
            self._doubts.append("the server is scanning this library")
        if self._doubts:
            return _Verdict("incomplete", "; ".join(self._doubts))
        leaving = tuple([(kind, await self._leaving(kind)) for kind in self._seen])
        if not any(ids for _, ids in leaving):
            return _Verdict("ok")
        if not await self._still_quiet():
            return _Verdict("incomplete", "the server began to scan this library, or to change it, meanwhile")
        if not self._settings.accept_removals and (reason := await self._guarded(leaving)):
            return _Verdict("blocked", reason)
        return _Verdict("ok", leaving=leaving)

    async def _still_quiet(self) -> bool:
        """Look once more before anything is removed: a scan may have begun since the first look."""
        for library in await self._client.libraries():
            if library.key == self._library.listing.key:
                return library.uuid == self._library.listing.uuid and not library.refreshing
        return False

    async def _leaving(self, kind: Kind) -> list[int]:
        """Return the ids of rows of this library that its listing did not show."""
        seen = self._seen[kind]
        ids: list[int] = []
        async for chunk in listed_ids(self._database.reader, kind, self._target.library_id):
            ids += [row_id for row_id in chunk if row_id not in seen]
        return ids

    async def _guarded(self, leaving: tuple[tuple[Kind, list[int]], ...]) -> str | None:
        """Return why these removals must wait for a person; a kind of which nothing is left is as bad as all."""
        since = self._now() - GUARD_WINDOW
        present = left_recently = 0
        for kind, ids in leaving:
            kind_present, kind_left = await counts(self._database.reader, kind, self._target.library_id, since)
            if ids and len(ids) == kind_present:
                return guard(present=kind_present, leaving=len(ids), left_recently=kind_left, max_removed=0)
            present += kind_present
            left_recently += kind_left
        return guard(
            present=present,
            leaving=sum(len(ids) for _, ids in leaving),
            left_recently=left_recently,
            max_removed=self._settings.max_removed,
        )

    async def _conclude(self, verdict: _Verdict, started_at: int) -> int:
        """Sweep, set the marks and record the run in one transaction; return the run's id."""
        marks = None
        if verdict.status == "ok":
            marks = Marks(self._library.listing.content_changed_at, self._watermark)

        async def work(connection: aiosqlite.Connection) -> int:
            self._counts.removed = 0
            for kind, ids in verdict.leaving:
                self._counts.removed += await mark_missing(
                    connection, kind, self._target.library_id, ids, self._now()
                )
            return await record_run(connection, self._result(verdict, started_at), marks)

        return await self._database.writer.write(work)

    def _record_cancelled(self, started_at: int) -> None:
        """Leave the record to the writer, behind the batches it still has: a cancelled task should not wait."""

        async def work(connection: aiosqlite.Connection) -> int:
            return await record_run(connection, self._result(_Verdict("cancelled"), started_at), None)

        with suppress(WriterStopped):
            self._database.writer.post(work).add_done_callback(lambda done: done.cancelled() or done.exception())

    def _result(self, verdict: _Verdict, started_at: int) -> Run:
        return Run(
            server_id=self._target.server_id,
            library_id=self._target.library_id,
            kind="full",
            started_at=started_at,
            finished_at=self._now(),
            status=verdict.status,
            counts=self._counts,
            error=verdict.error,
        )
