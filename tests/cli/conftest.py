"""Commands in this process, against a mirrored database and simulated servers in threads of their own."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import structlog

from retrovue_daemon.demo import SimulatedPlex, built_in_library
from tests.support.commands import run_here
from tests.support.processes import WITHOUT_PRIVILEGE, Finished
from tests.support.servers import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def plex() -> Iterator[SimulatedPlex]:
    with served(built_in_library()) as server:
        yield server


@pytest.fixture
def second_plex() -> Iterator[SimulatedPlex]:
    world = built_in_library()
    world.machine_identifier = "another-machine"
    with served(world) as server:
        yield server


@pytest.fixture(scope="session")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The built-in library as a real ``sync`` has mirrored it, from a server that the database defines.

    It does not answer any more, and no other one gets its address.
    """
    directory = tmp_path_factory.mktemp("mirrored")
    path = directory / "mirror.db"
    with served(built_in_library()) as plex:
        # Ids follow the order in which libraries are written: one after the other it is always the same.
        (directory / "config.toml").write_text(f'[database]\npath = "{path}"\n[sync]\nconcurrency = 1\n')
        command = [sys.executable, "-m", "retrovue_daemon"]
        arguments = ["--config", str(directory / "config.toml")]
        for step in (["servers", "add", "home", plex.url, "--token-file", "-"], ["sync"]):
            subprocess.run([*command, *step, *arguments], input=plex.token.encode(), capture_output=True, check=True)
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what was said there may not be over for long
        place.bind(("127.0.0.1", urlsplit(plex.url).port))
        yield path


@pytest.fixture
def database(mirrored: Path, tmp_path: Path) -> Path:
    """A copy of the mirrored database, to read and to change."""
    return Path(shutil.copy(mirrored, tmp_path / "mirror.db"))


@pytest.fixture
def rows(database: Path) -> Callable[..., list[tuple[object, ...]]]:
    """Ask the database as another program would: by its file."""

    def query(sql: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(database)) as connection:
            found = connection.execute(sql, values).fetchall()
            connection.commit()
            return found

    return query


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Finished]]:
    """Run a command line as the console script does, and return what it printed and its exit code."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("RETROVUE_DAEMON_CONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    yield run_here
    structlog.reset_defaults()


@pytest.fixture
def on(run: Callable[..., Finished], database: Path) -> Callable[..., Finished]:
    """Run a command on the mirrored database."""

    def command(*arguments: object, **options: object) -> Finished:
        return run(*arguments, "--database", database, **options)

    return command


@pytest.fixture
def config_file(tmp_path: Path, database: Path) -> Callable[[str], Path]:
    """Write a configuration for the mirrored database."""

    def write(text: str = "") -> Path:
        file = tmp_path / "config.toml"
        file.touch(mode=0o600)
        file.write_text(f'[database]\npath = "{database}"\n{text}')
        return file

    return write


@pytest.fixture
def as_reader(database: Path) -> Iterator[Callable[..., Finished]]:
    """Run a command as a user who may read the database, but neither write it nor put anything beside it."""

    def command(*arguments: object) -> Finished:
        for file in database.parent.glob(f"{database.name}*"):
            file.chmod(file.stat().st_mode & 0o444)
        database.parent.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_PRIVILEGE, *map(str, arguments), "--database", str(database)],
            capture_output=True,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "COLUMNS": "200"},
        )
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    yield command
    database.parent.chmod(0o755)
