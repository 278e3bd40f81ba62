"""The failures of one server: logged when they start, change or end, not at every poll, and stored for readers."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import structlog

from retrovue_daemon.errors import DaemonError, DiskFull, InternalError, PlexError, WriterStopped
from retrovue_daemon.store.database import unreadable
from retrovue_daemon.store.file.space import lacks_space
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.problems import (
    Problem,
    store_hint,
    store_next_listing,
    store_next_poll,
    store_server_problem,
)
from retrovue_daemon.sync.guard import accept_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.records import Kind
    from retrovue_daemon.service.due import LibraryWork
    from retrovue_daemon.service.job import Job
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.sync.removal import Removal
    from retrovue_daemon.sync.verdict import PassReport

log = structlog.get_logger()

EVENTS = {
    "ServerUnreachable": "server.unreachable",
    "ServerTimeout": "server.unreachable",
    "ServerBusy": "server.busy",
    "Unauthorized": "server.unauthorized",
    "WrongServer": "server.replaced",
    "DuplicateServer": "server.duplicate",
    "ServerForgotten": "server.forgotten",
}
"""The log events of failures that have their own, by their `DaemonError.reported_as`."""


MOST_HELD_BACK = 200
"""Items of a library that are kept for people to look at, per kind."""


class HeldBack(msgspec.Struct, frozen=True):
    """What a pass would have removed from a library: the number of items by kind, and the ids of the first ones."""

    counts: Mapping[Kind, int]
    first: Mapping[Kind, Sequence[int]]

    @classmethod
    def of(cls, removal: Removal) -> HeldBack:
        """Return what a removal that was refused would remove."""
        leaving = {kind: ids for kind, ids in removal.leaving.items() if ids}
        return cls(
            {kind: len(ids) for kind, ids in leaving.items()},
            {kind: tuple(ids[:MOST_HELD_BACK]) for kind, ids in leaving.items()},
        )


class Health:
    """The current failures of a server and its libraries; ``error`` is None while the server is usable.

    ``held_back`` says by library what its last full pass would have removed, if this process has run one.

    A failure ends in the database when `Discovery` has reached the server, or when a pass succeeds.
    """

    def __init__(self, server: str, database: Database, clock: Clock) -> None:
        self.error: DaemonError | None = None
        self._server = server
        self._database = database
        self._clock = clock
        self._libraries: dict[int, str] = {}
        self.held_back: dict[int, HeldBack] = {}

    @property
    def is_usable(self) -> bool:
        """Whether the last poll reached the server that it should."""
        return self.error is None

    @property
    def words(self) -> list[str]:
        """All failures, one line each: the server itself, then its libraries."""
        return [*([str(self.error)] if self.error is not None else ()), *self._libraries.values()]

    def begin(self, error: Exception) -> DaemonError:
        """Record a failure and return the error to report; a bug in this program is logged with its traceback."""
        if isinstance(error, sqlite3.Error):
            error = unreadable(self._database.path, error)
        failure = error if isinstance(error, DaemonError) else InternalError(type(error).__name__)
        if self.error is None or _kind(failure) != _kind(self.error):
            if failure is error:
                default = "server.failed" if isinstance(error, PlexError) else "store.failed"
                event = EVENTS.get(failure.reported_as, default)
                log.error(event, server=self._server, error=str(error), hint=failure.hint)
            else:
                log.error("server.crashed", server=self._server, exc_info=error)
        self.error = failure
        return failure

    def end(self) -> None:
        """Record that the server is usable, unless its failure was a full disk, and there is still no space.

        A server that responds says nothing about the disk: the next pass would fail again, and so on.
        """
        if isinstance(self.error, DiskFull) and lacks_space(self._database.path) is not None:
            return
        if self.error is not None:
            log.info("server.recovered", server=self._server)
        self.error = None

    def store(self, server_id: int, wait: float | None) -> None:
        """Store why the server failed; ``wait`` are the seconds until the next poll, None if there is none."""
        if self.error is not None:
            problem = Problem.of(self.error, self._time_in(wait))
            now = self._clock.now()
            self._write(lambda connection: store_server_problem(connection, server_id, problem, now))

    def store_next_poll(self, server_id: int, wait: float) -> None:
        """Store when the server is polled next, ``wait`` seconds from now, because it demanded a pause."""
        at = self._clock.now() + round(wait)
        self._write(lambda connection: store_next_poll(connection, server_id, at))

    def store_next_listing(self, library_id: int, wait: float | None) -> None:
        """Store when a library whose listing failed is listed again; ``wait`` as in `store`."""
        at = self._time_in(wait)
        self._write(lambda connection: store_next_listing(connection, library_id, at))

    def store_hint(self, library_id: int, hint: str) -> None:
        """Store what to do about the removals that are held back in a library."""
        self._write(lambda connection: store_hint(connection, library_id, hint))

    def _time_in(self, wait: float | None) -> int | None:
        return None if wait is None else self._clock.now() + round(wait)

    def _write(self, query: Callable[[sqlite3.Connection], None]) -> None:
        """Run a query in the writer, and do not wait for it; if it fails, the log already has what it would store."""
        with suppress(WriterStopped):
            written = self._database.writer.post(query)
            written.add_done_callback(lambda done: done.cancelled() or done.exception())

    def note(self, report: PassReport, *, is_whole: bool) -> None:
        """Record how a pass over a library ended; only one that left nothing open (``is_whole``) ends a failure."""
        run = report.run
        if run.status == "blocked" and report.removal is not None:
            self.held_back[run.library_id] = HeldBack.of(report.removal)
        elif run.status == "ok" and run.kind == "full":
            self.held_back.pop(run.library_id, None)
        if run.status != "ok":
            self._libraries[run.library_id] = f"{self._server}/{report.library} {run.status}: {run.error}"
        elif is_whole:
            self._libraries.pop(run.library_id, None)

    def only(self, library_ids: Iterable[int]) -> None:
        """Forget the failures of libraries that are no longer synced."""
        synced = set(library_ids)
        self._libraries = {library_id: text for library_id, text in self._libraries.items() if library_id in synced}
        self.held_back = {library_id: held for library_id, held in self.held_back.items() if library_id in synced}


class ReportFailures:
    """Reports an exception raised in its block, with the jobs that it affects, and suppresses it."""

    def __init__(self, report: Callable[..., None], *jobs: Job) -> None:
        self._report = report
        self._jobs = jobs

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self._report(error, *self._jobs)
            return True
        return False


def _kind(failure: DaemonError) -> tuple[str, str]:
    return failure.reported_as, failure.kind if isinstance(failure, InternalError) else ""


async def with_hint(report: PassReport, work: LibraryWork, health: Health) -> PassReport:
    """Add the hint to the report of a pass that was held back, and store it; it depends on whose token is used.

    Other reports are returned as they are.
    """
    if report.run.status != "blocked":
        return report
    owner = await work.context.client.is_owner()
    row, target = work.target.row, work.target.target
    libraries = await work.context.database.reader.run(read_libraries, target.server_id)
    has_namesake = sum(library.name == row.name for library in libraries) > 1
    hint = accept_hint(report.server, row.key if has_namesake else row.name.strip(), owner=owner)
    health.store_hint(work.library_id, hint)
    return msgspec.structs.replace(report, hint=hint)
