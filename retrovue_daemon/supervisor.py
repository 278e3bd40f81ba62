"""When and how many: one worker per server, a bounded number of passes over all of them, and trouble contained."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon import __version__
from retrovue_daemon.errors import DaemonError, InternalError, PlexError
from retrovue_daemon.plex.client import PlexClient
from retrovue_daemon.store.database import unreadable
from retrovue_daemon.store.state import client_identifier
from retrovue_daemon.sync.discovery import Discovery
from retrovue_daemon.sync.passes import FullPass, PassReport
from retrovue_daemon.sync.skips import SkipLog
from retrovue_daemon.sync.vanished import vanished_library

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.plex.retries import RetryPolicy
    from retrovue_daemon.progress import ProgressBoard
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.libraries import LibraryRow
    from retrovue_daemon.sync.discovery import Contact
    from retrovue_daemon.sync.passes import PassSettings
    from retrovue_daemon.sync.targets import LibraryTarget

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ActiveServer:
    """A server that is to be synced: its row's id and how to talk to it."""

    server_id: int
    section: ServerSection


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What a round brought for one server; ``error`` is set where it could not be used at all."""

    server: str
    error: DaemonError | None = None
    titles: tuple[str, ...] = ()
    passes: tuple[PassReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What one command asks for; None means everything."""

    library: str | None = None

    def wants(self, library: LibraryRow) -> bool:
        """Tell whether a library is asked for, by its title or its key."""
        return self.library is None or self.library.strip() in {library.name.strip(), library.key}


EVERYTHING = Selection()


@dataclass(slots=True)
class Supervisor:
    """Runs passes for a fixed set of servers; the daemon composes it and owns what it is given."""

    database: Database
    servers: Sequence[ActiveServer]
    settings: PassSettings
    board: ProgressBoard
    concurrency: int
    interval: float
    retry: RetryPolicy
    now: Callable[[], int] = lambda: int(time.time())

    async def sync_once(self, selection: Selection = EVERYTHING) -> list[ServerReport]:
        """Do one round of all servers, side by side; return a report of each, in their order."""
        workers = await self._workers()
        async with asyncio.TaskGroup() as group:
            rounds = [
                group.create_task(worker.one_round(selection), name=f"server {worker.name}") for worker in workers
            ]
        return [task.result() for task in rounds]

    async def run(self) -> None:
        """Sync every server again and again, each by its own schedule, until cancelled."""
        workers = await self._workers()
        async with asyncio.TaskGroup() as group:
            # Also with nobody to ask: a service that ends at once would only be started again and again.
            group.create_task(asyncio.Event().wait(), name="until cancelled")
            for worker in workers:
                group.create_task(worker.many_rounds(self.interval), name=f"server {worker.name}")

    async def _workers(self) -> list[ServerWorker]:
        identifier = await self.database.writer.write(client_identifier)
        slots = asyncio.Semaphore(self.concurrency)
        skips = SkipLog()
        return [
            ServerWorker(
                server,
                self.database,
                self.settings,
                self.board,
                slots=slots,
                skips=skips,
                identifier=identifier,
                retry=self.retry,
                now=self.now,
            )
            for server in self.servers
        ]


class ServerWorker:
    """Syncs one server, round after round; says when trouble starts and when it ends.

    Whatever goes wrong with its server, also a mistake of ours, ends in a report and costs the other servers nothing.
    """

    def __init__(
        self,
        server: ActiveServer,
        database: Database,
        settings: PassSettings,
        board: ProgressBoard,
        *,
        slots: asyncio.Semaphore,
        skips: SkipLog,
        identifier: str,
        retry: RetryPolicy,
        now: Callable[[], int],
    ) -> None:
        self.name = server.section.name
        self._server = server
        self._server_id = server.server_id
        self._database = database
        self._settings = settings
        self._board = board
        self._slots = slots
        self._skips = skips
        self._identifier = identifier
        self._retry = retry
        self._now = now
        self._discovery = Discovery(database, server.section, now=now)
        self._trouble: str | None = None

    async def one_round(self, selection: Selection = EVERYTHING) -> ServerReport:
        """Look at the server and sync its chosen libraries once, over a session of its own."""
        try:
            async with self._client() as client:
                return await self._round(client, selection)
        except Exception as error:  # noqa: BLE001 -- contained, see the class
            return self._failed(error)

    async def many_rounds(self, interval: float) -> None:
        """Do the same again and again, until cancelled, over one session as long as that is usable."""
        while True:
            try:
                async with self._client() as client:
                    while True:
                        await self._round(client, EVERYTHING)
                        await self._pause(interval)
            except Exception as error:  # noqa: BLE001 -- contained, see the class
                self._failed(error)
                await self._pause(interval)

    async def _pause(self, interval: float) -> None:
        # Jitter keeps the servers of one host from being asked at the same moment for ever.
        await asyncio.sleep(interval * random.uniform(0.9, 1.1))  # noqa: S311 -- no secret

    def _client(self) -> PlexClient:
        return PlexClient(
            self._server.section, client_identifier=self._identifier, version=__version__, retry=self._retry
        )

    async def _round(self, client: PlexClient, selection: Selection) -> ServerReport:
        try:
            contact = await self._discovery.contact(client, self._server_id)
        except DaemonError as error:
            return self._failed(error)
        self._note_recovery()
        self._server_id = contact.server_id
        return ServerReport(self.name, None, contact.titles, await self._sync(client, contact, selection))

    async def _sync(self, client: PlexClient, contact: Contact, selection: Selection) -> tuple[PassReport, ...]:
        targets = [target for target in contact.targets if selection.wants(target.row)]
        self._board.expect(len(targets))
        async with asyncio.TaskGroup() as group:
            passes = [
                group.create_task(self._pass(client, target), name=f"pass {self.name}/{target.row.name}")
                for target in targets
            ]
        reports = [task.result() for task in passes]
        for row in contact.vanished:
            report = selection.wants(row) and await vanished_library(
                self._database,
                self.name,
                contact.server_id,
                row,
                accept_removals=self._settings.accept_removals,
                now=self._now,
            )
            if report:
                _log_pass(report)
                reports.append(report)
        return tuple(reports)

    async def _pass(self, client: PlexClient, target: LibraryTarget) -> PassReport:
        async with self._slots:
            meter = self._board.begin(self.name, target.row.name)
            try:
                report = await FullPass(
                    client,
                    self._database,
                    target,
                    self._settings,
                    meter=meter,
                    skips=self._skips,
                    now=self._now,
                ).run()
            finally:
                meter.finish()
        _log_pass(report)
        return report

    def _failed(self, error: Exception) -> ServerReport:
        """Log trouble when it starts or becomes another, not at every round, and report it."""
        if isinstance(error, sqlite3.Error):
            error = unreadable(self._database.path, error)
        if (kind := type(error).__name__) != self._trouble:
            if isinstance(error, DaemonError):
                event = _TROUBLE.get(kind, "server.failed" if isinstance(error, PlexError) else "store.failed")
                log.error(event, server=self.name, error=str(error), hint=error.hint)
            else:
                log.error("server.crashed", server=self.name, exc_info=error)
        self._trouble = kind
        return ServerReport(self.name, error if isinstance(error, DaemonError) else InternalError(kind))

    def _note_recovery(self) -> None:
        if self._trouble is not None:
            log.info("server.recovered", server=self.name)
        self._trouble = None


_TROUBLE = {
    "ServerUnreachable": "server.unreachable",
    "ServerTimeout": "server.unreachable",
    "ServerBusy": "server.busy",
    "Unauthorized": "server.unauthorized",
    "WrongServer": "server.replaced",
    "DuplicateServer": "server.duplicate",
    "ServerForgotten": "server.forgotten",
}

_LEVELS = {"ok": "info", "incomplete": "warning", "blocked": "error", "failed": "error", "cancelled": "info"}


def _log_pass(report: PassReport) -> None:
    """Write the one line that says all about a pass."""
    run = report.run
    names = {"server": report.server, "library": report.library, "run_id": report.run_id}
    error = {} if run.error is None else {"error": run.error}
    getattr(log, _LEVELS[run.status])(
        "sync.finished", **names, status=run.status, **asdict(run.counts), duration_s=report.duration_s, **error
    )
    if run.status == "blocked":
        hint = "if this is really gone, run: retrovue-daemon sync --accept-removals"
        log.error("sync.blocked", **names, error=run.error, hint=hint)
