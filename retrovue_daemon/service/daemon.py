"""The composition root: opens everything in order, runs it, and closes it in reverse order."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import structlog

from retrovue_daemon.clock import Clock
from retrovue_daemon.config import default_database
from retrovue_daemon.errors import DaemonError, DatabaseHeld, DatabaseRestored, Interrupted
from retrovue_daemon.service.background import DaemonParts, in_background
from retrovue_daemon.service.feed_retention import keep_feed_short, shorten_feed
from retrovue_daemon.service.page_check import check_pages_daily
from retrovue_daemon.service.publishing import Publishers, publishing
from retrovue_daemon.service.reload import Reloader
from retrovue_daemon.service.selection import EVERYTHING, Selection
from retrovue_daemon.service.signals import Signals
from retrovue_daemon.service.supervisor import Supervisor
from retrovue_daemon.service.systemd import keep_extending_timeout
from retrovue_daemon.service.systemd_status import beat, show_status
from retrovue_daemon.service.word_index import index_words_after_sync, keep_words_indexed
from retrovue_daemon.sources.plex.retries import RetryPolicy
from retrovue_daemon.store.database import open_database
from retrovue_daemon.sync.progress import ProgressBoard
from retrovue_daemon.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from retrovue_daemon.config import Config
    from retrovue_daemon.logs.setup import Redactor
    from retrovue_daemon.service.reload import Process
    from retrovue_daemon.service.report import ServerReport
    from retrovue_daemon.service.systemd import Notifier
    from retrovue_daemon.store.database import Database

log = structlog.get_logger()
T = TypeVar("T")

PATIENT = RetryPolicy()

LONGEST_STOP_S = 60.0
"""Seconds by which systemd's stop timeout is extended. A stop should take ten; one that takes longer is hung."""


HELD_S = 1.0
"""Seconds between two attempts to open a restored database that another process holds for a while."""


class SyncOptions(msgspec.Struct, frozen=True):
    """The selection of one ``sync`` command; ``server`` is None for all servers."""

    server: str | None = None
    selection: Selection = EVERYTHING


async def run(config: Config, process: Process) -> None:
    """Keep the database in sync until SIGTERM or SIGINT: the work of the service."""
    with Signals() as signals:
        log.info("daemon.starting", version=__version__)
        signals.stop.add_done_callback(lambda _: _report_stopping(process.notifier))
        stopping = asyncio.create_task(_extend_stop_timeout(signals.stop, process.notifier), name="stop")
        try:
            await _until_stopped(signals.stop, _keep_in_sync_after_restores(config, process, signals))
        except Interrupted as interrupted:
            log.info("daemon.stopped", signal=interrupted.name)
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)


async def _keep_in_sync_after_restores(config: Config, process: Process, signals: Signals) -> None:
    """Keep the database in sync; once its content has been restored from a copy, begin anew with what is there."""
    is_restored = False
    while True:
        try:
            config = await _keep_in_sync(config, process, signals)
            is_restored = True
        except DatabaseHeld:
            if not is_restored:
                raise
            # The lock was free for a moment, and a `sync` took it.
            await asyncio.sleep(HELD_S)


async def _keep_in_sync(config: Config, process: Process, signals: Signals) -> Config:
    """Keep the database in sync until it is restored; return the configuration that is in force then."""
    notifier, redactor, clock = process.notifier, process.redactor, Clock()
    supervisor: Supervisor | None = None
    starting = asyncio.create_task(keep_extending_timeout(notifier, clock), name="start")
    try:
        async with (
            _opened(config, serves=True) as database,
            publishing(Publishers(database, process.subscriptions, redactor, clock), config) as publishers,
            _supervised(config, database, process, clock) as supervisor,
            asyncio.TaskGroup() as group,
        ):
            reloader = Reloader(process, supervisor, clock, publishers)
            group.create_task(database.writer.stopped(), name="the writer's end")
            group.create_task(supervisor.run(), name="supervisor")
            await supervisor.started.wait()
            starting.cancel()
            _log_started(supervisor)
            notifier.ready()
            group.create_task(reloader.serve(signals.reload), name="reloads")
            group.create_task(_sync_on_signal(signals.sync_now, supervisor), name="SIGUSR1")
            group.create_task(beat(notifier, database.writer, clock), name="watchdog")
            group.create_task(show_status(notifier, supervisor, redactor, clock), name="status")
            group.create_task(check_pages_daily(database, clock), name="check of pages")
            group.create_task(keep_words_indexed(database, supervisor.board, clock), name="index of words")
            group.create_task(keep_feed_short(supervisor, clock), name="retention of the change feed")
    except DatabaseRestored:
        log.info("store.restored", database=str(config.database.path))
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    return config if supervisor is None else supervisor.config


@asynccontextmanager
async def _supervised(
    config: Config, database: Database, process: Process, clock: Clock
) -> AsyncIterator[Supervisor]:
    """Make the supervisor, and run the background service beside it."""
    supervisor = Supervisor(database, config, ProgressBoard(), process.redactor, retry=PATIENT, clock=clock)
    async with in_background(process.background, DaemonParts(supervisor, process.redactor, clock)):
        yield supervisor


def _report_stopping(notifier: Notifier) -> None:
    log.info("daemon.stopping")
    notifier.stopping("stopping: writing what was read")


async def _extend_stop_timeout(stop: asyncio.Future[int], notifier: Notifier) -> None:
    await asyncio.wait([stop])
    await keep_extending_timeout(notifier, Clock(), LONGEST_STOP_S)


def _log_started(supervisor: Supervisor) -> None:
    names = list(supervisor.workers)
    log.info("daemon.started", database=str(supervisor.database.path), servers=names)
    if not names:
        log.warning("daemon.no_servers", hint="add a [[servers]] table to the configuration and reload")


async def _sync_on_signal(requested: asyncio.Event, supervisor: Supervisor) -> None:
    while True:
        await requested.wait()
        requested.clear()
        log.info("sync.requested")
        supervisor.sync_now()


async def sync_once(
    config: Config,
    options: SyncOptions,
    board: ProgressBoard,
    redactor: Redactor,
    *,
    retry: RetryPolicy = PATIENT,
) -> list[ServerReport]:
    """Sync the selection once and return a report per server.

    Raises UnknownServer if no active server has the given name, DatabaseHeld if another process syncs this database,
    Interrupted if SIGTERM or SIGINT ended the work early.
    """

    async def work() -> list[ServerReport]:
        clock = Clock()
        began = clock.monotonic()
        async with _opened(config) as database:
            supervisor = Supervisor(database, config, board, redactor, retry=retry)
            reports = await database.writer.guard(supervisor.sync_once(options.selection, options.server))
            await database.writer.guard(shorten_feed(supervisor))
            if options.selection.details:
                await database.writer.guard(index_words_after_sync(database, clock, began))
            return reports

    with Signals() as signals:
        return await _until_stopped(signals.stop, work())


@asynccontextmanager
async def kept_in_sync(config: Config, redactor: Redactor) -> AsyncIterator[Supervisor]:
    """Keep the database in sync as long as the context is open, without the signals and notices of a service.

    Raises DatabaseHeld if another process syncs this database.
    """
    async with _opened(config, serves=True) as database:
        supervisor = Supervisor(database, config, ProgressBoard(), redactor, retry=PATIENT)
        running = asyncio.create_task(supervisor.run(), name="supervisor")
        started = asyncio.create_task(supervisor.started.wait(), name="start")
        try:
            await asyncio.wait([running, started], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await _unwrapped(running)
            yield supervisor
        finally:
            for task in (running, started):
                task.cancel()
            await asyncio.gather(running, started, return_exceptions=True)


@asynccontextmanager
async def _opened(config: Config, *, serves: bool = False) -> AsyncIterator[Database]:
    place = config.database
    own_place = place.path == default_database(os.environ).path
    async with open_database(
        place.path, mode=place.mode, group=place.group, own_place=own_place, serves=serves
    ) as database:
        yield database


async def _until_stopped(stop: asyncio.Future[int], work: Coroutine[Any, Any, T]) -> T:
    """Run until the work is done or a signal arrives. Raises Interrupted after the clean-up."""
    task = asyncio.create_task(work, name="work")
    ends: list[asyncio.Future[Any]] = [task, stop]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return await _unwrapped(task)
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception):
            log.error("daemon.crashed", error=str(ended), exc_info=None if isinstance(ended, DaemonError) else ended)
        raise Interrupted(stop.result())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _unwrapped(task: asyncio.Task[T]) -> T:
    """Return a task's result; an error wrapped by a task group is raised without the wrapper."""
    try:
        return await task
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
