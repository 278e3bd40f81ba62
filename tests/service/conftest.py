"""The service in this process, with real servers and files, and a clock that a test moves."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.config import parse_config
from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service.selection import EVERYTHING
from retrovue_daemon.service.supervisor import Supervisor
from retrovue_daemon.service.sync_request import request_sync
from retrovue_daemon.store.database import open_database
from retrovue_daemon.sync.progress import ProgressBoard
from tests.support.clocks import FakeClock
from tests.support.logs import Events, events_recorded
from tests.support.patience import IMPATIENT, PATIENCE_S
from tests.support.servers import Gauge, MeasuredPlex, film_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from retrovue_daemon.config import Config
    from retrovue_daemon.demo import SimulatedPlex
    from retrovue_daemon.service.selection import Selection
    from retrovue_daemon.service.signals import Signals
    from retrovue_daemon.sources.plex.retries import RetryPolicy
    from retrovue_daemon.store.database import Database


@dataclass(slots=True)
class Service:
    """A supervisor that runs."""

    supervisor: Supervisor
    clock: FakeClock
    events: Events
    database: Database
    board: ProgressBoard
    task: asyncio.Task[None]
    opened: AsyncExitStack

    def passes(self, server: str, library: str) -> asyncio.Task[None]:
        """Return the task that does the passes over a library just now."""
        running = self.supervisor.workers[server]._running.values()
        return next(task for work, task in running if work.target.row.name == library)

    async def has_begun(self, server: str, libraries: int) -> None:
        """Wait until the passes of so many libraries ask for slots, or have them."""
        async with asyncio.timeout(PATIENCE_S):
            async for latest in self.board.watch():
                if [each.server for each in latest.running].count(server) == libraries:
                    break
        await asyncio.sleep(0)  # each task has its first turn

    async def noticed(self) -> None:
        """Let two looks at the database pass, and wait until local paths have followed what was found."""
        await self.clock.tick()
        await self.clock.tick()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name().startswith("paths ")))

    async def lose_patience(self) -> None:
        """Let the writer give up at once where another program has locked the database."""
        await self.database.writer._connection.execute("PRAGMA busy_timeout = 1")

    async def stop(self) -> None:
        """End it as the daemon does, and close the database."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.opened.aclose()


@pytest.fixture
def gauge() -> Gauge:
    return Gauge()


@pytest.fixture
async def start_plex(gauge: Gauge) -> AsyncIterator[Callable[..., Awaitable[MeasuredPlex]]]:
    """Start a simulated server with libraries of these titles."""
    async with AsyncExitStack() as stack:

        async def start(*titles: str, name: str = "Roxy") -> MeasuredPlex:
            plex = await stack.enter_async_context(MeasuredPlex(film_world(*titles, name=name), gauge))
            stack.callback(plex.faults.clear)
            return plex

        yield start


@pytest.fixture
async def plex(start_plex: Callable[..., Awaitable[MeasuredPlex]]) -> MeasuredPlex:
    """A server with three libraries."""
    return await start_plex("Comedies", "Dramas", "Westerns")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


def table(plex: SimulatedPlex, name: str = "home", **keys: object) -> dict[str, object]:
    """Make a table of a configuration for a simulated server."""
    return {"name": name, "url": plex.url, "token": plex.token, **keys}


@pytest.fixture
def config(path: Path) -> Callable[..., Config]:
    """Make a configuration of tables for servers; keyword arguments are the other tables."""

    def make(*servers: dict[str, object], **sections: dict[str, object]) -> Config:
        # Most tests count the requests of passes.
        tables = [{"details": False, **server} for server in servers]
        sections["sync"] = {"notifications": False, **sections.get("sync", {})}
        return parse_config({"database": {"path": str(path)}, "servers": tables, **sections}, environ={})

    return make


def _execute(path: Path, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        return connection.execute(sql, values).fetchall()


@pytest.fixture
def rows(path: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """Ask the database as another program would: over a connection of its own."""
    return lambda sql, *values: _execute(path, sql, values)


@pytest.fixture
def edit(path: Path) -> Callable[..., Awaitable[list[tuple[Any, ...]]]]:
    """Change the database as another program would, waiting for other writers."""

    async def work(sql: str, *values: object) -> list[tuple[Any, ...]]:
        return await asyncio.to_thread(_execute, path, sql, values)

    return work


@pytest.fixture
def locked(path: Path) -> Callable[[], AbstractAsyncContextManager[None]]:
    """Keep the database locked, as a program that writes and does not commit."""

    @asynccontextmanager
    async def lock() -> AsyncIterator[None]:
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
            await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
            try:
                yield
            finally:
                connection.execute("ROLLBACK")

    return lock


@pytest.fixture
def events() -> Iterator[Events]:
    """What is logged."""
    with events_recorded() as recorder:
        yield recorder


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def serve(
    path: Path, events: Events, clock: FakeClock
) -> AsyncIterator[Callable[[Config], Awaitable[Service]]]:
    """Run a supervisor by a configuration until the test ends."""
    async with AsyncExitStack() as stack:

        async def start(config: Config, retry: RetryPolicy = IMPATIENT) -> Service:
            opened = await stack.enter_async_context(AsyncExitStack())
            database = await opened.enter_async_context(open_database(path, serves=True))
            board = ProgressBoard()
            supervisor = Supervisor(database, config, board, Redactor(), retry=retry, clock=clock)
            task = asyncio.create_task(supervisor.run(), name="supervisor")
            service = Service(supervisor, clock, events, database, board, task, opened)
            stack.push_async_callback(service.stop)
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.wait(
                    [task, asyncio.create_task(supervisor.started.wait())], return_when=asyncio.FIRST_COMPLETED
                )
            if task.done():
                await task
            return service

        yield start


@pytest.fixture
async def ask(path: Path, clock: FakeClock) -> AsyncIterator[Callable[..., Awaitable[asyncio.Task[Any]]]]:
    """Begin a request, and let the daemon that runs take it."""
    tasks: list[asyncio.Task[Any]] = []

    async def begin(
        selection: Selection = EVERYTHING, board: ProgressBoard | None = None, signals: Signals | None = None
    ) -> asyncio.Task[Any]:
        asked = asyncio.Event()

        async def pause(_seconds: float) -> None:
            asked.set()
            await (asyncio.sleep if signals is None else signals.pause)(0.01)

        work = request_sync(path, selection, None, board or ProgressBoard(), pause=pause)
        tasks.append(asyncio.create_task(work))
        await asked.wait()
        await clock.tick()
        return tasks[-1]

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
