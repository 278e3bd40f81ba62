"""The workers of all servers: who is on, who starts and who stops, and what others have written meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon.asking import ServerReport
from retrovue_daemon.clock import Clock
from retrovue_daemon.errors import UnknownServer
from retrovue_daemon.roster import read_roster
from retrovue_daemon.serving import Desk
from retrovue_daemon.slots import Slots
from retrovue_daemon.store.state import client_identifier
from retrovue_daemon.store.watch import data_version, read_settings
from retrovue_daemon.sync.mapping import follow_mappings
from retrovue_daemon.sync.skips import SkipLog
from retrovue_daemon.sync.targets import PassSettings
from retrovue_daemon.worker import ServerWorker, Workplace

if TYPE_CHECKING:
    from retrovue_daemon.asking import Asked, Selection
    from retrovue_daemon.config import Config
    from retrovue_daemon.logs import Redactor
    from retrovue_daemon.plex.retries import RetryPolicy
    from retrovue_daemon.progress import ProgressBoard
    from retrovue_daemon.roster import ActiveServer, Roster
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.watch import Settings

log = structlog.get_logger()

WATCH_S = 1.0
"""Seconds between two looks at what others have written; each takes microseconds."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a new configuration meant for the servers, by name."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Supervisor:
    """Keeps one worker for every active server. Not more than ``[sync] concurrency`` passes look at once."""

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
        self.workers: dict[str, ServerWorker] = {}
        self._redactor = redactor
        self._retry = retry
        self._clock = clock or Clock()
        self._slots = Slots(config.sync.concurrency)
        self._skips = SkipLog()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group = asyncio.TaskGroup()
        self._applying = asyncio.Lock()
        self._unusable: set[tuple[str, str]] = set()
        self._desk = Desk(database, board, self.ask, self._clock)

    async def sync_once(self, selection: Selection, server: str | None = None) -> list[ServerReport]:
        """Do what is asked for, on all active servers side by side or on one; return a report of each, in order.

        Raises UnknownServer where no active server has that name.
        """
        roster = (await self._read_roster(self.config)).only(server)
        for active in roster.servers:
            await follow_mappings(self.database, active.name, active.server_id)
        workplace = await self._workplace(self.config)
        async with asyncio.TaskGroup() as group:
            rounds = [
                group.create_task(ServerWorker(active, workplace).once(selection), name=f"server {active.name}")
                for active in roster.servers
            ]
        return [*(task.result() for task in rounds), *(ServerReport(name, error) for name, error in roster.unusable)]

    async def run(self) -> None:
        """Keep every server in step, each by its own schedule, until cancelled."""
        try:
            async with self._group:
                seen = await read_settings(self.database.reader)
                await self.apply(self.config)
                self.started.set()
                await self._watch(seen)
        finally:
            await self._desk.close()

    async def apply(self, config: Config) -> Changed:
        """Sync by a configuration from now on; servers that it says nothing new of are not disturbed.

        Stopped passes end at their next page. Local paths follow the mappings at once.
        """
        async with self._applying:
            roster = await self._read_roster(config)
            self._slots.resize(config.sync.concurrency)
            self.config = config
            workplace = await self._workplace(config)
            wanted = {active.name: active for active in roster.servers}
            removed = [name for name in self.workers if name not in wanted]
            changed = [
                name for name, worker in self.workers.items() if wanted.get(name, worker.server) != worker.server
            ]
            anew = [name for name in changed if _begins_anew(self.workers[name], wanted[name])]
            added = [name for name in wanted if name not in self.workers]
            await self._stop(*removed, *anew)
            for name, worker in self.workers.items():
                worker.workplace = workplace
                worker.server = wanted[name]
            for name, active in wanted.items():
                if await follow_mappings(self.database, name, active.server_id) and name in self.workers:
                    self.workers[name].recheck_paths()
            for name in (*anew, *added):
                self._start(wanted[name], workplace)
        return Changed(tuple(added), tuple(changed), tuple(removed))

    def ask(self, selection: Selection, server: str | None = None) -> list[Asked]:
        """Have something synced as soon as may be, by all workers or by one. Raises UnknownServer."""
        if server is not None and server not in self.workers:
            raise UnknownServer(server, list(self.workers))
        return [worker.ask(selection) for name, worker in self.workers.items() if server in {None, name}]

    def look_now(self) -> None:
        """Look at every server at once."""
        for worker in self.workers.values():
            worker.look_now()

    async def _watch(self, seen: Settings) -> None:
        """Act on what other programs write."""
        version = -1
        while True:
            try:
                newest = await data_version(self.database.reader)
                if newest != version:
                    seen = await self._follow(seen)
                    await self._desk.take_requests()
                version = newest
            except sqlite3.Error as error:
                log.error("store.failed", error=str(error))
            await self._clock.sleep(WATCH_S)

    async def _follow(self, before: Settings) -> Settings:
        settings = await read_settings(self.database.reader)
        if settings == before:
            return settings
        if (settings.servers, settings.mappings) != (before.servers, before.mappings):
            changed = await self.apply(self.config)
            if any((changed.added, changed.changed, changed.removed)):
                log.info(
                    "servers.changed",
                    added=list(changed.added),
                    changed=list(changed.changed),
                    removed=list(changed.removed),
                )
        for worker in self.workers.values():
            for library_id in settings.switched_off(before):
                worker.stop_library(library_id)
        if settings.switched_on(before):
            self.look_now()
        # What was written since, by whomever, is another change: applying once more changes nothing.
        return settings

    async def _read_roster(self, config: Config) -> Roster:
        roster = await read_roster(config, self.database, self._clock.now())
        for active in roster.servers:
            self._redactor.learn(active.section.token.reveal())
        unusable = {(name, str(error)) for name, error in roster.unusable}
        for name, error in sorted(unusable - self._unusable):
            log.error("server.invalid", server=name, error=error)
        self._unusable = unusable
        return roster

    async def _workplace(self, config: Config) -> Workplace:
        settings = PassSettings(
            page_size=config.sync.page_size,
            batch_size=config.database.batch_size,
            max_removed=config.sync.max_removed,
        )
        return Workplace(
            database=self.database,
            settings=settings,
            timing=config.sync,
            board=self.board,
            slots=self._slots,
            skips=self._skips,
            identifier=await self.database.writer.write(client_identifier),
            retry=self._retry,
            clock=self._clock,
        )

    def _start(self, active: ActiveServer, workplace: Workplace) -> None:
        worker = self.workers[active.name] = ServerWorker(active, workplace)
        self._tasks[active.name] = self._group.create_task(worker.run(), name=f"server {active.name}")

    async def _stop(self, *names: str) -> None:
        stopped = [self._tasks.pop(name) for name in names]
        for name, task in zip(names, stopped, strict=True):
            del self.workers[name]
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)


def _begins_anew(worker: ServerWorker, active: ActiveServer) -> bool:
    """Tell whether a worker has to be exchanged; path mappings are followed without that."""
    without = [replace(each, path_mappings=()) for each in (worker.server.section, active.section)]
    return worker.server.server_id != active.server_id or without[0] != without[1]
