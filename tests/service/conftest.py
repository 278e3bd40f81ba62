"""The inside of the service in this process: real servers and files, and a clock that a test moves."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import structlog
from aiohttp import web

from retrovue_daemon.clock import Clock
from retrovue_daemon.config import parse_config
from retrovue_daemon.demo import SimulatedPlex
from retrovue_daemon.demo.changes import Changes
from retrovue_daemon.demo.world import World
from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service.supervisor import Supervisor
from retrovue_daemon.sources.plex.retries import RetryPolicy
from retrovue_daemon.store.database import open_database
from retrovue_daemon.sync.progress import ProgressBoard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from retrovue_daemon.config import Config
    from retrovue_daemon.store.database import Database

PATIENCE_S = 20
"""Seconds after which a test gives up on what it waits for."""

IMPATIENT = RetryPolicy(attempts=2, wait_initial=0, wait_max=0)
"""Every retry happens, none is waited for."""


class FakeClock(Clock):
    """A clock on which no time passes but what a test lets pass. Wall time is apart: it can be set."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.wall = 1_800_000_000
        self._sleepers: dict[asyncio.Future[None], tuple[str, float]] = {}
        self._fallen_asleep = asyncio.Event()

    def now(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers[woken] = task.get_name(), self.time + seconds
        self._fallen_asleep.set()
        try:
            await woken
        finally:
            del self._sleepers[woken]

    async def asleep(self, name: str) -> float:
        """Wait until the task of that name sleeps, and give the time at which it will wake up."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for woken, (sleeper, until) in self._sleepers.items():
                    if sleeper == name and not woken.done():
                        return until
                self._fallen_asleep.clear()
                await self._fallen_asleep.wait()

    def advance(self, seconds: float) -> None:
        self.time += seconds
        for woken, (_, until) in self._sleepers.items():
            if until <= self.time and not woken.done():
                woken.set_result(None)

    async def wake(self, name: str) -> None:
        """Let the time pass until the task of that name wakes up."""
        self.advance(max(0.0, await self.asleep(name) - self.time))

    async def tick(self, name: str = "supervisor") -> None:
        """Let the task of that name wake up, do its work and fall asleep again."""
        await self.wake(name)
        await self.asleep(name)


class Events:
    """The log lines of this process, as they come."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._read = 0
        self._arrived = asyncio.Event()

    def __call__(self, _logger: object, method: str, line: MutableMapping[str, Any]) -> NoReturn:
        """Work as a structlog processor."""
        self.lines.append({"level": method, **line})
        self._arrived.set()
        raise structlog.DropEvent

    async def next(self, event: str, **keys: object) -> dict[str, Any]:
        """Wait for the next line that says this; lines before it are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while self._read < len(self.lines):
                    line = self.lines[self._read]
                    self._read += 1
                    if line["event"] == event and all(line.get(key) == value for key, value in keys.items()):
                        return line
                self._arrived.clear()
                await self._arrived.wait()

    async def count(self, number: int, event: str, **keys: object) -> list[dict[str, Any]]:
        """Wait for so many lines that say this."""
        return [await self.next(event, **keys) for _ in range(number)]

    def of(self, event: str, **keys: object) -> list[dict[str, Any]]:
        """Return all lines so far that say this."""
        return [
            line
            for line in self.lines
            if line["event"] == event and all(line.get(key) == value for key, value in keys.items())
        ]


class Gauge:
    """How many libraries of all servers, and how many requests to each, were being answered at once, at most."""

    def __init__(self) -> None:
        self.libraries = 0
        self.requests: Counter[str] = Counter()
        self._libraries: Counter[tuple[str, str]] = Counter()
        self._requests: Counter[str] = Counter()

    def begin(self, server: str, library: str | None) -> None:
        self._requests[server] += 1
        self.requests[server] = max(self.requests[server], self._requests[server])
        if library is not None:
            self._libraries[server, library] += 1
            self.libraries = max(self.libraries, sum(number > 0 for number in self._libraries.values()))

    def end(self, server: str, library: str | None) -> None:
        self._requests[server] -= 1
        if library is not None:
            self._libraries[server, library] -= 1


class MeasuredPlex(SimulatedPlex):
    """A simulated server that measures what is asked of it at once, and over which connections."""

    def __init__(self, world: World, gauge: Gauge, **options: Any) -> None:
        super().__init__(world, **options)
        self.gauge = gauge
        self.connections: list[object] = []
        """The other ends of all connections, in the order of their first requests."""
        self._arrived = asyncio.Event()

    async def asked(self, path: str, times: int = 1) -> None:
        """Wait until a path was asked for so often."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.requests_for(path)) < times:
                self._arrived.clear()
                await self._arrived.wait()

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peername")
        if peer not in self.connections:
            self.connections.append(peer)
        section = request.path.removeprefix("/library/sections/").split("/")
        library = section[0] if request.path.startswith("/library/sections/") and len(section) > 1 else None
        self.gauge.begin(self.url, library)
        try:
            answering = super()._record(request, handler)
            self._arrived.set()
            return await answering
        finally:
            self.gauge.end(self.url, library)


def film_world(*titles: str, name: str = "Roxy") -> World:
    """Make a server's world with a library of two films for each title."""
    world = World(name=name, machine_identifier=f"machine of {name}")
    changes = Changes(world)
    for title in titles:
        library = changes.add_library("movie", title, f"/srv/{title.lower()}")
        for number in (1, 2):
            changes.add_movie(library.key, f"{title} {number}", 1920 + number)
    return world


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

    def make(*servers: dict[str, object], **sections: object) -> Config:
        return parse_config({"database": {"path": str(path)}, "servers": list(servers), **sections}, environ={})

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
    """Change the database as another program would, which waits where somebody else is writing."""

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
    before = structlog.get_config()
    recorder = Events()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, recorder],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    yield recorder
    structlog.configure(**before)


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
