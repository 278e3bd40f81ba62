"""What every handler gets: the parts of the daemon, and what the page keeps itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from retrovue_daemon.service.status import condition_in, status_in
from retrovue_daemon.store.file.lock import Holder

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import Config, WebSection
    from retrovue_daemon.logs.redaction import Redactor
    from retrovue_daemon.service.pulse import Pulse
    from retrovue_daemon.service.status import Condition, Status
    from retrovue_daemon.service.supervisor import Supervisor
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.sync.progress import ProgressBoard
    from retrovue_daemon.web.attempts import Attempts
    from retrovue_daemon.web.contacts import Contacts
    from retrovue_daemon.web.event_streams import EventStreams
    from retrovue_daemon.web.file_counts import FileCounts
    from retrovue_daemon.web.known_contents import KnownContents
    from retrovue_daemon.web.posters import Posters
    from retrovue_daemon.web.reading import ReadingPool
    from retrovue_daemon.web.sessions import Sessions
    from retrovue_daemon.web.static_files import StaticFiles
    from retrovue_daemon.web.tasks import Tasks
    from retrovue_daemon.web.template_engine import Templates


@dataclass(frozen=True, slots=True)
class Context:
    """The running daemon as the page sees it.

    Read from the database by ``reading``, which has connections of its own; write only by what commands use, too.
    """

    supervisor: Supervisor
    redactor: Redactor
    clock: Clock
    reading: ReadingPool
    contents: KnownContents
    sessions: Sessions
    attempts: Attempts
    pulse: Pulse
    templates: Templates
    static: StaticFiles
    streams: EventStreams
    posters: Posters
    contacts: Contacts
    tasks: Tasks
    file_counts: FileCounts
    started_at: int
    """When the page was started, in Unix seconds."""

    @property
    def config(self) -> Config:
        """The configuration in force; a reload replaces it."""
        return self.supervisor.config

    @property
    def web(self) -> WebSection:
        """``[web]`` in force."""
        return self.supervisor.config.web

    @property
    def database(self) -> Database:
        """The open database; its writer is for small transactions."""
        return self.supervisor.database

    @property
    def path(self) -> Path:
        """The database file."""
        return self.supervisor.database.path

    @property
    def board(self) -> ProgressBoard:
        """The progress of running passes."""
        return self.supervisor.board

    async def status(self) -> Status:
        """Return what ``retrovue-daemon status`` shows. Raise StoreError."""
        return await self.reading.run(self.status_in)

    def status_in(self, connection: sqlite3.Connection) -> Status:
        """Return the same from an open database."""
        config = self.config
        return status_in(
            connection, self.path, self._holder, config.sync, config.wants_details, contents=self.contents.read
        )

    def condition_in(self, connection: sqlite3.Connection) -> Condition:
        """Return only what can be wrong, from an open database."""
        return condition_in(connection, self.path, self._holder)

    @property
    def _holder(self) -> Holder:
        """This process, which is the daemon."""
        return Holder(held=True, pid=os.getpid(), serves=True)


CONTEXT: web.AppKey[Context] = web.AppKey("context")


def context_of(request: web.Request) -> Context:
    """Return the context of a request."""
    return request.config_dict[CONTEXT]
