"""When and how many: one worker per server, a bounded number of passes over all of them, and trouble contained."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon import __version__
from retrovue_daemon.errors import DaemonError
from retrovue_daemon.plex.client import PlexClient
from retrovue_daemon.store.state import client_identifier
from retrovue_daemon.sync.discovery import Discovery
from retrovue_daemon.sync.passes import FullPass, PassReport
from retrovue_daemon.sync.skips import SkipLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.plex.retries import RetryPolicy
    from retrovue_daemon.progress import ProgressBoard
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.sync.discovery import Contact
    from retrovue_daemon.sync.passes import LibraryTarget, PassSettings

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

    def wants(self, target: LibraryTarget) -> bool:
        """Tell whether a library is asked for, by its title or its key."""
        return self.library is None or self.library.strip() in {target.row.name.strip(), target.row.key}


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
    _skips: SkipLog = field(default_factory=SkipLog, init=False)

    async def sync_once(self, selection: Selection = EVERYTHING) -> list[ServerReport]:
        """Do one round of all servers, side by side; return a report of each, in their order."""
        identifier = await self.database.writer.write(client_identifier)
        slots = asyncio.Semaphore(self.concurrency)
        async with asyncio.TaskGroup() as group:
            rounds = [
                group.create_task(
                    self._one_round(server, identifier, slots, selection), name=f"server {server.section.name}"
                )
                for server in self.servers
            ]
        return [task.result() for task in rounds]

    async def run(self) -> None:
        """Sync every server again and again, each by its own schedule, until cancelled."""
        identifier = await self.database.writer.write(client_identifier)
        slots = asyncio.Semaphore(self.concurrency)
        async with asyncio.TaskGroup() as group:
            for server in self.servers:
                group.create_task(self._many_rounds(server, identifier, slots), name=f"server {server.section.name}")

    async def _one_round(
        self, server: ActiveServer, identifier: str, slots: asyncio.Semaphore, selection: Selection
    ) -> ServerReport:
        async with self._client(server, identifier) as client:
            return await self._worker(server, client, slots).round(selection)

    async def _many_rounds(self, server: ActiveServer, identifier: str, slots: asyncio.Semaphore) -> None:
        async with self._client(server, identifier) as client:
            worker = self._worker(server, client, slots)
            while True:
                await worker.round()
                # Jitter keeps the servers of one host from being asked at the same moment for ever.
                await asyncio.sleep(self.interval * random.uniform(0.9, 1.1))  # noqa: S311 -- no secret

    def _client(self, server: ActiveServer, identifier: str) -> PlexClient:
        return PlexClient(server.section, client_identifier=identifier, version=__version__, retry=self.retry)

    def _worker(self, server: ActiveServer, client: PlexClient, slots: asyncio.Semaphore) -> ServerWorker:
        discovery = Discovery(self.database, server.section, now=self.now)
        return ServerWorker(self, server, client, slots, discovery, self._skips)


class ServerWorker:
    """Syncs one server, round after round, over one session; says when trouble starts and when it ends."""

    def __init__(
        self,
        supervisor: Supervisor,
        server: ActiveServer,
        client: PlexClient,
        slots: asyncio.Semaphore,
        discovery: Discovery,
        skips: SkipLog,
    ) -> None:
        self._supervisor = supervisor
        self._name = server.section.name
        self._server_id = server.server_id
        self._client = client
        self._slots = slots
        self._discovery = discovery
        self._skips = skips
        self._trouble: str | None = None

    async def round(self, selection: Selection = EVERYTHING) -> ServerReport:
        """Look at the server and sync all its chosen libraries; whatever goes wrong there ends in the report."""
        try:
            contact = await self._discovery.contact(self._client, self._server_id)
        except DaemonError as error:
            self._note_trouble(error)
            return ServerReport(self._name, error)
        self._note_recovery()
        self._server_id = contact.server_id
        return ServerReport(self._name, None, contact.titles, await self._sync(contact, selection))

    async def _sync(self, contact: Contact, selection: Selection) -> tuple[PassReport, ...]:
        targets = [target for target in contact.targets if selection.wants(target)]
        self._supervisor.board.expect(len(targets))
        async with asyncio.TaskGroup() as group:
            passes = [
                group.create_task(self._pass(target), name=f"pass {self._name}/{target.row.name}")
                for target in targets
            ]
        return tuple(task.result() for task in passes)

    async def _pass(self, target: LibraryTarget) -> PassReport:
        async with self._slots:
            meter = self._supervisor.board.begin(self._name, target.row.name)
            try:
                report = await FullPass(
                    self._client,
                    self._supervisor.database,
                    target,
                    self._supervisor.settings,
                    meter=meter,
                    skips=self._skips,
                    now=self._supervisor.now,
                ).run()
            finally:
                meter.finish()
        _log_pass(report)
        return report

    def _note_trouble(self, error: DaemonError) -> None:
        """Log trouble when it starts or becomes another, not at every round."""
        if (kind := type(error).__name__) != self._trouble:
            log.error(_TROUBLE.get(kind, "server.failed"), server=self._name, error=str(error), hint=error.hint)
        self._trouble = kind

    def _note_recovery(self) -> None:
        if self._trouble is not None:
            log.info("server.recovered", server=self._name)
        self._trouble = None


_TROUBLE = {
    "ServerUnreachable": "server.unreachable",
    "ServerTimeout": "server.unreachable",
    "ServerBusy": "server.busy",
    "Unauthorized": "server.unauthorized",
    "WrongServer": "server.replaced",
    "DuplicateServer": "server.duplicate",
}

_LEVELS = {"ok": "info", "incomplete": "warning", "blocked": "error", "failed": "error", "cancelled": "info"}


def _log_pass(report: PassReport) -> None:
    """Write the one line that says all about a pass."""
    run = report.run
    details = {} if run.error is None else {"error": run.error}
    if run.status == "blocked":
        details["hint"] = "if these items are really gone, run: retrovue-daemon sync --accept-removals"
    getattr(log, _LEVELS[run.status])(
        "sync.finished",
        server=report.server,
        library=report.library,
        run_id=report.run_id,
        status=run.status,
        listed=run.listed,
        added=run.added,
        updated=run.updated,
        unchanged=run.unchanged,
        removed=run.removed,
        restored=run.restored,
        skipped=run.skipped,
        pages=run.pages,
        bytes=run.bytes,
        duration_s=report.duration_s,
        **details,
    )
