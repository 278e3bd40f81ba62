"""One server, round after round: who it is, which passes its libraries are due for, and what trouble it is in."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon import __version__
from retrovue_daemon.errors import AmbiguousShow, DaemonError, InternalError, PlexError
from retrovue_daemon.plex.client import PlexClient
from retrovue_daemon.records import Show
from retrovue_daemon.store.database import unreadable
from retrovue_daemon.store.sweep import purge, purgeable
from retrovue_daemon.sync.discovery import Discovery
from retrovue_daemon.sync.full import FullPass
from retrovue_daemon.sync.passes import PassReport, carry_out
from retrovue_daemon.sync.quick import QuickPass
from retrovue_daemon.sync.schedule import Backoff, Plan, full_is_due
from retrovue_daemon.sync.show import ShowPass
from retrovue_daemon.sync.targets import Equipment
from retrovue_daemon.sync.vanished import VanishedPass

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from contextlib import AbstractAsyncContextManager
    from typing import Any

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.plex.retries import RetryPolicy
    from retrovue_daemon.progress import Meter, ProgressBoard
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.libraries import LibraryRow
    from retrovue_daemon.sync.discovery import Contact
    from retrovue_daemon.sync.passes import LibraryPass
    from retrovue_daemon.sync.skips import SkipLog
    from retrovue_daemon.sync.targets import LibraryTarget, PassSettings

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
    """What one command asks for; None means everything.

    ``show`` is a title and, where that is not enough, a year. ``full`` asks for complete listings, also where nothing
    is due.
    """

    library: str | None = None
    show: tuple[str, int | None] | None = None
    full: bool = False

    def wants(self, library: LibraryRow) -> bool:
        """Tell whether a library is asked for, by its title or its key."""
        if self.show is not None and library.kind != "show":
            return False
        return self.library is None or self.library.strip() in {library.name.strip(), library.key}


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Workplace:
    """What the workers of all servers share; intervals and ``retention`` are seconds, None keeps rows for ever."""

    database: Database
    settings: PassSettings
    board: ProgressBoard
    slots: asyncio.Semaphore
    skips: SkipLog
    identifier: str
    retry: RetryPolicy
    interval: float
    full_interval: float
    retention: float | None
    now: Callable[[], int]


class ServerWorker:
    """Syncs one server; says when trouble starts and when it ends.

    Whatever goes wrong with its server, also a mistake of ours, ends in a report and costs the other servers nothing.
    """

    def __init__(self, server: ActiveServer, workplace: Workplace) -> None:
        self.name = server.section.name
        self._section = server.section
        self._server_id = server.server_id
        self._workplace = workplace
        self._discovery = Discovery(workplace.database, server.section, now=workplace.now)
        self._backoff = Backoff(workplace.interval)
        self._trouble: str | None = None

    def client(self) -> PlexClient:
        """Make a session with the server, to be opened by ``async with``."""
        return PlexClient(
            self._section,
            client_identifier=self._workplace.identifier,
            version=__version__,
            retry=self._workplace.retry,
        )

    async def look(self, client: PlexClient, selection: Selection = EVERYTHING) -> ServerReport:
        """Do one round: look at the server, sync its chosen libraries, and delete what has been missing for long."""
        try:
            contact = await self._discovery.contact(client, self._server_id)
            self._note_recovery()
            self._server_id = contact.server_id
            passes = await self._sync(client, contact, selection)
            await self._purge()
        except AmbiguousShow as error:
            return ServerReport(self.name, error)
        except Exception as error:  # noqa: BLE001 -- contained, see the class
            return self.failed(error)
        return ServerReport(self.name, None, contact.titles, passes)

    def failed(self, error: Exception) -> ServerReport:
        """Log trouble when it starts or becomes another, not at every round, and report it."""
        if isinstance(error, sqlite3.Error):
            error = unreadable(self._workplace.database.path, error)
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

    async def _sync(self, client: PlexClient, contact: Contact, selection: Selection) -> tuple[PassReport, ...]:
        equipment = Equipment(
            client,
            self._workplace.database,
            self._workplace.settings,
            self._workplace.skips,
            self._workplace.now,
        )
        chosen = [target for target in contact.targets if selection.wants(target.row)]
        if selection.show is not None:
            return await self._sync_show(equipment, chosen, *selection.show)
        everything = selection.full or equipment.settings.accept_removals
        plans = [(target, self._plan(target, full=everything)) for target in chosen]
        for target, plan in plans:
            if plan.kind == "full":
                target.round.begin(target.row.kind, target.row.id)
        reports = await self._side_by_side([self._pass(equipment, target, plan) for target, plan in plans])
        # Afterwards, so that what has moved to another library has arrived there.
        for target in contact.vanished:
            if selection.wants(target.row) and self._backoff.ready(target.row.id, time.monotonic()):
                job = VanishedPass(equipment, target)
                reports += (await self._carry_out(job, equipment, target, nullcontext()),)
        return reports

    async def _side_by_side(self, work: list[Coroutine[Any, Any, PassReport]]) -> tuple[PassReport, ...]:
        self._workplace.board.expect(len(work))
        async with asyncio.TaskGroup() as group:
            passes = [group.create_task(each, name=f"pass {self.name}") for each in work]
        return tuple(task.result() for task in passes)

    def _plan(self, target: LibraryTarget, *, full: bool) -> Plan:
        """Choose the pass; a library whose last listing did not end well is not listed again at once."""
        if full:
            return Plan("full")
        due = full_is_due(
            target.row,
            target.listing,
            now=self._workplace.now(),
            full_interval=self._workplace.full_interval,
        )
        if due and self._backoff.ready(target.row.id, time.monotonic()):
            return Plan("full")
        return Plan("quick", settled=not due)

    async def _pass(self, equipment: Equipment, target: LibraryTarget, plan: Plan) -> PassReport:
        with self._meter(target.row.name) as meter:
            job: LibraryPass = (
                FullPass(equipment, target, meter)
                if plan.kind == "full"
                else QuickPass(equipment, target, meter, settled=plan.settled)
            )
            return await self._carry_out(job, equipment, target, self._workplace.slots)

    @contextmanager
    def _meter(self, name: str) -> Iterator[Meter]:
        meter = self._workplace.board.begin(self.name, name)
        try:
            yield meter
        finally:
            meter.finish()

    async def _carry_out(
        self,
        job: LibraryPass,
        equipment: Equipment,
        target: LibraryTarget,
        slot: AbstractAsyncContextManager[object],
    ) -> PassReport:
        report = await carry_out(job, equipment, target, slot)
        if report.run.kind == "full":
            if report.run.status == "ok":
                self._backoff.succeeded(target.row.id)
            else:
                self._backoff.failed(target.row.id, time.monotonic())
        _log_pass(report)
        return report

    async def _sync_show(
        self, equipment: Equipment, targets: list[LibraryTarget], title: str, year: int | None
    ) -> tuple[PassReport, ...]:
        """Sync the show of this title wherever the server has it. Raises AmbiguousShow where a year must tell."""
        found: list[tuple[LibraryTarget, Show]] = []
        for target in targets:
            page = await equipment.client.shows_titled(target.row.key, title)
            found += [
                (target, show)
                for show in page.items
                if isinstance(show, Show) and show.title.casefold() == title.casefold() and year in {None, show.year}
            ]
        if len({show.year for _, show in found}) > 1:
            raise AmbiguousShow(title, sorted({show.year for _, show in found if show.year is not None}))
        return await self._side_by_side([self._show_pass(equipment, target, show) for target, show in found])

    async def _show_pass(self, equipment: Equipment, target: LibraryTarget, show: Show) -> PassReport:
        with self._meter(show.title) as meter:
            return await self._carry_out(
                ShowPass(equipment, target, meter, show), equipment, target, self._workplace.slots
            )

    async def _purge(self) -> None:
        """Delete the rows of what has been missing for longer than ``retention``, a few at a time."""
        retention = self._workplace.retention
        if retention is None:
            return
        database, server_id = self._workplace.database, self._server_id
        before = self._workplace.now() - int(retention)
        if not await purgeable(database.reader, server_id, before):
            return
        purged = 0
        while rows := await database.writer.write(lambda connection: purge(connection, server_id, before)):
            purged += rows
        if purged:
            log.info("items.purged", server=self.name, items=purged)


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
        "sync.finished",
        **names,
        kind=run.kind,
        status=run.status,
        **asdict(run.counts),
        duration_s=report.duration_s,
        **error,
    )
    if run.status == "blocked":
        hint = "if this is really gone, run: retrovue-daemon sync --accept-removals"
        log.error("sync.blocked", **names, error=run.error, hint=hint)
