"""Which libraries are due after a poll: for which passes, and for which jobs."""

from __future__ import annotations

import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import replace

from retrovue_daemon.errors import AmbiguousShow, NamedShow, PlexError
from retrovue_daemon.records import Show
from retrovue_daemon.service.selection import is_of_year
from retrovue_daemon.sync.passes.full import FullPass
from retrovue_daemon.sync.passes.quick import QuickPass
from retrovue_daemon.sync.passes.show import ShowPass
from retrovue_daemon.sync.passes.vanished import VanishedPass

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import SyncSection
    from retrovue_daemon.records import LibraryListing
    from retrovue_daemon.service.job import Job
    from retrovue_daemon.service.schedule import LibraryBackoff
    from retrovue_daemon.service.selection import Selection
    from retrovue_daemon.service.slots import Slots
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.sync.discovery import Contact
    from retrovue_daemon.sync.passes.base import LibraryPass
    from retrovue_daemon.sync.progress import Meter
    from retrovue_daemon.sync.target import LibraryTarget, PassContext


class Plan(msgspec.Struct, frozen=True):
    """The pass to run; ``settled`` means that nothing else is due for the library."""

    kind: Literal["full", "quick"]
    settled: bool = True


class LibraryWork(msgspec.Struct, frozen=True, eq=False):
    """The passes to run for one library, and the jobs that wait for them.

    ``plan`` is the pass over the whole library, if any, and ``context`` belongs to it. ``shows`` are single shows,
    each with its own context. ``vanished`` means that the server no longer lists the library.
    """

    target: LibraryTarget
    jobs: tuple[Job, ...]
    plan: Plan | None
    context: PassContext
    shows: tuple[tuple[Show, PassContext], ...]
    vanished: bool

    @property
    def library_id(self) -> int:
        """The id of the library's row."""
        return self.target.row.id

    @property
    def titles(self) -> tuple[str, ...]:
        """The title of each pass, in order."""
        return (*((self.target.row.name,) if self.plan else ()), *(show.title for show, _ in self.shows))

    def passes(self, meters: Sequence[Meter], slots: Slots) -> Iterator[tuple[LibraryPass, PassContext]]:
        """Yield each pass in order with its context, which has a slot of its own; a vanished library needs none.

        The meter of a pass is finished when the next pass is requested.
        """
        remaining = iter(meters)
        if self.plan is not None:
            meter = next(remaining)
            if self.vanished:
                yield VanishedPass(self.context, self.target), self.context
            else:
                context = replace(self.context, slot=slots.slot_for(self.target.server))
                if self.plan.kind == "full":
                    yield FullPass(context, self.target, meter), context
                else:
                    yield QuickPass(context, self.target, meter, settled=self.plan.settled), context
            meter.finish()
        for (show, shared), meter in zip(self.shows, remaining, strict=True):
            context = replace(shared, slot=slots.slot_for(self.target.server))
            yield ShowPass(context, self.target, meter, show), context
            meter.finish()


class Planner(msgspec.Struct, frozen=True):
    """Chooses what to start after a poll: what jobs request and, if the poll was ``scheduled``, what is due.

    A ``busy`` library waits. One whose last listing failed waits for its backoff, unless a job requests it.
    """

    contact: Contact
    context: PassContext
    busy: Container[int]
    scheduled: bool
    timing: SyncSection
    backoff: LibraryBackoff
    clock: Clock

    async def work(self, jobs: Sequence[Job]) -> list[LibraryWork]:
        """Return what to start, and set the libraries of each job."""
        targets = (*self.contact.targets, *self.contact.vanished)
        for job in jobs:
            await self._find_shows(job)
            wanted = [target.row.id for target in targets if job.selection.wants(target.row, target.former)]
            if job.selection.show is not None:
                wanted = [library_id for library_id in wanted if library_id in job.shows]
            job.set_libraries(self.contact.offers, wanted, self.contact.unknown)
        return [work for target in targets if (work := self._of(target, jobs)) is not None]

    def _of(self, target: LibraryTarget, jobs: Sequence[Job]) -> LibraryWork | None:
        library_id = target.row.id
        if library_id in self.busy:
            return None
        waiting = tuple(job for job in jobs if job.pending is not None and library_id in job.pending)
        wholly = [job.selection for job in waiting if job.selection.show is None]
        vanished = any(target is one for one in self.contact.vanished)
        plan = self._plan(target, wholly, vanished=vanished) if wholly or self.scheduled else None
        single: dict[str, tuple[Show, list[Selection]]] = {}
        for job in waiting:
            for show in job.shows.get(library_id, ()):
                single.setdefault(show.rating_key, (show, []))[1].append(job.selection)
        if plan is None and not single:
            return None
        each = tuple((show, self._for(selections)) for show, selections in single.values())
        return LibraryWork(target, waiting, plan, self._for(wholly), each, vanished)

    def _for(self, selections: Sequence[Selection]) -> PassContext:
        """Return the context of a pass that serves these selections; one of them is enough to accept removals."""
        accept = any(selection.accept_removals for selection in selections)
        settings = replace(self.context.settings, accept_removals=accept)
        return replace(self.context, settings=settings)

    def _plan(self, target: LibraryTarget, wholly: Sequence[Selection], *, vanished: bool) -> Plan | None:
        """Return the pass over a library, or None if nothing is to be done now."""
        if any(selection.full or selection.accept_removals for selection in wholly):
            return Plan("full")
        ready = bool(wholly) or self.backoff.ready(target.row.id, self.clock.monotonic())
        if vanished:
            return Plan("full") if ready else None
        due = full_is_due(target.row, target.listing, now=self.clock.now(), full_interval=self.timing.full_interval)
        return Plan("full") if due and ready else Plan("quick", settled=not due)

    async def _find_shows(self, job: Job) -> None:
        """Find the shows that a job selects, once.

        If the server fails, or the title is ambiguous without a year, only this job fails.
        """
        if job.selection.show is None or job.pending is not None:
            return
        title, year = job.selection.show
        found: list[NamedShow] = []
        try:
            for target in self.contact.targets:
                if job.selection.wants(target.row, target.former):
                    async with aclosing(self.context.client.shows_titled(target.row.key, title)) as pages:
                        listed = [show async for page in pages for show in page.items if isinstance(show, Show)]
                    shows = [show for show in listed if _is_called(show, title, year)]
                    if shows:
                        job.shows[target.row.id] = shows
                        found += [NamedShow(show.title, show.year, target.row.name.strip()) for show in shows]
        except PlexError as error:
            job.fail(error)
            return
        if len({show.year for show in found}) > 1:
            job.fail(AmbiguousShow(title, sorted(found, key=lambda show: (show.year or math.inf, show.library))))


def full_is_due(row: StoredLibrary, listing: LibraryListing, *, now: int, full_interval: float) -> bool:
    """Return whether a library needs a full listing.

    It does if it never had one, if the last pass left something to read again, if the server's change marks differ
    from those before the last full listing (any difference counts: a restored server may count backwards), or if
    ``full_interval`` seconds have passed, because not every change moves a mark.
    """
    if row.last_full_sync_at is None or row.state != "active" or row.list_again:
        return True
    if listing.content_changed_at is not None or row.content_changed_at is not None:
        if row.content_changed_at != listing.content_changed_at:
            return True
    elif (row.section_updated_at, row.scanned_at) != (listing.updated_at, listing.scanned_at):
        return True
    # If the clock was set back, the last time lies in the future and is ignored.
    return not 0 <= now - row.last_full_sync_at < full_interval


def _is_called(show: Show, title: str, year: int | None) -> bool:
    return show.title.casefold() == title.casefold() and is_of_year(show.year, year)
