"""The rate of PostgreSQL's first fill beside a bare COPY, and the delay from SQLite's commit to PostgreSQL's."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks import ROOT
from benchmarks.postgresql_server import NAME as SERVER
from benchmarks.postgresql_server import PostgresServer, programs
from benchmarks.process import ProgramFailed, measure
from benchmarks.simulation import Simulation
from retrovue_daemon.publish.postgresql.following import follow
from retrovue_daemon.publish.postgresql.target import connected, take_origin, upgrade
from retrovue_daemon.store.feed.published import PUBLISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "postgresql"
"""The name of this case: it runs no programs in turn, and so it is none of `cases`."""

EPISODES, A_SHOW, SEASON = 200_000, 100, 22
ROUNDS = 2
CHANGES = 50
PAUSE_S = 0.31
LOOK_S = 0.005
LONGEST_S = 120.0
BLOCK = 64 * 1024

FOLLOWED = "followed"
"""The schema that the daemon follows."""

SYNC = """\
[database]
path = {path}
[[servers]]
name = "server"
url = "{url}"
token = "{token}"
details = false
"""

RUN = """\
[database]
path = {path}
[logging]
level = "error"
[postgresql]
url = {url}
schema = "{schema}"
"""


@dataclass(slots=True)
class Publishing:
    """Seconds per fill, per bare COPY of the same ``rows``, and from commit to commit."""

    episodes: int
    rows: int = 0
    fill_s: list[float] = field(default_factory=list)
    bare_s: list[float] = field(default_factory=list)
    rest_s: list[float] = field(default_factory=list)


def measure_postgresql(
    say: Callable[[str], None],
    *,
    episodes: int = EPISODES,
    a_show: int = A_SHOW,
    rounds: int = ROUNDS,
    changes: int = CHANGES,
) -> Publishing | None:
    """Publish a mirror to a server of its own; return None if none is installed. Raise ProgramFailed."""
    found = programs()
    if found is None:
        say(f"postgresql: skipped, because {SERVER} is not installed")
        return None
    publishing = Publishing(episodes)
    with (
        tempfile.TemporaryDirectory(prefix="retrovue-bench-") as directory,
        tempfile.TemporaryDirectory(prefix="postgresql-") as place,
    ):
        mirror = _mirror(Path(directory), episodes, a_show)
        server = PostgresServer(found, Path(place))
        server.start()
        try:
            with closing(sqlite3.connect(mirror, isolation_level=None)) as connection:
                for number in range(rounds):
                    schema = f"fill_{number}"
                    publishing.fill_s.append(_fill(server, connection, schema, publishing))
                    publishing.bare_s.append(_copy(server, schema, Path(directory)))
                    with closing(server.connect("public")) as admin:
                        admin.execute(f"DROP SCHEMA {schema}, bare CASCADE")
                say(f"postgresql: {publishing.rows:,} rows, filled in {min(publishing.fill_s):.1f} s")
                with _daemon(Path(directory), mirror, server), closing(server.connect(FOLLOWED)) as target:
                    _follow(connection, target, publishing, changes)
        finally:
            server.kill()
    say(f"postgresql: {changes} changes, worst {max(publishing.rest_s):.2f} s")
    return publishing


def _mirror(directory: Path, episodes: int, a_show: int) -> Path:
    path, config = directory / "mirror.db", directory / "sync.toml"
    config.touch(mode=0o600)
    with Simulation(servers=1, libraries=1, shows=episodes // a_show, episodes=a_show, season=SEASON) as simulation:
        (address,) = simulation.addresses
        settings = SYNC.format(path=json.dumps(str(path)), url=address.url, token=address.token)
        config.write_text(settings, encoding="utf-8")
        measure([sys.executable, "-m", "retrovue_daemon", "sync", "--config", str(config)])
    return path


def _fill(server: PostgresServer, mirror: sqlite3.Connection, schema: str, publishing: Publishing) -> float:
    target = server.target(schema)
    with connected(target) as connection:
        upgrade(connection, target)
        state = take_origin(connection, target, "bench")
        began = time.monotonic()
        step = follow(connection, mirror, target.origin, "bench", state, lambda _: None)
        seconds = time.monotonic() - began
    publishing.rows = step.rows
    return seconds


def _copy(server: PostgresServer, schema: str, directory: Path) -> float:
    """Copy what was published from files into the same tables of another schema, in one transaction."""
    target = server.target("bare")
    with closing(server.connect(schema)) as source, source.cursor() as cursor:
        for table in PUBLISHED:
            with (directory / table.name).open("wb") as file, cursor.copy(f"COPY {table.name} TO STDOUT") as rows:
                for block in rows:
                    file.write(block)
    with connected(target) as connection:
        upgrade(connection, target)
        began = time.monotonic()
        with connection.transaction(), connection.cursor() as cursor:
            for table in PUBLISHED:
                with (
                    (directory / table.name).open("rb") as file,
                    cursor.copy(f"COPY {table.name} FROM STDIN") as rows,
                ):
                    while block := file.read(BLOCK):
                        rows.write(block)
        return time.monotonic() - began


def _follow(mirror: sqlite3.Connection, target: psycopg.Connection, publishing: Publishing, changes: int) -> None:
    """Change one episode after the other, and wait until PostgreSQL says so."""
    ids = [row_id for (row_id,) in mirror.execute("SELECT id FROM episodes ORDER BY id LIMIT ?", (changes,))]
    _wait(target, _last(mirror))
    for row_id in ids:
        time.sleep(PAUSE_S)
        mirror.execute("BEGIN IMMEDIATE")
        mirror.execute("UPDATE episodes SET episode_title = episode_title || '!' WHERE id = ?", (row_id,))
        mirror.execute(
            "INSERT INTO change_batches (kind, op, ids) VALUES ('episode', 'updated', ?)", (f"[{row_id}]",)
        )
        mirror.execute("COMMIT")
        began = time.monotonic()
        _wait(target, _last(mirror))
        publishing.rest_s.append(time.monotonic() - began)


def _last(mirror: sqlite3.Connection) -> int:
    ((seq,),) = mirror.execute("SELECT last_seq FROM feed_state")
    return int(seq)


def _wait(target: psycopg.Connection, seq: int) -> None:
    until = time.monotonic() + LONGEST_S
    while _seq(target) < seq:
        if time.monotonic() > until:
            raise ProgramFailed(f"waited {LONGEST_S:.0f} s for entry {seq}")
        time.sleep(LOOK_S)


def _seq(target: psycopg.Connection) -> int:
    try:
        row: tuple[Any, ...] | None = target.execute("SELECT seq FROM mirror_state").fetchone()
    except psycopg.errors.UndefinedTable:
        return -1
    return -1 if row is None else int(row[0])


@contextmanager
def _daemon(directory: Path, mirror: Path, server: PostgresServer) -> Iterator[None]:
    config, said = directory / "run.toml", directory / "said"
    config.touch(mode=0o600)
    settings = RUN.format(path=json.dumps(str(mirror)), url=json.dumps(server.url()), schema=FOLLOWED)
    config.write_text(settings, encoding="utf-8")
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "retrovue_daemon", "run", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    try:
        yield
        process.send_signal(signal.SIGTERM)
        if process.wait(LONGEST_S):
            raise ProgramFailed(f"the daemon ended with {process.returncode}: {said.read_text(errors='replace')}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
