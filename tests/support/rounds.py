"""Whole rounds over a simulated server, with the ordinary code and a real database file."""

from __future__ import annotations

import sqlite3
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import parse_config
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service.daemon import SyncOptions, sync_once
from retrovue_daemon.service.selection import EVERYTHING, Selection
from retrovue_daemon.service.supervisor import Supervisor
from retrovue_daemon.store.database import open_database
from retrovue_daemon.sync.progress import ProgressBoard
from tests.support.clocks import SetClock
from tests.support.commands import CommandsHere
from tests.support.patience import IMPATIENT
from tests.support.processes import DEVELOPMENT, STRICT, Commands
from tests.support.servers import only_libraries, without_groups

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from retrovue_daemon.config import Config
    from retrovue_daemon.service.report import ServerReport
    from retrovue_daemon.store.database import Database

FULLY = SyncOptions(selection=Selection(full=True))
FEW_LIBRARIES = pytest.mark.libraries("Movies", "Movies 4K", "TV Shows")
"""Two that share a film, and one of shows."""


@pytest.fixture
async def plex(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedPlex]:
    """Serve the built-in library; in files marked ``no_groups``, without what half of the requests would be for.

    Where ``libraries`` names some, only these are served.
    """
    world = built_in_library()
    marker = request.node.get_closest_marker("libraries")
    if marker is not None and marker.args:
        only_libraries(world, *marker.args)
    if request.node.get_closest_marker("no_groups"):
        without_groups(world)
    async with SimulatedPlex(world) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


@pytest.fixture
def config(path: Path) -> Callable[..., Config]:
    """Make a configuration for some simulated servers; keyword arguments change the tables."""

    def make(*servers: SimulatedPlex, server: dict[str, object] | None = None, **sections: object) -> Config:
        tables = [
            # Most tests count the requests of passes, or compare what these have written.
            {
                "name": f"server{number}" if number else "home",
                "url": each.url,
                "token": each.token,
                "details": False,
                "notifications": False,
            }
            | (server or {})
            for number, each in enumerate(servers)
        ]
        return parse_config({"database": {"path": str(path)}, "servers": tables, **sections}, environ={})

    return make


@pytest.fixture
def sync(config: Callable[..., Config]) -> Callable[..., Awaitable[list[ServerReport]]]:
    """Do one round over simulated servers, or over a configuration; with complete listings by default."""

    async def work(*servers: SimulatedPlex | Config, options: SyncOptions | None = None) -> list[ServerReport]:
        first = servers[0]
        settings = config(*servers) if isinstance(first, SimulatedPlex) else first
        return await sync_once(settings, options or FULLY, ProgressBoard(), Redactor(), retry=IMPATIENT)

    return work


@pytest.fixture
def rows(path: Path) -> Callable[..., list[tuple[object, ...]]]:
    """Ask the database as another program would: by its file."""

    def query(sql: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()

    return query


@dataclass(slots=True)
class Engine:
    """The daemon's inner parts over an open database: rounds on demand, with a clock that the test sets."""

    database: Database
    supervisor: Supervisor
    set_clock: SetClock
    end: Callable[[], Awaitable[None]]
    """Ends it as a process ends; the next one may be started on the same database."""

    @property
    def clock(self) -> int:
        return self.set_clock.seconds

    @clock.setter
    def clock(self, seconds: int) -> None:
        self.set_clock.seconds = seconds

    def live(self, seconds: int) -> None:
        """Let time pass, by all clocks."""
        self.set_clock.seconds += seconds
        self.set_clock.lived += seconds

    async def round(self, selection: Selection = EVERYTHING) -> list[ServerReport]:
        return await self.supervisor.sync_once(selection)

    async def changes(self) -> int:
        """Rows that the one writer has written so far."""
        query = "SELECT total_changes()"
        ((rows,),) = await self.database.writer.run(lambda connection: connection.execute(query).fetchall())
        return rows


@pytest.fixture
async def engine(path: Path, config: Callable[..., Config]) -> AsyncIterator[Callable[..., Awaitable[Engine]]]:
    """Start an engine for simulated servers, or for a whole configuration."""
    async with AsyncExitStack() as stack:

        async def start(*plexes: SimulatedPlex | Config) -> Engine:
            first = plexes[0]
            settings = config(*plexes) if isinstance(first, SimulatedPlex) else first
            process = await stack.enter_async_context(AsyncExitStack())
            database, clock = await process.enter_async_context(open_database(path)), SetClock()
            board, redactor = ProgressBoard(), Redactor()
            supervisor = Supervisor(database, settings, board, redactor, retry=IMPATIENT, clock=clock)
            return Engine(database, supervisor, clock, process.aclose)

        yield start


@pytest.fixture
async def commands(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Commands]:
    """Run commands, as the marker ``commands`` says: in a process for each, forked from one, by default."""
    marker = request.node.get_closest_marker("commands")
    how = marker.args[0] if marker else "process"
    kind = CommandsHere if how == "here" else Commands
    options = DEVELOPMENT if how == "development" else STRICT
    started = kind(tmp_path, options, forks=how in {"process", "here"})
    yield started
    await started.end_all()


@pytest.fixture
def config_file(tmp_path: Path, path: Path) -> Callable[..., Path]:
    """Write a configuration file for simulated servers."""

    def write(*servers: SimulatedPlex, extra: str = "", details: bool = False) -> Path:
        tables = [
            f'[[servers]]\nname = "{f"server{number}" if number else "home"}"\nurl = "{each.url}"\n'
            f'token = "{each.token}"\ndetails = {"true" if details else "false"}\nnotifications = false\n'
            for number, each in enumerate(servers)
        ]
        file = tmp_path / "config.toml"
        file.touch(mode=0o600)
        file.write_text(f'[database]\npath = "{path}"\n{extra}\n' + "\n".join(tables))
        return file

    return write
