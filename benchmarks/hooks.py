"""The delay from a commit to a hook's request, at rest and while a backlog of changes is delivered."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ROOT
from benchmarks.process import ProgramFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "hooks"
"""The name of this case: it runs no programs in turn, and so it is none of `cases`."""

CHANGES = 30
PAUSE_S = 0.61
"""Seconds before each change: without a pause, a hook that has just delivered would see the next one at once."""

BACKLOG = 100_000
A_BATCH = 1_000
LOOK_S = 0.002
LONGEST_S = 60.0

SETTINGS = """\
[database]
path = {path}
[logging]
level = "error"
[[hooks]]
name = "bench"
on = ["changes"]
url = "http://127.0.0.1:{port}/"
wait = "0s"
"""


@dataclass(slots=True)
class HookDelays:
    """Seconds from a commit to the request that names it, and for so many changes that waited."""

    rest_s: list[float] = field(default_factory=list)
    backlog: int = 0
    backlog_s: float = 0.0


def measure_hooks(
    say: Callable[[str], None], *, changes: int = CHANGES, pause_s: float = PAUSE_S, backlog: int = BACKLOG
) -> HookDelays:
    """Run the daemon without servers, write into its database, and time the requests. Raise ProgramFailed."""
    delays = HookDelays(backlog=backlog)
    with (
        tempfile.TemporaryDirectory(prefix="retrovue-bench-") as directory,
        _receiver() as receiver,
        _daemon(Path(directory), receiver.server_port) as path,
        closing(sqlite3.connect(path, isolation_level=None)) as connection,
    ):
        _add(connection, "bench")
        receiver.wait_for(_last(connection))
        for number in range(changes):
            time.sleep(pause_s)
            began = time.monotonic()
            _add(connection, f"bench {number}")
            delays.rest_s.append(receiver.wait_for(_last(connection)) - began)
        began = time.monotonic()
        connection.execute("BEGIN")
        for first in range(0, backlog, A_BATCH):
            ids = json.dumps(list(range(first, first + A_BATCH)))
            connection.execute("INSERT INTO change_batches (kind, op, ids) VALUES ('movie', 'added', ?)", (ids,))
        connection.execute("COMMIT")
        delays.backlog_s = receiver.wait_for(_last(connection)) - began
    middle = sorted(delays.rest_s)[len(delays.rest_s) // 2]
    say(f"hooks: {changes} changes, median {middle:.2f} s; {backlog:,} at once in {delays.backlog_s:.1f} s")
    return delays


def _add(connection: sqlite3.Connection, name: str) -> None:
    connection.execute(
        "INSERT INTO plex_servers (name, server_url, is_active) VALUES (?, 'http://127.0.0.1:1', 0)", (name,)
    )


def _last(connection: sqlite3.Connection) -> int:
    ((seq,),) = connection.execute("SELECT last_seq FROM feed_state")
    return int(seq)


class _Receiver(HTTPServer):
    """Stores how far the requests have come, and when."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seq = 0
        self.at = 0.0

    def wait_for(self, seq: int) -> float:
        """Return when the request arrived that came so far."""
        until = time.monotonic() + LONGEST_S
        while self.seq < seq:
            if time.monotonic() > until:
                raise ProgramFailed(f"waited {LONGEST_S:.0f} s for entry {seq}, and {self.seq} came")
            time.sleep(LOOK_S)
        return self.at


class _Handler(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        """Accept a body."""
        at = time.monotonic()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.at, self.server.seq = at, body["last_seq"]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def _receiver() -> Iterator[_Receiver]:
    with _Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


@contextmanager
def _daemon(directory: Path, port: int) -> Iterator[Path]:
    """Run the daemon; yield its database once the hook is known there."""
    path, config, said = directory / "mirror.db", directory / "config.toml", directory / "said"
    config.touch(mode=0o600)
    config.write_text(SETTINGS.format(path=json.dumps(str(path)), port=port), encoding="utf-8")
    command = [sys.executable, "-m", "retrovue_daemon", "run", "--config", str(config)]
    with said.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT
        )
    try:
        until = time.monotonic() + LONGEST_S
        while not _knows_the_hook(path):
            if process.poll() is not None or time.monotonic() > until:
                raise ProgramFailed(f"the daemon did not start: {said.read_text(errors='replace')[-2000:]}")
            time.sleep(LOOK_S)
        yield path
        process.send_signal(signal.SIGTERM)
        if process.wait(LONGEST_S):
            raise ProgramFailed(f"the daemon ended with {process.returncode}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _knows_the_hook(path: Path) -> bool:
    if not os.path.exists(path):  # noqa: PTH110 -- asked every few milliseconds
        return False
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("SELECT count(*) FROM hooks").fetchone()[0])
    except sqlite3.Error:
        return False
