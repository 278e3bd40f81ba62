"""What is wrong with one server: told when it begins, when it becomes another and when it ends, not at every look."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon.errors import DaemonError, InternalError, PlexError
from retrovue_daemon.store.database import unreadable

if TYPE_CHECKING:
    from pathlib import Path

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
"""The event of each failure that has one of its own, by the name of its class."""


class Trouble:
    """The trouble that a server is in; ``error`` is None where there is none."""

    def __init__(self, server: str, database: Path) -> None:
        self.error: DaemonError | None = None
        self._server = server
        self._database = database

    def begin(self, error: Exception) -> DaemonError:
        """Note what went wrong, and return what to report; a mistake of ours is logged with its traceback."""
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
        """Note that the server can be used."""
        if self.error is not None:
            log.info("server.recovered", server=self._server)
        self.error = None


def _kind(failure: DaemonError) -> tuple[type[DaemonError], str]:
    return type(failure), failure.kind if isinstance(failure, InternalError) else ""
