"""Hooks over a real database, with a receiver on loopback and waits of milliseconds."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from aiohttp import web

from retrovue_daemon.clock import Clock
from retrovue_daemon.config import parse_config
from retrovue_daemon.logs.redaction import Redactor
from retrovue_daemon.logs.subscriptions import Subscriptions
from retrovue_daemon.publish.hooks import follower, hooks
from retrovue_daemon.records import Kind
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.feed.recording import record
from tests.support.logs import Events
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from retrovue_daemon.config import HookSection
    from retrovue_daemon.store.database import Database


class Receiver:
    """A web server that stores what it gets; ``statuses`` are its next responses, 204 by default."""

    def __init__(self) -> None:
        self.requests: list[tuple[web.Request, bytes]] = []
        self.statuses: deque[int] = deque()
        self.headers: dict[str, str] = {}
        self.url = ""
        self.held: asyncio.Event | None = None
        """If it is set, responses wait for it."""
        self._read = 0
        self._arrived = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append((request, body))
        self._arrived.set()
        if self.held is not None:
            await self.held.wait()
        return web.Response(status=self.statuses.popleft() if self.statuses else 204, headers=self.headers)

    async def next(self) -> dict[str, Any]:
        """Wait for the next body."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.requests) <= self._read:
                self._arrived.clear()
                await self._arrived.wait()
        self._read += 1
        return json.loads(self.requests[self._read - 1][1])


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    received = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", received.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    received.url = f"http://{host}:{port}/hook"
    yield received
    if received.held is not None:
        received.held.set()
    await runner.cleanup()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with open_database(path) as opened:
        yield opened


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for changes and try again within milliseconds."""
    monkeypatch.setattr(hooks, "WATCH_S", 0.005)
    monkeypatch.setattr(follower, "FIRST_BACKOFF_S", 0.005)
    monkeypatch.setattr(follower, "LONGEST_BACKOFF_S", 0.02)
    monkeypatch.setattr(follower, "LASTING_BACKOFF_S", 0.005)


@pytest.fixture
def events() -> Iterator[Events]:
    found = Events()
    with structlog.testing.capture_logs():
        structlog.configure(processors=[found])
        yield found


def hook(**keys: object) -> dict[str, object]:
    """Make a table of a hook for changes, which are sent at once."""
    return {"name": "a", "on": ["changes"], "wait": "0s", **keys}


def sections(*tables: dict[str, object], base: Path | None = None) -> tuple[HookSection, ...]:
    return parse_config({"hooks": list(tables)}, environ={}, base_dir=base).hooks


@pytest.fixture
async def start(database: Database) -> AsyncIterator[Callable[..., Any]]:
    """Start hooks as a daemon does; a second call does it as the next one would."""
    async with AsyncExitStack() as stack:

        async def begin(*tables: dict[str, object], clock: Clock | None = None) -> hooks.Hooks:
            made = hooks.Hooks(database, Subscriptions(), Redactor(), clock or Clock())
            stack.push_async_callback(made.stop)
            await made.apply(sections(*tables))
            return made

        yield begin


@pytest.fixture
def change(database: Database) -> Callable[..., Any]:
    """Write entries of the feed: for so many films, or for films of these ids."""

    async def write(ids: int | list[int] = 1, op: str = "added") -> None:
        numbers = range(1, ids + 1) if isinstance(ids, int) else ids
        await database.writer.run(lambda c: record(c, Kind.MOVIE, op, numbers))  # type: ignore[arg-type]  # a text

    return write


@pytest.fixture
def stored(database: Database) -> Callable[..., Any]:
    """Read from the database until a query returns what is expected."""

    async def read(sql: str, expected: object) -> None:
        found: object = None
        async with asyncio.timeout(PATIENCE_S):
            while found != expected:
                rows = await database.reader.execute_fetchall(sql)
                found = [tuple(row) for row in rows]
                await asyncio.sleep(0)

    return read


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port on which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]
