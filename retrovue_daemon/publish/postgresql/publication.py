"""What [postgresql] says: one publisher, none, or another one after a reload."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from retrovue_daemon.config.conninfo import secrets_in
from retrovue_daemon.errors import StoreError
from retrovue_daemon.publish.postgresql.publisher import publish
from retrovue_daemon.store.tables.publishing import forget_report

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import PostgresqlSection
    from retrovue_daemon.logs.redaction import Redactor
    from retrovue_daemon.store.database import Database

log = structlog.get_logger()

AFTER_CRASH_S: Final = 60.0
"""Seconds until a publisher that ended by an unexpected error is started again."""


class Publication:
    """Keeps the publisher of the latest configuration running. Nothing that happens to it reaches anything else."""

    def __init__(self, database: Database, redactor: Redactor, clock: Clock) -> None:
        self._database = database
        self._redactor = redactor
        self._clock = clock
        self._section: PostgresqlSection | None = None
        self._changed = asyncio.Event()
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    def apply(self, section: PostgresqlSection) -> None:
        """Publish as a configuration says from now on; a publisher that it does not change goes on."""
        if section == self._section:
            return
        for secret in secrets_in(section.url.reveal()) if section.url is not None else ():
            self._redactor.learn(secret)
        self._section = section
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="publication")

    async def stop(self) -> None:
        """End within seconds."""
        self._is_stopping = True
        self._changed.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        """Publish one section after the other: a publisher begins once the one before has ended.

        A publisher may need seconds to end, in which the configuration may change again: the last one counts.
        """
        while not self._is_stopping and self._section is not None:
            self._changed.clear()
            publishing = asyncio.create_task(self._publish(self._section), name="postgresql")
            try:
                await self._changed.wait()
            finally:
                publishing.cancel()
                await asyncio.wait([publishing])

    async def _publish(self, section: PostgresqlSection) -> None:
        if section.url is None:
            with suppress(StoreError):
                await self._database.writer.run(forget_report)
        while section.url is not None:
            try:
                await publish(self._database, section, self._clock)
            except Exception as error:
                log.exception("postgresql.crashed", error=type(error).__name__)
            await self._clock.sleep(AFTER_CRASH_S)
