"""The supervisor: starts and stops the workers of all servers, and reacts to what other programs write."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Never

import msgspec
import structlog

from retrovue_daemon.clock import Clock
from retrovue_daemon.errors import InternalError, StoreError, WriterStopped
from retrovue_daemon.service.report import ServerReport
from retrovue_daemon.service.request_server import RequestServer
from retrovue_daemon.service.roster import choose_active, read_roster
from retrovue_daemon.service.slots import ADMIT_S, Slots
from retrovue_daemon.service.worker import ServerWorker
from retrovue_daemon.service.worker_context import Claims, WorkerContext
from retrovue_daemon.sources.plex.body import BodyBudget
from retrovue_daemon.store.connection import data_version
from retrovue_daemon.store.tables.daemon_state import client_identifier
from retrovue_daemon.store.tables.live import forget_live
from retrovue_daemon.store.tables.observed_clock import ObservedClock
from retrovue_daemon.store.tables.watch import read_settings
from retrovue_daemon.sync.skips import SkipLog
from retrovue_daemon.sync.target import PassSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.config import Config, ServerSection
    from retrovue_daemon.logs.setup import Redactor
    from retrovue_daemon.service.health import HeldBack
    from retrovue_daemon.service.job import Job
    from retrovue_daemon.service.roster import ActiveServer, Roster
    from retrovue_daemon.service.selection import Selection
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.sources.plex.retries import RetryPolicy
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.tables.watch import Settings
    from retrovue_daemon.sync.progress import ProgressBoard

log = structlog.get_logger()

WATCH_S = 1.0
"""Seconds between two checks for what other programs have written; a check takes microseconds."""


class Changed(msgspec.Struct, frozen=True):
    """The servers that a new configuration affected, by name."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class Supervisor:
    """Keeps one worker per active server. At most ``[sync] concurrency`` passes read from servers at once.

    ``refused`` holds the problems of the newest configuration while it is not in force; the reloader sets it.
    """

    def __init__(
        self,
        database: Database,
        config: Config,
        board: ProgressBoard,
        redactor: Redactor,
        *,
        retry: RetryPolicy,
        clock: Clock | None = None,
    ) -> None:
        self.database = database
        self.config = config
        self.board = board
        self.started = asyncio.Event()
        self.refused: Sequence[str] = ()
        self.workers: dict[str, ServerWorker] = {}
        self._redactor = redactor
        self._retry = retry
        self._clock = clock or Clock()
        self.observed = ObservedClock(self._clock)
        self._slots = Slots(config.sync.concurrency, self._clock)
        self._claims = Claims(self._clock)
        self._skips = SkipLog()
        self._bodies = BodyBudget()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group = asyncio.TaskGroup()
        self._applying = asyncio.Lock()
        self._identifier: str | None = None
        self._unusable: set[tuple[str, str]] = set()
        self._failure = ""
        self._requests = RequestServer(database, board, self.workers, self._clock)

    async def sync_once(self, selection: Selection, server: str | None = None) -> list[ServerReport]:
        """Sync a selection on all active servers in parallel, or on one; return one report each, in order.

        Raises UnknownServer if no active server has that name.
        """
        roster = (await self._read_roster(self.config)).only(server)
        reports = await self.sync_servers(roster.servers, selection)
        return [*reports, *(ServerReport(server.name, server.error) for server in roster.unusable)]

    async def sync_servers(self, servers: Sequence[ActiveServer], selection: Selection) -> list[ServerReport]:
        """Sync a selection on these servers; the configuration's other servers are ignored."""
        self._slots.share(self.config.sync.concurrency, [active.name for active in servers])
        self._claims.order(active.name for active in servers)
        context = await self._worker_context(self.config)
        async with asyncio.TaskGroup() as group:
            admitting = group.create_task(self._admit(), name="slots")
            rounds = [
                group.create_task(ServerWorker(active, context).once(selection), name=f"server {active.name}")
                for active in servers
            ]
            if rounds:
                await asyncio.wait(rounds)
            admitting.cancel()
        return [task.result() for task in rounds]

    async def _admit(self) -> Never:
        """Assign slots that only time has freed."""
        while True:
            await self._clock.sleep(ADMIT_S)
            self._slots.admit()

    async def run(self) -> None:
        """Keep all servers in sync, each by its own schedule, until cancelled."""
        async with self._group:
            try:
                # From here on, changes by other programs are noticed, including those made while the workers start.
                before = await self.database.reader.run(read_settings)
                await self.database.writer.run(forget_live)
                self._group.create_task(self._admit(), name="slots")
                await self._apply(self.config)
                self.started.set()
                await self._watch(before)
            finally:
                # Before the workers end: unfinished requests are left to the next daemon, not answered.
                await self._requests.close()

    async def apply(self, config: Config) -> Changed:
        """Use a new configuration from now on; servers that it does not change are not disturbed.

        Stopped passes end at their next page. Returns once local paths match the mappings. A failure is raised and
        has changed nothing.
        """
        changed, following = await self._apply(config)
        await asyncio.gather(*following)
        return changed

    def submit(self, selection: Selection, server: str | None = None) -> list[Job]:
        """Submit a selection to all workers or to one, to be synced as soon as possible. Raises UnknownServer."""
        return [worker.submit(selection) for worker in choose_active(self.workers.values(), server)]

    def client_of(self, server_id: int) -> PlexClient | None:
        """Return the session with a server; None if there is none, or while the server demands a pause."""
        for worker in self.workers.values():
            if worker.server.server_id == server_id:
                return None if worker.pause else worker.client
        return None

    def held_back(self, library_id: int) -> HeldBack | None:
        """Return what the last full pass over a library would have removed; None if nothing, or if unknown."""
        each = (worker.health.held_back.get(library_id) for worker in self.workers.values())
        return next((held for held in each if held is not None), None)

    def sync_now(self) -> None:
        """Sync everything as soon as possible."""
        for worker in self.workers.values():
            worker.sync_now()

    @property
    def wrong(self) -> list[str]:
        """All current failures, one line each: of the configuration, the database, the servers and the libraries."""
        return [
            *([f"reload refused: {', '.join(self.refused)}"] if self.refused else ()),
            *([self._failure] if self._failure else ()),
            *(f"server {name!r}: {error}" for name, error in sorted(self._unusable)),
            *(words for worker in self.workers.values() for words in worker.health.words),
        ]

    # -- workers ----------------------------------------------------------------------------------------------------

    async def _apply(self, config: Config | None = None) -> tuple[Changed, list[asyncio.Task[None]]]:
        """Start, stop and reconfigure workers to match the database and a configuration (default: the current).

        Return what changed, and a task per worker that recomputes local paths where necessary: a large library takes
        a while.
        """
        async with self._applying:
            config = self.config if config is None else config
            roster = await self._read_roster(config)
            context = await self._worker_context(config)
            wanted = {active.name: active for active in roster.servers}
            removed = [name for name in self.workers if name not in wanted]
            kept = [name for name in self.workers if name in wanted]
            changed = [name for name in kept if self.workers[name].server.section != wanted[name].section]
            restarted = [
                name for name in changed if _needs_restart(self.workers[name].server.section, wanted[name].section)
            ]
            added = [name for name in wanted if name not in self.workers]
            self.config = config
            self._slots.share(config.sync.concurrency, wanted)
            self._claims.order(wanted)
            for name in removed:
                del self.workers[name]
            for name in restarted:
                # It stays registered until its replacement starts: jobs may be submitted meanwhile.
                self.workers[name].hand_over()
            await self._stop(*removed, *restarted)
            for name, worker in list(self.workers.items()):
                if name in restarted:
                    self._start(wanted[name], context, worker)
                else:
                    worker.reconfigure(wanted[name], context)
            for name in added:
                self._start(wanted[name], context)
            following = [
                self._group.create_task(worker.follow_paths(), name=f"paths {name}")
                for name, worker in self.workers.items()
            ]
        return Changed(tuple(added), tuple(changed), tuple(removed)), following

    async def _read_roster(self, config: Config) -> Roster:
        roster = await read_roster(config, self.database, self._clock.now())
        for active in roster.servers:
            self._redactor.learn(active.section.token.reveal())
        unusable = {(server.name, str(server.error)) for server in roster.unusable}
        for name, error in sorted(unusable - self._unusable):
            log.error("server.invalid", server=name, error=error)
        self._unusable = unusable
        return roster

    async def _worker_context(self, config: Config) -> WorkerContext:
        if self._identifier is None:
            await self.database.writer.run(self.observed.start)
            self._identifier = await self.database.writer.run(client_identifier)
        settings = PassSettings(
            page_size=config.sync.page_size,
            batch_size=config.database.batch_size,
            max_removed=config.sync.max_removed,
        )
        return WorkerContext(
            database=self.database,
            settings=settings,
            timing=config.sync,
            board=self.board,
            slots=self._slots,
            claims=self._claims,
            skips=self._skips,
            bodies=self._bodies,
            identifier=self._identifier,
            retry=self._retry,
            clock=self._clock,
            observed=self.observed,
        )

    def _start(self, active: ActiveServer, context: WorkerContext, before: ServerWorker | None = None) -> None:
        worker = self.workers[active.name] = ServerWorker(active, context)
        if before is not None:
            worker.take_over(before)
        self._tasks[active.name] = self._group.create_task(worker.run(), name=f"server {active.name}")

    async def _stop(self, *names: str) -> None:
        stopped = [self._tasks.pop(name) for name in names]
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)

    # -- changes by other programs ----------------------------------------------------------------------------------

    async def _watch(self, seen: Settings) -> Never:
        """React to what other programs write. A failure is logged once and retried."""
        version = -1
        while True:
            try:
                newest = await self.database.reader.run(data_version)
                if newest != version:
                    seen = await self._follow(seen)
                    await self._requests.take_requests()
                version = newest
                if self._failure:
                    log.info("store.recovered")
                self._failure = ""
            except WriterStopped:
                raise
            except Exception as error:  # noqa: BLE001 -- whatever others have written must not end the service
                self._log_failure(error)
            await self._clock.sleep(WATCH_S)

    async def _follow(self, before: Settings) -> Settings:
        """React to changed settings and return those handled; later writes are handled at the next check."""
        settings = await self.database.reader.run(read_settings)
        # Servers whose rows were deleted (and inserted again, if the configuration defines them) need a full sync.
        gone = settings.deleted(before)
        emptied = [worker for name, worker in self.workers.items() if (worker.server.server_id, name) in gone]
        for name in sorted(settings.deactivated(before) & {section.name for section in self.config.servers}):
            hint = "the configuration defines this server: remove it there to stop syncing it"
            log.warning("server.kept_active", server=name, hint=hint)
        if (settings.servers, settings.mappings) != (before.servers, before.mappings):
            changed, _ = await self._apply()
            if changed:
                log.info("servers.changed", **msgspec.structs.asdict(changed))
        on, off = settings.switched_on(before), settings.switched_off(before)
        for worker in self.workers.values():
            for library_id in off:
                worker.stop_library(library_id)
            if worker in emptied or worker.server.server_id in on.values():
                worker.sync_now()
        return settings

    def _log_failure(self, error: Exception) -> None:
        is_known = isinstance(error, sqlite3.Error | StoreError)
        words = str(error) if is_known else str(InternalError(type(error).__name__))
        if words == self._failure:
            return
        self._failure = words
        if is_known:
            log.error("store.failed", error=words, hint=getattr(error, "hint", None))
        else:
            log.error("watch.crashed", exc_info=error)


def _needs_restart(before: ServerSection, after: ServerSection) -> bool:
    """Return whether a worker must be replaced; some keys are read again while it runs."""
    one, other = (
        replace(section, path_mappings=(), details=None, cast=None, notifications=True) for section in (before, after)
    )
    return one != other
