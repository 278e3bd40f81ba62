"""The worker of one server: polls it, runs its passes and reports its failures."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Never

import msgspec

from retrovue_daemon.errors import ServerBusy, ServerTimeout, ServerWithdrawn
from retrovue_daemon.service.after_passes import AfterPasses
from retrovue_daemon.service.details import DetailsReader
from retrovue_daemon.service.due import Planner
from retrovue_daemon.service.health import Health, ReportFailures, with_hint
from retrovue_daemon.service.jobs import Jobs
from retrovue_daemon.service.live.updates import LiveUpdates
from retrovue_daemon.service.retention import tidy
from retrovue_daemon.service.round_log import RoundLog
from retrovue_daemon.service.schedule import LibraryBackoff, ServerSchedule
from retrovue_daemon.sync.discovery import Discovery
from retrovue_daemon.sync.passes.base import log_report, report_unstarted, run_pass
from retrovue_daemon.sync.path_updates import PathUpdater
from retrovue_daemon.sync.streams import recall_streams, remember_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.service.due import LibraryWork
    from retrovue_daemon.service.job import Job
    from retrovue_daemon.service.report import LibraryDetails, ServerReport
    from retrovue_daemon.service.roster import ActiveServer
    from retrovue_daemon.service.round_log import Round
    from retrovue_daemon.service.selection import Selection
    from retrovue_daemon.service.worker_context import WorkerContext
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.sync.progress import Meter
    from retrovue_daemon.sync.verdict import PassReport


class ServerWorker:
    """Syncs one server, and logs when it starts to fail and when it recovers.

    Every failure, including a bug in this program, ends in a report and does not affect other servers. A library has
    one pass at a time; jobs submitted while it runs share the next one.
    """

    def __init__(self, server: ActiveServer, context: WorkerContext) -> None:
        self.name = server.section.name
        self.server = server
        self.context = context
        self.health = Health(self.name, context.database, context.clock)
        self._rounds = RoundLog(self.name, context.database, context.clock)
        self._discovery = Discovery(context.database, server.section, context.claims, now=context.clock.now)
        self._schedule = ServerSchedule(context.clock)
        self._backoff = LibraryBackoff(context.timing.interval)
        self._jobs = Jobs(self.name)
        self._is_replaced = False
        self._polls = False  # else only a single sync runs, after which nothing is scheduled
        self._running: dict[int, tuple[LibraryWork, asyncio.Task[None]]] = {}
        self.details = DetailsReader(
            self.name, context.database, context.board, context.clock, context.timing.interval
        )
        self._after = AfterPasses(self.name, context)
        self._paths = PathUpdater(context.database, self.name, self._running.keys())
        self._wake = asyncio.Event()
        self.client: PlexClient | None = None
        """The session with the server while this worker runs and has one."""
        self.live = LiveUpdates(self, self._discovery.merged_rows)

    # -- jobs and changes -------------------------------------------------------------------------------------------

    def submit(self, selection: Selection, *, is_awaited: bool = True) -> Job:
        """Sync a selection as soon as possible; the report is the result of the job's ``done``."""
        job = self._jobs.add(selection, is_awaited=is_awaited)
        self._wake.set()
        return job

    def sync_now(self) -> None:
        """Sync everything as soon as possible, including libraries that are busy or backing off.

        Repeated calls are merged until the next poll.
        """
        if self._jobs.add_sync_now() is not None:
            self._wake.set()

    def reconfigure(self, server: ActiveServer, context: WorkerContext) -> None:
        """Use a new configuration from now on; running passes keep the one they started with."""
        before = self.live.interval
        self._backoff.first = context.timing.interval
        self.server, self.context = server, context
        if self.live.interval < before:
            self.poll_within(self.live.interval)
        self.details.look()
        self.live.reconfigured()

    def hand_over(self) -> None:
        """Keep all jobs, including the running ones, for the worker that replaces this one: see `take_over`."""
        self._is_replaced = True
        self._jobs.keep_for_another(self._running_jobs)

    def take_over(self, other: ServerWorker) -> None:
        """Continue the jobs of the worker that this one replaces, and its reported failure."""
        self._jobs.take_over(other._jobs)
        self.health.error, self.health.held_back = other.health.error, other.health.held_back
        self.details.take_over(other.details)

    def stop_library(self, library_id: int) -> None:
        """Stop a library's pass at its next page."""
        self.details.drop_library(library_id)
        self.live.drop_library(library_id)
        if library_id in self._running:
            self._running[library_id][1].cancel()

    async def follow_paths(self) -> None:
        """Update the stored local paths to match the path mappings, whether or not the server responds."""
        with ReportFailures(self.fail):
            await self._paths.follow(self.server.server_id)

    async def run(self) -> None:
        """Poll the server until cancelled."""
        self._polls = True
        try:
            while True:
                with ReportFailures(self.fail, *self._jobs):
                    async with self.context.client(self.server.section) as client, asyncio.TaskGroup() as group:
                        self.client = client
                        details = self.details.run(
                            client, lambda: (self.server.section, self.context.timing), self.fail
                        )
                        group.create_task(details, name=f"details {self.name}")
                        group.create_task(self.live.run(client, self.fail), name=f"live {self.name}")
                        await self._poll_until_cancelled(client, group)
                self.client = None
                # The session could not be opened, for example because a certificate file is missing.
                self.details.give_up()
                await self._wait_for_work()
        finally:
            self.client = None
            self._fail_jobs()

    async def once(self, selection: Selection) -> ServerReport:
        """Sync a selection, and nothing else, over a separate session."""
        await self.follow_paths()
        job = self.submit(selection)
        read: dict[int, LibraryDetails] = {}
        with ReportFailures(self.fail, job):
            async with self.context.client(self.server.section) as client:
                async with asyncio.TaskGroup() as group:
                    await self._poll(client, group, scheduled=False)
                if selection.details:
                    read = await self.details.once(client, self.server.section, self.context.timing, job.library_ids)
        return replace(await job.done, details=read)

    # -- polling ----------------------------------------------------------------------------------------------------

    @property
    def _running_jobs(self) -> list[Job]:
        """The jobs of running passes."""
        return [job for work, _ in self._running.values() for job in work.jobs]

    def is_busy(self, library_id: int) -> bool:
        """Return whether passes over a library run."""
        return library_id in self._running

    def poll_within(self, seconds: float) -> None:
        """Poll everything that is due within so many seconds."""
        self._schedule.shorten(seconds)
        self._wake.set()

    def poll_again(self) -> None:
        """Poll everything that is due at once, because the server responds, even if it has failed until now."""
        self._schedule.reached()
        self._wake.set()

    @property
    def pause(self) -> float:
        """Seconds left of a pause that the server demanded; 0 if there is none."""
        return self._schedule.pause

    def note_pause(self, error: Exception | None) -> None:
        """Obey a server that demands a pause with this error, if it does."""
        if isinstance(error, ServerBusy) and error.retry_after is not None:
            self._schedule.postpone(error.retry_after)
            self._store_pause()

    async def _poll_until_cancelled(self, client: PlexClient, group: asyncio.TaskGroup) -> Never:
        try:
            while True:
                await self._wait_for_work()
                self.context.board.new_round()
                scheduled = self._schedule.begin(self._interval())
                await self._poll(client, group, scheduled=scheduled)
        except asyncio.CancelledError:
            # Before the group cancels the passes: their jobs must not count that as success.
            self._fail_jobs()
            raise

    def _interval(self) -> float:
        """Return the seconds until the next poll: a library that failed waits as long as without live updates."""
        waits = self._backoff.waits(self.context.clock.monotonic())
        return min([self.live.interval, *(max(wait, self.context.timing.interval) for wait in waits)])

    async def _wait_for_work(self) -> None:
        """Wait until a poll is due or a job can start."""
        while (seconds := self._schedule.due_in) and not self._jobs.can_start(self._running.keys()):
            self._wake.clear()
            await self.context.clock.wait_for(self._wake, seconds, f"interval {self.name}")

    async def _poll(self, client: PlexClient, group: asyncio.TaskGroup, *, scheduled: bool) -> None:
        """Contact the server and start the passes of all jobs; if ``scheduled``, also those that are due."""
        jobs = self._jobs.begin_poll()
        round_ = self._rounds.begin(requested=any(job.is_awaited for job in jobs))
        with ReportFailures(self.fail, *jobs):
            changes = self._paths.changes
            server_id = self.server.server_id
            contact = await self._discovery.contact(client, server_id)
            if self.server.server_id == server_id:  # otherwise the supervisor has already set the new row
                self.server = msgspec.structs.replace(self.server, server_id=contact.server_id)
            self._schedule.succeeded()
            self._store_pause()
            self.context.slots.keep(self.name)
            self.health.end()
            self.health.only(target.row.id for target in (*contact.targets, *contact.vanished))
            await self._paths.follow(contact.server_id)
            await recall_streams(self.context.database, client, contact.server_id)
            passes, timing, clock = self.context.for_passes(client), self.context.timing, self.context.clock
            planner = Planner(contact, passes, self._running.keys(), scheduled, timing, self._backoff, clock)
            work = await planner.work(jobs)
            round_.expect(one.library_id for one in work)
            self._after.set_libraries(contact.server_id, contact.targets)
            self.details.set_libraries(contact.server_id, contact.targets)
            self.live.set_libraries(contact.server_id, contact.targets)
            if work or self._running:
                self.details.pause()
            else:
                self.details.resume()
            for one in work:
                self._start_passes(one, changes, round_, group)
            for job in jobs:
                job.finish_if_done()
        self._jobs.drop_started()

    # -- passes -----------------------------------------------------------------------------------------------------

    def _start_passes(self, work: LibraryWork, changes: int, round_: Round, group: asyncio.TaskGroup) -> None:
        """Start the passes over one library; ``changes`` is the count of path changes when they were planned."""
        if work.plan is not None and work.plan.kind == "full":
            work.target.round.begin(work.target.row.kind, work.library_id)
        meters = [self.context.board.begin(self.name, title) for title in work.titles]
        for job in work.jobs:
            job.begin(work.library_id, [meter.number for meter in meters])
        task = group.create_task(
            self._run_passes(work, meters, changes, round_), name=f"passes {self.name}/{work.target.row.name}"
        )
        self._running[work.library_id] = work, task
        # A task that is cancelled before its first step never reaches its own clean-up.
        task.add_done_callback(lambda _: self._finish_passes(work, meters, []))

    async def _run_passes(self, work: LibraryWork, meters: Sequence[Meter], changes: int, round_: Round) -> None:
        """Run the passes over one library, one after the other."""
        reports: list[asyncio.Future[PassReport]] = []
        are_logged = False
        try:
            with ReportFailures(self.fail, *work.jobs):
                for library_pass, pass_context in work.passes(meters, self.context.slots):
                    reports.append(asyncio.get_running_loop().create_future())
                    await run_pass(library_pass, pass_context, work.target, reports[-1])
                    report = await with_hint(reports[-1].result(), work, self.health)
                    self._handle_report(work, report)
                    self._after.note(work, report)
                    round_.add(report)
                are_logged = True
                # What is requested is done with its collections and labels, whatever else has begun meanwhile.
                library_id, ended = work.library_id, self._after.ended
                is_last = self._running.keys() - ended == {library_id}
                if self.health.is_usable and (is_last or any(job.ends_with(library_id, ended) for job in work.jobs)):
                    with ReportFailures(self.fail):
                        await self._after.run(work.context.client, self.context.settings.page_size, library_id)
        except asyncio.CancelledError:
            if reports and not are_logged:
                reports[-1].add_done_callback(lambda done: log_report(done.result()))
            self._paths.recompute_later(work.library_id, changes)
            raise
        finally:
            self._finish_passes(work, meters, reports)
        round_.end(work.library_id)
        with ReportFailures(self.fail):
            await remember_streams(self.context.database, work.context.client, self.server.server_id)
            await self._paths.recompute_after_pass(self.server.server_id, work.library_id, changes)
            if not self._running:
                self._discovery.merged_rows.forget()
                await tidy(self.context, self.server, self.live.retention_of(self.context.timing.retention))
                await self._rounds.report_idle(self.server.server_id)

    def _finish_passes(
        self, work: LibraryWork, meters: Sequence[Meter], reports: list[asyncio.Future[PassReport]]
    ) -> None:
        """Release a library for its next passes and complete the jobs of these; a second call does nothing."""
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
        self.live.passes_ended(work.target, [each.result() for each in reports if each.done()])
        if not self._running and self.health.is_usable:
            self.details.resume()
        self._wake.set()

    def _handle_report(self, work: LibraryWork, report: PassReport) -> None:
        """Update schedule and health after a pass, and log it."""
        self.context.slots.note_pass(self.name, timed_out=isinstance(report.cause, ServerTimeout))
        self.note_pause(report.cause)
        if report.run.kind == "full":
            if report.run.status == "ok":
                self._backoff.succeeded(work.library_id)
            else:
                wait = self._backoff.failed(work.library_id, self.context.clock.monotonic())
                self._schedule.shorten(self._interval())
                self.health.store_next_listing(
                    work.library_id, max(wait, self._schedule.due_in) if self._polls else None
                )
        is_whole = work.plan is not None and work.plan.settled and report.run.kind != "show"
        self.health.note(report, is_whole=is_whole)
        log_report(report)

    def _store_pause(self) -> None:
        """Store when the server is polled next if it demanded a pause."""
        if self._polls and self.pause:
            self.health.store_next_poll(self.server.server_id, self._schedule.due_in)

    # -- failures ---------------------------------------------------------------------------------------------------

    def fail(self, error: Exception, *jobs: Job) -> None:
        """Report a failure, also to the given jobs, and schedule the next try."""
        failure = self.health.begin(error)
        # Another machine may be at the address by now, which must not be shown the token.
        self.details.pause()
        self.details.give_up()
        self._schedule.failed(failure, self.context.timing.interval)
        self.context.slots.give_up(self.name)
        self.context.claims.note(self.name, None)
        self.health.store(self.server.server_id, self._schedule.due_in if self._polls else None)
        for job in jobs:
            job.fail(failure)
        self._jobs.drop_done()

    def _fail_jobs(self) -> None:
        """Fail all open jobs, unless another worker takes them over."""
        if self._is_replaced:
            return
        withdrawn = ServerWithdrawn(self.name)
        self._jobs.fail(withdrawn)
        for job in self._running_jobs:
            job.fail(withdrawn)
        self.details.give_up()
