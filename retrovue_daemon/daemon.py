"""The composition root: opens everything in order, keeps it going, and closes it in the reverse order."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from retrovue_daemon import __version__
from retrovue_daemon.config import default_database_path, server_from_row
from retrovue_daemon.errors import ConfigError, DaemonError, Interrupted, UnknownServer
from retrovue_daemon.plex.retries import RetryPolicy
from retrovue_daemon.progress import ProgressBoard
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.servers import ServerEntry, reconcile_servers, servers
from retrovue_daemon.supervisor import Supervisor
from retrovue_daemon.sync.targets import PassSettings
from retrovue_daemon.worker import EVERYTHING, ActiveServer, Selection, ServerReport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from retrovue_daemon.config import Config
    from retrovue_daemon.logs import Redactor
    from retrovue_daemon.store.database import Database

log = structlog.get_logger()
T = TypeVar("T")

PATIENT = RetryPolicy()


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What one ``sync`` command asks for; None means every server, or every library."""

    server: str | None = None
    selection: Selection = EVERYTHING
    accept_removals: bool = False


async def run(config: Config, redactor: Redactor) -> None:
    """Keep the database in step until SIGTERM or SIGINT: the work of the service."""
    with _signals() as stop:
        log.info("daemon.starting", version=__version__)
        try:
            await _until_stopped(stop, _keep_in_step(config, redactor))
        except Interrupted as interrupted:
            log.info("daemon.stopped", signal=interrupted.name)


async def _keep_in_step(config: Config, redactor: Redactor) -> None:
    async with _composed(config, SyncOptions(), ProgressBoard(), redactor) as composed:
        names = [server.section.name for server in composed.supervisor.servers]
        log.info("daemon.started", database=str(composed.database.path), servers=names)
        if not names:
            log.warning("daemon.no_servers", hint="add a [[servers]] table to the configuration, and restart")
        try:
            await _with_writer(composed.database, composed.supervisor.run())
        except asyncio.CancelledError:
            log.info("daemon.stopping")
            raise


async def sync_once(
    config: Config,
    options: SyncOptions,
    board: ProgressBoard,
    redactor: Redactor,
    *,
    retry: RetryPolicy = PATIENT,
) -> list[ServerReport]:
    """Do one round of passes and report on each server.

    Raises UnknownServer where no active server has the name that was asked for, Interrupted where SIGTERM or SIGINT
    ended the round early.
    """

    async def one_round() -> list[ServerReport]:
        async with _composed(config, options, board, redactor, retry) as composed:
            reports = await _with_writer(composed.database, composed.supervisor.sync_once(options.selection))
            return [*reports, *composed.unusable]

    with _signals() as stop:
        return await _until_stopped(stop, one_round())


@dataclass(frozen=True, slots=True)
class _Composed:
    """Everything that is open; ``unusable`` are servers of the database whose rows cannot be used."""

    database: Database
    supervisor: Supervisor
    unusable: tuple[ServerReport, ...]


@asynccontextmanager
async def _composed(
    config: Config,
    options: SyncOptions,
    board: ProgressBoard,
    redactor: Redactor,
    retry: RetryPolicy = PATIENT,
) -> AsyncIterator[_Composed]:
    """Open the database, learn which servers there are, and make the supervisor that syncs them."""
    place = config.database
    own_place = place.path == default_database_path(os.environ)
    async with open_database(place.path, mode=place.mode, group=place.group, own_place=own_place) as database:
        chosen, unusable = await _active_servers(config, database)
        for server in chosen:
            redactor.learn(server.section.token.reveal())
        if options.server is not None:
            names = [server.section.name for server in chosen] + [report.server for report in unusable]
            chosen = [server for server in chosen if server.section.name == options.server]
            unusable = [report for report in unusable if report.server == options.server]
            if not chosen and not unusable:
                raise UnknownServer(options.server, names)
        settings = PassSettings(
            page_size=config.sync.page_size,
            batch_size=place.batch_size,
            max_removed=config.sync.max_removed,
            accept_removals=options.accept_removals,
        )
        supervisor = Supervisor(
            database,
            chosen,
            settings,
            config.sync,
            board,
            retry,
        )
        yield _Composed(database, supervisor, tuple(unusable))


async def _active_servers(config: Config, database: Database) -> tuple[list[ActiveServer], list[ServerReport]]:
    """Return the configuration's servers, then those that only the database defines, and a report of bad rows.

    A row that cannot be used costs the others nothing.
    """
    entries = [ServerEntry(section.name, section.url, section.path_mappings) for section in config.servers]
    now = int(time.time())
    await database.writer.write(lambda connection: reconcile_servers(connection, entries, now))
    rows = {row.name: row for row in await servers(database.reader)}
    found = [ActiveServer(rows[section.name].id, section) for section in config.servers]
    named = {section.name for section in config.servers}
    unusable = []
    for row in rows.values():
        if row.source != "database" or not row.is_active or row.name in named:
            continue
        try:
            section = server_from_row(row.name, row.url, row.token or "")
        except ConfigError as error:
            log.error("server.invalid", server=row.name, error=str(error))
            unusable.append(ServerReport(row.name, error))
        else:
            found.append(ActiveServer(row.id, section))
    return found, unusable


async def _until_stopped(stop: asyncio.Future[int], work: Coroutine[Any, Any, T]) -> T:
    """Do the work until it is done or a signal arrives; raises Interrupted after it has cleaned up."""
    task = asyncio.create_task(work, name="work")
    ends: list[asyncio.Future[Any]] = [task, stop]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return await task
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception):
            log.error("daemon.crashed", error=str(ended), exc_info=None if isinstance(ended, DaemonError) else ended)
        raise Interrupted(stop.result())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _with_writer(database: Database, work: Coroutine[Any, Any, T]) -> T:
    """Do the work as long as the writer lives, which no work survives."""
    task = asyncio.create_task(work, name="supervisor")
    writer = asyncio.create_task(database.writer.stopped(), name="the writer's end")
    ends: list[asyncio.Future[Any]] = [task, writer]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await writer
        return await task
    finally:
        task.cancel()
        writer.cancel()
        await asyncio.gather(task, writer, return_exceptions=True)


@contextmanager
def _signals() -> Iterator[asyncio.Future[int]]:
    """Give a future that becomes the number of the first SIGTERM or SIGINT that arrives.

    SIGHUP and SIGUSR1 would end the process by default; they are logged and do nothing yet.
    """
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[int] = loop.create_future()

    def arrived(number: int) -> None:
        if not stop.done():
            stop.set_result(number)

    def not_yet(number: int) -> None:
        log.warning(
            "daemon.signal_ignored", signal=signal.Signals(number).name, hint="restart to reload or to sync now"
        )

    handlers = {signal.SIGTERM: arrived, signal.SIGINT: arrived, signal.SIGHUP: not_yet, signal.SIGUSR1: not_yet}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler, number)
    try:
        yield stop
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
