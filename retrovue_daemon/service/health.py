"""The failures of one server: logged when they start, change or end, not at every poll."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon.errors import DaemonError, InternalError, PlexError
from retrovue_daemon.store.database import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

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
"""The log events of failures that have their own, by class name."""


class Health:
    """The current failures of a server and its libraries; ``error`` is None while the server is usable."""

    def __init__(self, server: str, database: Path) -> None:
        self.error: DaemonError | None = None
        self._server = server
        self._database = database
        self._libraries: dict[int, str] = {}

    @property
    def words(self) -> list[str]:
        """All failures, one line each: the server itself, then its libraries."""
        return [*([str(self.error)] if self.error is not None else ()), *self._libraries.values()]

    def begin(self, error: Exception) -> DaemonError:
        """Record a failure and return the error to report; a bug in this program is logged with its traceback."""
        if isinstance(error, sqlite3.Error):
            error = unreadable(self._database, error)
        failure = error if isinstance(error, DaemonError) else InternalError(type(error).__name__)
        if self.error is None or _kind(failure) != _kind(self.error):
            if failure is error:
                default = "server.failed" if isinstance(error, PlexError) else "store.failed"
                event = EVENTS.get(type(error).__name__, default)
                log.error(event, server=self._server, error=str(error), hint=failure.hint)
            else:
                log.error("server.crashed", server=self._server, exc_info=error)
        self.error = failure
        return failure

    def end(self) -> None:
        """Record that the server is usable."""
        if self.error is not None:
            log.info("server.recovered", server=self._server)
        self.error = None

    def note(self, report: PassReport, *, is_whole: bool) -> None:
        """Record how a pass over a library ended; only one that left nothing open (``is_whole``) ends a failure."""
        run = report.run
        if run.status != "ok":
            self._libraries[run.library_id] = f"{self._server}/{report.library} {run.status}: {run.error}"
        elif is_whole:
            self._libraries.pop(run.library_id, None)

    def only(self, library_ids: Iterable[int]) -> None:
        """Forget the failures of libraries that are no longer synced."""
        synced = set(library_ids)
        self._libraries = {library_id: text for library_id, text in self._libraries.items() if library_id in synced}


def _kind(failure: DaemonError) -> tuple[type[DaemonError], str]:
    return type(failure), failure.kind if isinstance(failure, InternalError) else ""
