"""The library API as another program uses it: a simulated server, a database file, sometimes a daemon beside."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from retrovue_daemon import Database
from retrovue_daemon.api.importer import PlexImporter
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from tests.support.patience import IMPATIENT
from tests.support.processes import ALLOCATOR, DEVELOPMENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A program that has set up no logging of its own, of a user without a configuration."""
    monkeypatch.delenv("RETROVUE_DAEMON_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    logger = logging.getLogger("retrovue_daemon")
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    logger.handlers.clear()


@pytest.fixture
async def plex() -> AsyncIterator[SimulatedPlex]:
    async with SimulatedPlex(built_in_library()) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with Database(path) as opened:
        yield opened


@pytest.fixture
async def server_id(database: Database, plex: SimulatedPlex) -> int:
    return await database.add_plex_server("home", plex.url, plex.token)


@pytest.fixture
def importer(database: Database, server_id: int) -> PlexImporter:
    return PlexImporter(server_id, database, retry=IMPATIENT)


@pytest.fixture
def rows(path: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """Ask the database as another program would: by its file."""

    def query(sql: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    return query


@dataclass(slots=True)
class Calls:
    """Callbacks that remember what they were called with; the async one misses nothing, for it takes no time."""

    progress: list[tuple[Any, Any, Any]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    async def on_progress(
        self,
        library_progress: tuple[int, int, str] | None = None,
        item_progress: tuple[int, int, str] | None = None,
        message: str | None = None,
    ) -> None:
        self.progress.append((library_progress, item_progress, message))

    def on_status(self, message: str) -> None:
        self.messages.append(message)


@pytest.fixture
def calls() -> Calls:
    return Calls()


class Daemon:
    """A real process of the daemon, in which every warning is an error, too."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: asyncio.subprocess.Process | None = None
        self.events: list[dict[str, Any]] = []

    async def start(self, config: Path) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(*DEVELOPMENT, "-m", "retrovue_daemon", "run", "--config", str(config)),
            stdout=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(self._home), **ALLOCATOR},
            cwd=self._home,
            limit=2**20,
        )
        await self.event("daemon.started")

    async def event(self, *names: str, **details: object) -> dict[str, Any]:
        """Read log lines until one of these events comes, with these details."""
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            while line := await self._process.stdout.readline():
                event = json.loads(line)
                self.events.append(event)
                if event["event"] in names and details.items() <= event.items():
                    return event
        raise AssertionError(f"the daemon ended before {names}: {self.events}")

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.communicate()
            self._process = None


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    process = Daemon(tmp_path)
    yield process
    await process.stop()


@pytest.fixture
def config_file(tmp_path: Path, path: Path) -> Callable[..., Path]:
    """Write a configuration that defines a simulated server, for the test's database."""

    def write(plex: SimulatedPlex | None = None, *, name: str = "config.toml", extra: str = "") -> Path:
        server = f'[[servers]]\nname = "home"\nurl = "{plex.url}"\ntoken = "{plex.token}"\n' if plex else ""
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(f'[database]\npath = "{path}"\n[sync]\ninterval = "7d"\n{server}{extra}')
        return file

    return write
