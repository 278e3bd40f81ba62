"""One server: who it is, which passes its libraries are due for, and what trouble it is in."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon import __version__
from retrovue_daemon.agenda import Agenda
from retrovue_daemon.asking import Asked, ServerReport
from retrovue_daemon.errors import AmbiguousShow, ServerBusy, ServerWithdrawn
from retrovue_daemon.plex.client import PlexClient
from retrovue_daemon.records import Show
from retrovue_daemon.store.local_paths import outdate_paths
from retrovue_daemon.store.sweep import purge, purgeable
from retrovue_daemon.sync.discovery import Discovery
from retrovue_daemon.sync.full import FullPass
from retrovue_daemon.sync.mapping import follow_mappings
from retrovue_daemon.sync.passes import PassReport, carry_out, tell
from retrovue_daemon.sync.quick import QuickPass
from retrovue_daemon.sync.schedule import Backoff, Plan, full_is_due
from retrovue_daemon.sync.show import ShowPass
from retrovue_daemon.sync.targets import Equipment
from retrovue_daemon.sync.vanished import VanishedPass
from retrovue_daemon.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from retrovue_daemon.asking import Selection
    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import SyncSection
    from retrovue_daemon.plex.retries import RetryPolicy
    from retrovue_daemon.progress import Meter, ProgressBoard
    from retrovue_daemon.roster import ActiveServer
    from retrovue_daemon.slots import Slots
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.sync.discovery import Contact
    from retrovue_daemon.sync.passes import LibraryPass
    from retrovue_daemon.sync.skips import SkipLog
    from retrovue_daemon.sync.targets import LibraryTarget, PassSettings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Workplace:
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


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done for one library, and who asked for it."""

    target: LibraryTarget
    asked: tuple[Asked, ...]
    plan: Plan | None
    shows: tuple[Show, ...]
    equipment: Equipment
    vanished: bool


class ServerWorker:
    """Syncs one server; says when trouble starts and when it ends.

    Whatever goes wrong with its server, also a mistake of ours, ends in a report and costs the other servers nothing.
    A library has one pass at a time; whoever asks for it meanwhile shares the one after that. ``workplace`` may be
    exchanged: what is running goes on with the one that it began with.
    """

    def __init__(self, server: ActiveServer, workplace: Workplace) -> None:
        self.name = server.section.name
        self.server = server
        self.workplace = workplace
        self.trouble = Trouble(self.name, workplace.database.path)
        self._server_id = server.server_id
        self._discovery = Discovery(workplace.database, server.section, now=workplace.clock.now)
        self._agenda = Agenda(workplace.clock)
        self._backoff = Backoff(workplace.timing.interval)
        self._asked: list[Asked] = []
        self._running: dict[int, asyncio.Task[None]] = {}
        self._outdated: set[int] = set()
        self._news = asyncio.Event()

    # -- what others want of it -------------------------------------------------------------------------------------

    def ask(self, selection: Selection) -> Asked:
        """Have something synced as soon as may be; ``done`` of what is returned gives the report."""
        asked = Asked(self.name, selection)
        self._asked.append(asked)
        self._news.set()
        return asked

    def look_now(self) -> None:
        """Do the next look at once, whatever the interval."""
        self._agenda.bring_forward()
        self._news.set()

    def recheck_paths(self) -> None:
        """Learn that the path mappings have changed: what runs now may still write paths as they were."""
        self._outdated.update(self._running)

    def stop_library(self, library_id: int) -> None:
        """Stop the pass of a library at its next page."""
        if library_id in self._running:
            self._running[library_id].cancel()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        try:
            while True:
                with _Contained(self):
                    async with self._client() as client, asyncio.TaskGroup() as group:
                        while True:
                            await self._due_or_asked()
                            await self._look(client, group, scheduled=not self._agenda.due_in)
                # The session could not be opened: a certificate that is not there, for example.
                await self._due_or_asked()
        finally:
            for asked in self._asked:
                asked.fail(ServerWithdrawn(self.name))

    async def once(self, selection: Selection) -> ServerReport:
        """Do what is asked for, and nothing else, over a session of its own."""
        asked = self.ask(selection)
        with _Contained(self):
            async with self._client() as client, asyncio.TaskGroup() as group:
                await self._look(client, group, scheduled=False)
        return await asked.done

    # -- a look -----------------------------------------------------------------------------------------------------

    async def _due_or_asked(self) -> None:
        """Wait until there is something to do."""
        while (seconds := self._agenda.due_in) and not any(self._can_begin(asked) for asked in self._asked):
            self._news.clear()
            waits = (
                asyncio.create_task(self._news.wait(), name=f"news {self.name}"),
                asyncio.create_task(self.workplace.clock.sleep(seconds), name=f"interval {self.name}"),
            )
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    def _can_begin(self, asked: Asked) -> bool:
        return asked.left is None or not asked.left <= self._running.keys()

    async def _look(self, client: PlexClient, group: asyncio.TaskGroup, *, scheduled: bool) -> None:
        """Contact the server, and begin the passes that are due or asked for."""
        asked = list(self._asked)
        with _Contained(self):
            contact = await self._discovery.contact(client, self._server_id)
            self.trouble.end()
            self._server_id = contact.server_id
            if scheduled:
                self._agenda.looked(self.workplace.timing.interval)
            equipment = self._equipment(client)
            for asker in asked:
                await self._find_shows(equipment, contact, asker)
            work = self._work(contact, equipment, asked, scheduled=scheduled)
            self.workplace.board.expect(len(work))
            for one in work:
                if one.plan is not None and one.plan.kind == "full":
                    one.target.round.begin(one.target.row.kind, one.target.row.id)
                for asker in one.asked:
                    asker.begin(one.target.row.id)
                name = f"passes {self.name}/{one.target.row.name}"
                self._running[one.target.row.id] = group.create_task(self._library(one), name=name)
            for asker in asked:
                asker.finish_if_done()
        self._asked = [each for each in self._asked if not each.done.done() and each.left != set()]

    def _work(
        self, contact: Contact, equipment: Equipment, asked: Sequence[Asked], *, scheduled: bool
    ) -> list[_Work]:
        """Choose what to begin: a library that is busy waits, and so does one whose last listing did not end well."""
        vanished = {target.row.id for target in contact.vanished}
        targets = (*contact.targets, *contact.vanished)
        for one in asked:
            wanted = [target.row.id for target in targets if one.selection.wants(target.row)]
            if one.selection.show is not None:
                wanted = [library_id for library_id in wanted if library_id in one.shows]
            one.looked(contact.titles, wanted)
        work = []
        for target in targets:
            library_id = target.row.id
            askers = tuple(one for one in asked if one.left is not None and library_id in one.left)
            wholly = [one.selection for one in askers if one.selection.show is None]
            plan = None
            if wholly or scheduled:
                plan = self._plan(target, wholly, vanished=library_id in vanished)
            single = {show.rating_key: show for one in askers for show in one.shows.get(library_id, ())}
            if library_id in self._running or (plan is None and not single):
                continue
            accept = any(selection.accept_removals for selection in wholly)
            own = replace(equipment, settings=replace(equipment.settings, accept_removals=accept))
            work.append(_Work(target, askers, plan, tuple(single.values()), own, library_id in vanished))
        return work

    def _plan(self, target: LibraryTarget, wholly: Sequence[Selection], *, vanished: bool) -> Plan | None:
        """Choose the pass over a library; None where nothing is to be done now."""
        if any(selection.full or selection.accept_removals for selection in wholly):
            return Plan("full")
        clock, timing = self.workplace.clock, self.workplace.timing
        ready = bool(wholly) or self._backoff.ready(target.row.id, clock.monotonic())
        if vanished:
            return Plan("full") if ready else None
        due = full_is_due(target.row, target.listing, now=clock.now(), full_interval=timing.full_interval)
        return Plan("full") if due and ready else Plan("quick", settled=not due)

    async def _find_shows(self, equipment: Equipment, contact: Contact, asked: Asked) -> None:
        """Find the shows that are asked for, once; where a year must tell which one is meant, say so."""
        if asked.selection.show is None or asked.left is not None:
            return
        title, year = asked.selection.show
        for target in contact.targets:
            if asked.selection.wants(target.row):
                page = await equipment.client.shows_titled(target.row.key, title)
                shows = [show for show in page.items if isinstance(show, Show) and _is_called(show, title, year)]
                if shows:
                    asked.shows[target.row.id] = shows
        years = {show.year for shows in asked.shows.values() for show in shows}
        if len(years) > 1:
            asked.fail(AmbiguousShow(title, sorted(year for year in years if year is not None)))

    # -- passes -----------------------------------------------------------------------------------------------------

    async def _library(self, work: _Work) -> None:
        """Do the passes over one library, one after the other."""
        library_id = work.target.row.id
        reports: list[PassReport] = []
        try:
            if work.plan is not None:
                reports.append(await self._library_pass(work, work.plan))
            reports.extend([await self._show_pass(work, show) for show in work.shows])
        finally:
            self._running.pop(library_id, None)
            for asked in work.asked:
                asked.end(reports)
            self._news.set()
        with _Contained(self):
            if library_id in self._outdated:
                self._outdated.discard(library_id)
                await outdate_paths(self.workplace.database, library_id)
                await follow_mappings(self.workplace.database, self.name, self._server_id)
            if not self._running:
                self._discovery.heirs.forget()
                await self._purge()

    async def _library_pass(self, work: _Work, plan: Plan) -> PassReport:
        equipment, target = work.equipment, work.target
        with self._meter(target.row.name) as meter:
            job: LibraryPass
            if work.vanished:
                job = VanishedPass(equipment, target)
                return await self._carry_out(work, job, nullcontext())
            if plan.kind == "full":
                job = FullPass(equipment, target, meter)
            else:
                job = QuickPass(equipment, target, meter, settled=plan.settled)
            return await self._carry_out(work, job, self.workplace.slots)

    async def _show_pass(self, work: _Work, show: Show) -> PassReport:
        with self._meter(show.title) as meter:
            job = ShowPass(work.equipment, work.target, meter, show)
            return await self._carry_out(work, job, self.workplace.slots)

    async def _carry_out(
        self, work: _Work, job: LibraryPass, slot: AbstractAsyncContextManager[object]
    ) -> PassReport:
        report = await carry_out(job, work.equipment, work.target, slot)
        if report.run.kind == "full":
            if report.run.status == "ok":
                self._backoff.succeeded(work.target.row.id)
            else:
                self._backoff.failed(work.target.row.id, self.workplace.clock.monotonic())
        if isinstance(report.cause, ServerBusy) and report.cause.retry_after is not None:
            self._agenda.postpone(report.cause.retry_after)
        tell(report)
        return report

    def _equipment(self, client: PlexClient) -> Equipment:
        place = self.workplace
        return Equipment(client, place.database, place.settings, place.skips, place.clock.now)

    @contextmanager
    def _meter(self, name: str) -> Iterator[Meter]:
        meter = self.workplace.board.begin(self.name, name)
        try:
            yield meter
        finally:
            meter.finish()

    def _client(self) -> PlexClient:
        place = self.workplace
        return PlexClient(
            self.server.section, client_identifier=place.identifier, version=__version__, retry=place.retry
        )

    async def _purge(self) -> None:
        """Delete the rows of what has been missing for longer than ``retention``, a few at a time."""
        retention = self.workplace.timing.retention
        if retention is None:
            return
        database, server_id = self.workplace.database, self._server_id
        before = self.workplace.clock.now() - int(retention)
        if not await purgeable(database.reader, server_id, before):
            return
        purged = 0
        while rows := await database.writer.write(lambda connection: purge(connection, server_id, before)):
            purged += rows
        if purged:
            log.info("items.purged", server=self.name, items=purged)

    # -- trouble ----------------------------------------------------------------------------------------------------

    def fail(self, error: Exception) -> None:
        """Tell of trouble, also whoever waits for something, and look again later."""
        failure = self.trouble.begin(error)
        self._agenda.failed(failure, self.workplace.timing.interval)
        for asked in self._asked:
            asked.fail(failure)
        self._asked = []


class _Contained:
    """Keeps what goes wrong within its block from costing more than one server's look."""

    def __init__(self, worker: ServerWorker) -> None:
        self._worker = worker

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self._worker.fail(error)
            return True
        return False


def _is_called(show: Show, title: str, year: int | None) -> bool:
    return show.title.casefold() == title.casefold() and year in {None, show.year}
