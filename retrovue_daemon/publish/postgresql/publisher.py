"""Keeping PostgreSQL in step with the mirror while the daemon runs, in a thread of its own.

The thread has its own connections, so neither a slow target nor a long fill holds up the event loop or a pass.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Never

import msgspec
import structlog

from retrovue_daemon.config.conninfo import secrets_in
from retrovue_daemon.config.postgresql import found_again
from retrovue_daemon.errors import ConfigError, StoreError
from retrovue_daemon.errors.publish import PublishError, PublishRefused
from retrovue_daemon.logs.setup import redactor_in_use
from retrovue_daemon.publish.postgresql.target import Target
from retrovue_daemon.publish.postgresql.worker import Progress, RolledBack, Worker
from retrovue_daemon.store.feed.recording import last_entry
from retrovue_daemon.store.file.epoch import begin_epoch, log_epoch
from retrovue_daemon.store.tables.publishing import (
    PublishReport,
    ResyncRequest,
    end_resync,
    mirror_id,
    store_report,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import PostgresqlSection
    from retrovue_daemon.publish.postgresql.following import Step
    from retrovue_daemon.store.database import Database

log = structlog.get_logger()

STORED_EVERY_S: Final = 2.0
"""Seconds between two reports of progress in the database, which are writes themselves."""

LOGGED_EVERY_S: Final = 60
"""Seconds between two lines about the progress of a copy of all rows."""

FIRST_RETRY_S: Final = 2.0
LONGEST_RETRY_S: Final = 60.0

STOP_S: Final = 3.0
"""Seconds that a statement which was cancelled has to end."""


async def publish(database: Database, section: PostgresqlSection, clock: Clock) -> Never:
    """Publish to the configured database until the task is cancelled; ``section`` has a ``url``."""
    if section.url is None:
        raise ValueError(section)
    await Publisher(database, Target(section.url, section.schema, section.origin or ""), clock).run()


class _Trouble(NamedTuple):
    error: str
    hint: str | None
    since: int


class Publisher:
    """Publishes one mirror to one target until its task is cancelled; trouble is logged at its begin and end.

    A target without an ``origin`` gets the mirror's own id as its origin.
    """

    def __init__(self, database: Database, target: Target, clock: Clock) -> None:
        self._database = database
        self._target = target
        self._clock = clock
        self._trouble: _Trouble | None = None
        self._served: ResyncRequest | None = None
        self._latest: Step | None = None
        self._stored: PublishReport | None = None
        self._progress: Progress | None = None
        self._logged = 0
        self._changed = asyncio.Event()
        self._known: int | None = None
        """The newest entry of the feed at the start, until the target has been found to be no further."""

    async def run(self) -> Never:
        """Publish, and try again after trouble, without end."""
        pause = FIRST_RETRY_S
        while True:
            reached = self._latest
            try:
                if self._known is None and self._latest is None:
                    self._known = await self._database.reader.run(last_entry)
                await self._publish()
            except (PublishError, StoreError, sqlite3.Error) as error:
                if self._latest is not reached:
                    pause = FIRST_RETRY_S
                await self._begin_trouble(error)
                if isinstance(error, PublishError) and not error.is_passing:
                    pause = LONGEST_RETRY_S
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_RETRY_S)

    async def _publish(self) -> None:
        loop = asyncio.get_running_loop()
        await self._find_address()
        own_id = await self._database.writer.run(mirror_id)
        self._target = msgspec.structs.replace(self._target, origin=self._target.origin or own_id)

        def report(step: Step, seconds: float, served: ResyncRequest | None) -> None:
            loop.call_soon_threadsafe(self._note, step, seconds, served)

        def advance(progress: Progress) -> None:
            loop.call_soon_threadsafe(self._note_progress, progress)

        worker = Worker(self._database.path, self._target, own_id, report, advance, self._known)
        work = loop.create_future()
        work.add_done_callback(lambda done: done.cancelled() or done.exception())
        thread = threading.Thread(target=_into(loop, work, worker.run), name="postgresql", daemon=True)
        thread.start()
        storing = asyncio.create_task(self._keep_reported(), name="postgresql: report")
        try:
            await asyncio.shield(work)
        except RolledBack:
            # The readers of the feed cannot see that, nor which ids were assigned: a snapshot was put back.
            await self._database.writer.run(begin_epoch)
            log_epoch(self._database.path)
        finally:
            storing.cancel()
            if not work.done():
                await asyncio.to_thread(worker.stop)
                await asyncio.wait([work], timeout=STOP_S)
            await asyncio.gather(storing, return_exceptions=True)

    async def _find_address(self) -> None:
        """Read the file with the address again, if it could not be read. Raise PublishRefused if it still cannot."""
        try:
            url = await asyncio.to_thread(found_again, self._target.url)
        except ConfigError as error:
            detail = "; ".join(str(problem) for problem in error.problems)
            raise PublishRefused(detail, hint="put the file back; it is read again at each try") from None
        for secret in secrets_in(url.reveal()) if url is not self._target.url else ():
            redactor_in_use().learn(secret)
        self._target = msgspec.structs.replace(self._target, url=url)

    def _note_progress(self, progress: Progress) -> None:
        if self._progress is None:
            self._logged = self._clock.now()
        elif self._clock.now() - self._logged >= LOGGED_EVERY_S:
            self._logged = self._clock.now()
            log.info("postgresql.filling", rows=progress.rows, total=progress.total)
        self._progress = progress
        self._changed.set()

    def _note(self, step: Step, seconds: float, served: ResyncRequest | None) -> None:
        self._latest, self._known = step, None
        self._progress = None
        self._served = served or self._served
        if self._trouble is not None:
            log.info(
                "postgresql.recovered", schema=self._target.schema, seconds=self._clock.now() - self._trouble.since
            )
            self._trouble = None
        if step.filled:
            log.info("postgresql.filled", rows=step.rows, seq=step.state.seq, duration_s=round(seconds, 3))
        elif step.rows:
            log.debug("postgresql.published", rows=step.rows, seq=step.state.seq, duration_s=round(seconds, 3))
        self._changed.set()

    async def _begin_trouble(self, error: Exception) -> None:
        hint = getattr(error, "hint", None)
        self._progress = None
        if self._trouble is None or self._trouble.error != str(error):
            since = self._clock.now() if self._trouble is None else self._trouble.since
            is_first = self._trouble is None
            self._trouble = _Trouble(str(error), hint, since)
            if is_first:
                log.warning("postgresql.failed", error=str(error), hint=hint)
            else:
                log.debug("postgresql.failed", error=str(error), hint=hint)
        await self._store()

    async def _keep_reported(self) -> Never:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._store()
            await self._clock.sleep(STORED_EVERY_S)

    async def _store(self) -> None:
        trouble, progress = self._trouble, self._progress
        report = PublishReport(
            self._target.schema,
            self._target.origin,
            None if self._latest is None else self._latest.state.seq,
            0,
            None if trouble is None else trouble.error,
            None if trouble is None else trouble.hint,
            None if trouble is None else trouble.since,
            None if progress is None else progress.rows,
            None if progress is None else progress.total,
        )
        served, self._served = self._served, None
        if report == self._stored and served is None:
            return
        self._stored = report
        timed = msgspec.structs.replace(report, at=self._clock.now())
        try:
            await self._database.writer.run(_stored, timed, served)
        except StoreError:
            # A full disk, for example. The next report says the same.
            self._stored, self._served = None, served


def _stored(connection: sqlite3.Connection, report: PublishReport, served: ResyncRequest | None) -> None:
    store_report(connection, report)
    if served is not None:
        end_resync(connection, served)


def _into(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[None], work: Callable[[], None]
) -> Callable[[], None]:
    """Return a function for a thread that sets a future to the end of the work."""

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the future is awaited
            _call(future.set_exception, error)
        else:
            _call(future.set_result, None)

    def _call(setter: Callable[..., None], value: object) -> None:
        def settle() -> None:
            if not future.done():
                setter(value)

        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle)

    return run
