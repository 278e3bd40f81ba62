"""One server: when it is looked at, which passes run, and what trouble it is in."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Never

import msgspec
import structlog

from retrovue_daemon.errors import ServerBusy, ServerWithdrawn
from retrovue_daemon.service.health import Health
from retrovue_daemon.service.job import Job
from retrovue_daemon.service.planning import Planner
from retrovue_daemon.service.schedule import LibraryBackoff, ServerSchedule
from retrovue_daemon.service.selection import EVERYTHING
from retrovue_daemon.sources.plex.client import PlexClient
from retrovue_daemon.store.items.sweep import purge, purgeable
from retrovue_daemon.sync.discovery import Discovery
from retrovue_daemon.sync.local_paths import FollowedPaths
from retrovue_daemon.sync.passes.base import log_report, report_unstarted, run_pass
from retrovue_daemon.sync.passes.full import FullPass
from retrovue_daemon.sync.passes.quick import QuickPass
from retrovue_daemon.sync.passes.show import ShowPass
from retrovue_daemon.sync.passes.vanished import VanishedPass
from retrovue_daemon.sync.target import PassContext
from retrovue_daemon.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import SyncSection
    from retrovue_daemon.service.planning import Work
    from retrovue_daemon.service.report import ServerReport
    from retrovue_daemon.service.roster import ActiveServer
    from retrovue_daemon.service.selection import Selection
    from retrovue_daemon.service.slots import Slots
    from retrovue_daemon.sources.plex.retries import RetryPolicy
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.tables.observed_clock import ObservedClock
    from retrovue_daemon.sync.discovery import Contact
    from retrovue_daemon.sync.passes.base import LibraryPass
    from retrovue_daemon.sync.progress import Meter, ProgressBoard
    from retrovue_daemon.sync.skips import SkipLog
    from retrovue_daemon.sync.target import PassSettings
    from retrovue_daemon.sync.verdict import PassReport

log = structlog.get_logger()


class WorkerContext(msgspec.Struct, frozen=True):
    """What the workers of all servers share."""

    database: Database
    settings: PassSettings
    timing: SyncSection
    board: ProgressBoard
    slots: Slots
    skips: SkipLog
    identifier: str
    retry: RetryPolicy
    clock: Clock
    observed: ObservedClock


class ServerWorker:
    """Syncs one server; says when trouble starts and when it ends.

    Whatever goes wrong with its server, also a mistake of ours, ends in a report and costs the other servers nothing.
    A library has one pass at a time; whoever asks for it meanwhile shares the one after that.
    """

    def __init__(self, server: ActiveServer, context: WorkerContext) -> None:
        self.name = server.section.name
        self.server = server
        self.context = context
        self.health = Health(self.name, context.database.path)
        self._discovery = Discovery(context.database, server.section, now=context.clock.now)
        self._schedule = ServerSchedule(context.clock)
        self._backoff = LibraryBackoff(context.timing.interval)
        self._jobs: list[Job] = []
        self._is_replaced = False
        self._sync_now_job: Job | None = None
        self._running: dict[int, tuple[Work, asyncio.Task[None]]] = {}
        self._paths = FollowedPaths(context.database, self.name, self._running.keys())
        self._wake = asyncio.Event()

    # -- what others want of it -------------------------------------------------------------------------------------

    def submit(self, selection: Selection) -> Job:
        """Have something synced as soon as may be; ``done`` of what is returned gives the report."""
        job = Job(self.name, selection)
        self._jobs.append(job)
        self._wake.set()
        return job

    def sync_now(self) -> None:
        """Sync everything as soon as may be, also what is busy or waits after a failure; often said is said once."""
        # One that was answered by a failure before the server was looked at is over.
        if self._sync_now_job is None or self._sync_now_job.done.done():
            self._sync_now_job = self.submit(EVERYTHING)

    def reconfigure(self, server: ActiveServer, context: WorkerContext) -> None:
        """Work by a new configuration from now on; what is running goes on with the one that it began with."""
        if context.timing.interval < self.context.timing.interval:
            self._schedule.shorten(context.timing.interval)
            self._wake.set()
        self._backoff.first = context.timing.interval
        self.server, self.context = server, context

    def hand_over(self) -> None:
        """Leave what is asked for, also what runs, to the worker that takes this one's place: see `take_over`."""
        self._is_replaced = True
        running = (job for work, _ in self._running.values() for job in work.jobs)
        self._jobs = list(dict.fromkeys((*self._jobs, *running)))
        for job in self._jobs:
            job.requeue_running()

    def take_over(self, other: ServerWorker) -> None:
        """Go on with what another worker of the same server was asked for, and in the trouble that it told of."""
        self._jobs = list(other._jobs)
        self.health.error = other.health.error

    def stop_library(self, library_id: int) -> None:
        """Stop the pass of a library at its next page."""
        if library_id in self._running:
            self._running[library_id][1].cancel()

    async def follow_paths(self) -> None:
        """Bring the stored local paths in step with the path mappings, whether or not the server answers."""
        with _ReportFailures(self):
            await self._paths.follow(self.server.server_id)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        try:
            while True:
                with _ReportFailures(self, *self._jobs):
                    async with self._client() as client, asyncio.TaskGroup() as group:
                        await self._poll_until_cancelled(client, group)
                # The session could not be opened: a certificate that is not there, for example.
                await self._wait_for_work()
        finally:
            self._fail_jobs()

    async def once(self, selection: Selection) -> ServerReport:
        """Do what is asked for, and nothing else, over a session of its own."""
        await self.follow_paths()
        job = self.submit(selection)
        with _ReportFailures(self, job):
            async with self._client() as client, asyncio.TaskGroup() as group:
                await self._poll(client, group, scheduled=False)
        return await job.done

    # -- a look -----------------------------------------------------------------------------------------------------

    async def _poll_until_cancelled(self, client: PlexClient, group: asyncio.TaskGroup) -> Never:
        try:
            while True:
                await self._wait_for_work()
                self.context.board.new_round()
                scheduled = self._schedule.begin(self.context.timing.interval)
                await self._poll(client, group, scheduled=scheduled)
        except asyncio.CancelledError:
            # Before the group ends the passes: those who asked for them must not take that for a good end.
            self._fail_jobs()
            raise

    async def _wait_for_work(self) -> None:
        """Wait until there is something to do."""
        while (seconds := self._schedule.due_in) and not any(self._can_start(job) for job in self._jobs):
            self._wake.clear()
            waits = (
                asyncio.create_task(self._wake.wait(), name=f"wake {self.name}"),
                asyncio.create_task(self.context.clock.sleep(seconds), name=f"interval {self.name}"),
            )
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    def _can_start(self, job: Job) -> bool:
        return job.pending is None or not job.pending <= self._running.keys()

    async def _poll(self, client: PlexClient, group: asyncio.TaskGroup, *, scheduled: bool) -> None:
        """Contact the server and begin the passes that are asked for; if ``scheduled``, also those that are due."""
        # Who asks from here on gets a look of their own: this one may have read already what has just changed.
        jobs, self._sync_now_job = list(self._jobs), None
        with _ReportFailures(self, *jobs):
            changes = self._paths.changes
            server_id = self.server.server_id
            contact = await self._discovery.contact(client, server_id)
            if self.server.server_id == server_id:  # else the supervisor has met the row that it is now
                self.server = msgspec.structs.replace(self.server, server_id=contact.server_id)
            self._schedule.succeeded()
            self.context.slots.keep(self.name)
            self.health.end()
            self.health.only(target.row.id for target in (*contact.targets, *contact.vanished))
            await self._paths.follow(contact.server_id)
            work = await self._planner(client, contact, scheduled=scheduled).work(jobs)
            for one in work:
                self._start_passes(one, changes, group)
            for job in jobs:
                job.finish_if_done()
        self._jobs = [each for each in self._jobs if not each.done.done() and each.pending != set()]

    def _planner(self, client: PlexClient, contact: Contact, *, scheduled: bool) -> Planner:
        shared = self.context
        pass_context = PassContext(
            client, shared.database, shared.settings, shared.skips, shared.clock.now, shared.observed
        )
        return Planner(
            contact, pass_context, self._running.keys(), scheduled, shared.timing, self._backoff, shared.clock
        )

    # -- passes -----------------------------------------------------------------------------------------------------

    def _start_passes(self, work: Work, changes: int, group: asyncio.TaskGroup) -> None:
        """Begin the passes over one library; they were planned when so many changes of its paths were known."""
        if work.plan is not None and work.plan.kind == "full":
            work.target.round.begin(work.target.row.kind, work.library_id)
        meters = [self.context.board.begin(self.name, title) for title in work.titles]
        for job in work.jobs:
            job.begin(work.library_id, [meter.number for meter in meters])
        task = group.create_task(
            self._run_passes(work, meters, changes), name=f"passes {self.name}/{work.target.row.name}"
        )
        self._running[work.library_id] = work, task
        # A task that is cancelled before its first step never gets to its own clean-up.
        task.add_done_callback(lambda _: self._finish_passes(work, meters, []))

    async def _run_passes(self, work: Work, meters: Sequence[Meter], changes: int) -> None:
        """Do the passes over one library, one after the other."""
        reports: list[asyncio.Future[PassReport]] = []
        try:
            with _ReportFailures(self, *work.jobs):
                for library_pass, pass_context, slot in self._passes(work, meters):
                    reports.append(asyncio.get_running_loop().create_future())
                    await run_pass(library_pass, pass_context, work.target, slot, reports[-1])
                    self._handle_report(work, reports[-1].result())
        except asyncio.CancelledError:
            if reports:
                reports[-1].add_done_callback(lambda done: log_report(done.result()))
            self._paths.doubt(work.library_id, changes)
            raise
        finally:
            self._finish_passes(work, meters, reports)
        with _ReportFailures(self):
            await self._paths.settle(self.server.server_id, work.library_id, changes)
            if not self._running:
                self._discovery.merged_rows.forget()
                await self._purge_missing()
                await self._store_observed_time()

    def _finish_passes(self, work: Work, meters: Sequence[Meter], reports: list[asyncio.Future[PassReport]]) -> None:
        """Make room for the next passes over a library, and tell who asked for these; once."""
        if work is not self._running.get(work.library_id, (None,))[0]:
            return
        del self._running[work.library_id]
        for meter in meters:
            meter.finish()
        if not reports:
            reports = [asyncio.get_running_loop().create_future()]
            reports[0].set_result(
                report_unstarted(work.context, work.target, work.plan.kind if work.plan else "show")
            )
        for job in work.jobs:
            job.end(work.library_id, reports)
        self._wake.set()

    def _passes(
        self, work: Work, meters: Sequence[Meter]
    ) -> Iterator[tuple[LibraryPass, PassContext, AbstractAsyncContextManager[object]]]:
        """Give the passes over a library, each with what it works with and the place that it needs."""
        shown = iter(meters)
        slot = partial(self.context.slots.of, self.name)
        if work.plan is not None:
            meter = next(shown)
            if work.vanished:
                yield VanishedPass(work.context, work.target), work.context, nullcontext()
            elif work.plan.kind == "full":
                yield FullPass(work.context, work.target, meter), work.context, slot()
            else:
                quick = QuickPass(work.context, work.target, meter, settled=work.plan.settled)
                yield quick, work.context, slot()
            meter.finish()
        for (show, pass_context), meter in zip(work.shows, shown, strict=True):
            yield ShowPass(pass_context, work.target, meter, show), pass_context, slot()
            meter.finish()

    def _handle_report(self, work: Work, report: PassReport) -> None:
        """Act on how a pass ended, and tell it."""
        if report.run.kind == "full":
            if report.run.status == "ok":
                self._backoff.succeeded(work.library_id)
            else:
                self._backoff.failed(work.library_id, self.context.clock.monotonic())
        if isinstance(report.cause, ServerBusy) and report.cause.retry_after is not None:
            self._schedule.postpone(report.cause.retry_after)
        is_whole = work.plan is not None and work.plan.settled and report.run.kind != "show"
        self.health.note(report, is_whole=is_whole)
        log_report(report)

    def _client(self) -> PlexClient:
        place = self.context
        return PlexClient(
            self.server.section,
            client_identifier=place.identifier,
            version=__version__,
            retry=place.retry,
            clock=place.clock,
        )

    async def _purge_missing(self) -> None:
        """Delete the rows of what has been missing for longer than ``retention``, a few at a time."""
        retention = self.context.timing.retention
        if retention is None:
            return
        database, server_id = self.context.database, self.server.server_id
        before = self.context.observed.now() - int(retention)
        if not await purgeable(database.reader, server_id, before):
            return
        purged = 0
        while rows := await database.writer.write(lambda connection: purge(connection, server_id, before)):
            purged += rows
        if purged:
            log.info("items.purged", server=self.name, items=purged)

    async def _store_observed_time(self) -> None:
        """Store the observed time now and then: rarely, for a look without news should write next to nothing."""
        if self.context.observed.is_due:
            await self.context.database.writer.run(self.context.observed.keep)

    # -- trouble ----------------------------------------------------------------------------------------------------

    def fail(self, error: Exception, *jobs: Job) -> None:
        """Tell of trouble, also those who asked for what went wrong, and look again later."""
        failure = self.health.begin(error)
        self._schedule.failed(failure, self.context.timing.interval)
        self.context.slots.give_up(self.name)
        for job in jobs:
            job.fail(failure)
        self._jobs = [job for job in self._jobs if not job.done.done()]

    def _fail_jobs(self) -> None:
        """Tell whoever waits for something that it will not be done, unless another worker does it."""
        if self._is_replaced:
            return
        for job in (*self._jobs, *(job for work, _ in self._running.values() for job in work.jobs)):
            job.fail(ServerWithdrawn(self.name))
        self._jobs = []


class _ReportFailures:
    """Keeps what goes wrong within its block from costing more than one server's look; ``jobs`` wait for that."""

    def __init__(self, worker: ServerWorker, *jobs: Job) -> None:
        self._worker = worker
        self._jobs = jobs

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self._worker.fail(error, *self._jobs)
            return True
        return False
