"""What all passes share: each reads a library, then finishes in one transaction, and always ends with a report."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Protocol

import msgspec
import structlog

from retrovue_daemon.errors import DaemonError, DiskFull, InternalError, PlexError, WriterStopped
from retrovue_daemon.store.database import unreadable
from retrovue_daemon.store.feed.recording import last_entry, name_run
from retrovue_daemon.store.items.changes import name_changes
from retrovue_daemon.store.tables.runs import Counts, Run, record_failure, record_run
from retrovue_daemon.sync.guard import accept_hint
from retrovue_daemon.sync.verdict import PassReport, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.store.items.changes import NamedChange
    from retrovue_daemon.store.tables.runs import RunKind
    from retrovue_daemon.sync.changed_items import ChangedItems
    from retrovue_daemon.sync.removal import Removal
    from retrovue_daemon.sync.target import LibraryTarget, PassContext

log = structlog.get_logger()


class LibraryPass(Protocol):
    """One kind of pass. Each object runs one pass."""

    kind: ClassVar[RunKind]
    counts: Counts
    changed: ChangedItems

    async def read(self) -> Verdict:
        """Read the library, write the differences and return the verdict. Raises PlexError and StoreError."""

    def finish(self, connection: sqlite3.Connection, verdict: Verdict, recorder: RunRecorder) -> Conclusion:
        """Apply the verdict of a successful pass in one transaction, in the thread of the writer's connection."""


class Conclusion(msgspec.Struct, frozen=True):
    """The outcome of a finished pass; ``run_id`` is None if it was not recorded."""

    run: Run
    run_id: int | None
    removal: Removal | None = None
    changes: tuple[NamedChange, ...] = ()


class RunRecorder(msgspec.Struct, frozen=True):
    """Builds the record of a pass for sync_runs when the pass ends."""

    context: PassContext
    library: LibraryTarget
    kind: RunKind
    started_at: int
    observed: int

    def run(self, verdict: Verdict, counts: Counts, removal: Removal | None = None, removed: int = 0) -> Run:
        """Return the record. Listed items that were not written count as unchanged if the pass succeeded."""
        unwritten = max(0, counts.listed - counts.added - counts.updated - counts.restored)
        unchanged = unwritten if verdict.status == "ok" else min(unwritten, counts.unchanged)
        counts = msgspec.structs.replace(counts, unchanged=unchanged)
        if removal is not None:
            added = max(0, counts.added - self.library.round.arrived[self.library.row.id])
            counts = msgspec.structs.replace(counts, added=added, moved=removal.rekeyed.total, removed=removed)
        return Run(
            server_id=self.library.target.server_id,
            library_id=self.library.target.library_id,
            kind=self.kind,
            started_at=self.started_at,
            finished_at=self.context.now(),
            status=verdict.status,
            counts=counts,
            error=verdict.error,
            observed=self.observed,
        )

    @classmethod
    def begun(cls, context: PassContext, library: LibraryTarget, kind: RunKind) -> RunRecorder:
        """Return the recorder of a pass that starts now."""
        return cls(context, library, kind, context.now(), context.observed.now())


_MOST_IN_MEMORY = 10_000
"""Rows to be re-keyed, at about 2.5 kB each."""


async def run_pass(
    job: LibraryPass,
    context: PassContext,
    library: LibraryTarget,
    report: asyncio.Future[PassReport],
) -> None:
    """Run a pass and set ``report`` to its report, even if the pass fails. Only a cancellation is raised.

    The pass holds the slot of its context only while it reads. A cancelled pass does not wait for the writer:
    ``report`` is set once the writer has stored the record.
    """
    recorder, start = RunRecorder.begun(context, library, job.kind), time.monotonic()
    finishing: asyncio.Future[Conclusion] | None = None
    cause: DaemonError | None = None

    def give(ended: Conclusion) -> None:
        duration_s = round(time.monotonic() - start, 3)
        names = library.server, library.row.name
        ending = PassReport(*names, ended.run, ended.run_id, duration_s, cause, ended.removal, changes=ended.changes)
        report.set_result(ending)

    try:
        async with context.slot:
            recorder, start = RunRecorder.begun(context, library, job.kind), time.monotonic()
            verdict = await _read(job)
        cause = verdict.cause
        await _wait_for_other_passes(library, verdict, job.counts)
        finishing = await context.database.writer.submit(
            _finish, job, verdict, recorder, spills=_moves_many(verdict, job.counts)
        )
        # Not awaited directly: a cancellation must not cancel the future.
        await asyncio.wait([finishing])
        give(finishing.result())
    except asyncio.CancelledError:
        _when_recorded(finishing or _record_cancelled(job, context, recorder), job, recorder, give)
        raise
    except Exception as error:  # noqa: BLE001 -- a bug that affects one library must not affect the others
        verdict = _failure(error, context, library)
        cause = verdict.cause
        give(Conclusion(recorder.run(verdict, job.counts), None))
        if isinstance(cause, DiskFull):
            _record_if_possible(context, recorder, verdict, job.counts)
    finally:
        library.round.end(library.row.kind, library.row.id)


def _moves_many(verdict: Verdict, counts: Counts) -> bool:
    """Return whether so many rows may be re-keyed that the tables for it should not be in memory."""
    rows = (*verdict.leaving.values(), *verdict.displaced.values())
    return counts.added + sum(map(len, rows)) > _MOST_IN_MEMORY


def report_unstarted(context: PassContext, library: LibraryTarget, kind: RunKind) -> PassReport:
    """Return the report of a pass that was cancelled before its first step: it has no record."""
    run = RunRecorder.begun(context, library, kind).run(Verdict("cancelled"), Counts())
    return PassReport(library.server, library.row.name, run, None, 0.0)


async def _wait_for_other_passes(library: LibraryTarget, verdict: Verdict, counts: Counts) -> None:
    """Before removing items, wait until the other passes have listed theirs: an item may have moved.

    A pass that only added items waits until the others have removed theirs, for the same reason.
    """
    round_, kind = library.round, library.row.kind
    if any(verdict.leaving.values()) or any(verdict.displaced.values()):
        round_.end_listing(kind, library.row.id)
        await round_.wait_for_listings(kind)
    else:
        round_.end(kind, library.row.id)
        if counts.added and not round_.is_first:
            await round_.wait_for_removals(kind)


def _finish(connection: sqlite3.Connection, job: LibraryPass, verdict: Verdict, recorder: RunRecorder) -> Conclusion:
    """Finish a successful pass; record any other in sync_runs and the library's row."""
    before = last_entry(connection)
    if verdict.status == "ok":
        return _with_names(connection, job, job.finish(connection, verdict, recorder), before)
    run = recorder.run(verdict, job.counts)
    return _with_names(connection, job, Conclusion(run, _record(connection, recorder, verdict, run)), before)


def _with_names(connection: sqlite3.Connection, job: LibraryPass, ended: Conclusion, before: int) -> Conclusion:
    """Add the names of the changed items, and the id of the pass to its entries in the change feed.

    ``before`` is the newest entry when this transaction began.
    """
    if ended.run_id is not None:
        name_run(connection, ended.run_id, job.changed.entries, before)
    rows = job.changed.rows(ended.removal)
    return msgspec.structs.replace(ended, changes=name_changes(connection, rows)) if rows else ended


def _record(connection: sqlite3.Connection, recorder: RunRecorder, verdict: Verdict, run: Run) -> int:
    """Record an unsuccessful pass, and return the id of the record."""
    run_id = record_run(connection, run)
    faults = recorder.library.faults.after(verdict.fault)
    hint = None if verdict.cause is None else verdict.cause.hint
    record_failure(connection, run, faults, list_again=verdict.list_again, hint=hint)
    return run_id


async def _read(job: LibraryPass) -> Verdict:
    try:
        return await job.read()
    except PlexError as error:
        # What was read before the error is stored.
        return Verdict("incomplete" if job.counts.pages else "failed", str(error), cause=error)


def _failure(error: Exception, context: PassContext, library: LibraryTarget) -> Verdict:
    """Return the verdict of a pass that raised ``error``; call this from an except block."""
    if isinstance(error, sqlite3.Error):
        error = unreadable(context.database.path, error)
    if not isinstance(error, DaemonError):
        log.error("sync.crashed", server=library.server, library=library.row.name, exc_info=error)
        error = InternalError(type(error).__name__)
    return Verdict("failed", str(error), cause=error)


def _record_if_possible(context: PassContext, recorder: RunRecorder, verdict: Verdict, counts: Counts) -> None:
    """Queue the record of a pass that had no space on the disk: a few rows may fit where a batch did not."""

    def work(connection: sqlite3.Connection) -> None:
        _record(connection, recorder, verdict, recorder.run(verdict, counts))

    with suppress(WriterStopped):
        written = context.database.writer.post(work)
        written.add_done_callback(lambda done: done.cancelled() or done.exception())


def _record_cancelled(job: LibraryPass, context: PassContext, recorder: RunRecorder) -> asyncio.Future[Conclusion]:
    """Queue the record behind the pass's remaining batches: a cancelled task must not wait."""

    def work(connection: sqlite3.Connection) -> Conclusion:
        before = last_entry(connection)
        run = recorder.run(Verdict("cancelled"), job.counts)
        return _with_names(connection, job, Conclusion(run, record_run(connection, run)), before)

    try:
        return context.database.writer.post(work)
    except WriterStopped as error:
        failed: asyncio.Future[Conclusion] = asyncio.get_running_loop().create_future()
        failed.set_exception(error)
        return failed


def _when_recorded(
    recorded: asyncio.Future[Conclusion], job: LibraryPass, recorder: RunRecorder, give: Callable[[Conclusion], None]
) -> None:
    """Report a cancelled pass once its record is written or has failed."""

    def end(done: asyncio.Future[Conclusion]) -> None:
        if done.cancelled() or done.exception() is not None:
            give(Conclusion(recorder.run(Verdict("cancelled"), job.counts), None))
        else:
            give(done.result())

    recorded.add_done_callback(end)


_LEVELS = {"ok": "info", "incomplete": "warning", "blocked": "error", "failed": "error", "cancelled": "info"}


def log_report(report: PassReport) -> None:
    """Log a pass, the first items that it changed, and what it held back.

    There are too many passes that found nothing for the level info.
    """
    run = report.run
    names = {"server": report.server, "library": report.library, "run_id": report.run_id}
    error = {} if run.error is None else {"error": run.error}
    if report.cause is not None and report.cause.hint is not None:
        error["hint"] = report.cause.hint
    getattr(log, "debug" if report.found_nothing else _LEVELS[run.status])(
        "sync.finished",
        **names,
        kind=run.kind,
        status=run.status,
        **msgspec.structs.asdict(run.counts),
        duration_s=report.duration_s,
        **error,
    )
    if report.changes:
        counts = run.counts
        total = counts.added + counts.updated + counts.removed + counts.restored + counts.moved
        items = [{"op": each.op, "kind": each.kind.value, "title": each.title} for each in report.changes]
        log.info("items.changed", **names, items=items, more=max(0, total - len(items)))
    if run.status == "blocked":
        hint = report.hint or accept_hint(report.server, report.library)
        log.error("sync.blocked", **names, error=run.error, hint=hint)
