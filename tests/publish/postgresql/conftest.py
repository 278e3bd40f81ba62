"""A PostgreSQL server per worker, a schema per test, and a mirror with everything that is published."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import parse_config
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.logs.redaction import Redactor
from retrovue_daemon.service.daemon import SyncOptions, sync_once
from retrovue_daemon.sync.progress import ProgressBoard
from tests.support.postgresql import postgres_server
from tests.support.rounds import commands  # noqa: F401 -- a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgresql import PostgresServer

_numbers = count(1)


@pytest.fixture(scope="session")
def running_server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def server(running_server: PostgresServer) -> PostgresServer:
    return running_server


@pytest.fixture
def schema(server: PostgresServer) -> Iterator[str]:
    """A schema that does not exist yet."""
    name = f"plex_{next(_numbers)}"
    yield name
    with closing(server.connect(name)) as connection:
        connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


@pytest.fixture(scope="session")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in library, with details, streams, chapters and collections."""
    path = tmp_path_factory.mktemp("synced") / "mirror.db"

    async def make() -> None:
        async with SimulatedPlex(built_in_library()) as plex:
            servers = [{"name": "home", "url": plex.url, "token": plex.token}]
            mappings = [{"plex_path": "/data", "local_path": "/mnt"}]
            tables = {"database": {"path": str(path)}, "servers": [{**servers[0], "path_mappings": mappings}]}
            await sync_once(parse_config(tables, environ={}), SyncOptions(), ProgressBoard(), Redactor())

    asyncio.run(make())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO episode_tags SELECT max(e.id), max(t.id), 0 FROM episodes AS e, tags AS t")
    return path


@pytest.fixture
def path(synced: Path, tmp_path: Path) -> Path:
    """A mirror of the test's own."""
    return Path(shutil.copy(synced, tmp_path / "mirror.db"))


@pytest.fixture
def mirror(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that keeps the mirror open as a daemon does, and may write to it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection
