"""The delay from a change on the server to the committed row, as another connection to the database sees it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ROOT
from benchmarks.process import ProgramFailed, cpu_of, measure
from benchmarks.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.simulation import Change

NAME = "live"
"""The name of this case: it runs no programs in turn, and so it is none of `cases`."""

EPISODES, A_SHOW, SEASON = 200_000, 100, 22
CHANGES = 100
FRAMES = 10_000
"""Frames that arrive at once; the event loop must not be blocked meanwhile."""

FEW = 2_000
"""Episodes of the server that sends them. They all are announced, whatever their number."""

PAUSE_S = 0.3
"""Seconds from one change to the next: they overlap, and each is timed by itself."""

LATENCY_S = 0.05
"""Seconds that the server takes for a request during the full passes."""

LOOK_S = 0.005
"""Seconds between two looks at the database: one reads a counter in memory that maps the write-ahead log."""

LONGEST_S = 120.0
CALM_S = 1.0

SETTINGS = """\
[database]
path = {path}
[sync]
interval = "6h"
full_interval = "30d"
[[servers]]
name = "server"
url = "{url}"
token = "{token}"
details = false
"""
"""Polls are so rare that no change arrives by one, except by those that notifications cause."""


@dataclass(slots=True)
class Taken:
    """What a daemon took: its largest memory, and the longest block of its event loop, see `watched`."""

    peak_mib: float = 0.0
    own_ms: float = 0.0
    late_ms: float = 0.0


@dataclass(slots=True)
class Live:
    """The delays in seconds, at rest and during so many full ``passes``, and what the daemon took meanwhile.

    ``flood_cpu_s`` is the processor time of another daemon for ``frames`` frames at once, ``flood`` what it took.
    """

    episodes: int
    frames: int
    rest_s: list[float] = field(default_factory=list)
    rest_requests: int = 0
    busy_s: list[float] = field(default_factory=list)
    passes: int = 0
    changes: Taken = field(default_factory=Taken)
    flood_cpu_s: float = 0.0
    flood: Taken = field(default_factory=Taken)


def share_of(delays: list[float], share: float) -> float:
    """Return the delay that this share of all changes did not exceed; 1 is the worst."""
    ordered = sorted(delays)
    return ordered[max(0, round(share * len(ordered)) - 1)]


def measure_live(
    say: Callable[[str], None],
    *,
    episodes: int = EPISODES,
    a_show: int = A_SHOW,
    changes: int = CHANGES,
    frames: int = FRAMES,
) -> Live:
    """Run the daemon beside a changing server. Raise ProgramFailed."""
    live = Live(episodes, frames)
    with _server(episodes, a_show) as place, place.daemon(live.changes) as view:
        # The poll that follows the connection is over before the second change.
        for _ in range(2):
            view.change(place.simulation)
            view.wait_for("the first changes", lambda: view.look() or not view.waiting)
        view.delays.clear()
        place.simulation.forget()
        _change(view, place.simulation, changes)
        live.rest_s, view.delays = view.delays, []
        live.rest_requests = place.simulation.traffic().requests
        say(f"live: {changes} changes at rest, median {share_of(live.rest_s, 0.5):.2f} s")
        place.simulation.set(latency=LATENCY_S)
        with closing(_Passes([*place.sync, "--full"], place.directory / "passes")) as passes:
            passes.keep_going()
            _change(view, place.simulation, changes, passes.keep_going)
        live.busy_s, live.passes = view.delays, passes.begun
        say(f"live: {changes} changes during {live.passes} full passes, median {share_of(live.busy_s, 0.5):.2f} s")
    with _server(min(episodes, FEW), a_show) as place, place.daemon(live.flood) as view:
        view.change(place.simulation)
        view.wait_for("the first change", lambda: view.look() or not view.waiting)
        live.flood_cpu_s = _flood(place.simulation, view.daemon.pid, frames)
        say(f"live: {frames} frames at once, {live.flood_cpu_s:.2f} s of processor time")
    return live


@dataclass(frozen=True, slots=True)
class _Place:
    """A simulated server, and a directory with a database that has all its items."""

    simulation: Simulation
    directory: Path

    @property
    def sync(self) -> list[str]:
        """Return the command that syncs, by itself or in the running daemon."""
        return [sys.executable, "-m", "retrovue_daemon", "sync", "--config", str(self._config), "--no-details"]

    @property
    def _config(self) -> Path:
        return self.directory / "config.toml"

    @contextmanager
    def daemon(self, taken: Taken) -> Iterator[_View]:
        """Run a daemon that is live, and fill in what it took."""
        path, (address,) = self.directory / "mirror.db", self.simulation.addresses
        self._config.touch(mode=0o600)
        settings = SETTINGS.format(path=json.dumps(str(path)), url=address.url, token=address.token)
        self._config.write_text(settings, encoding="utf-8")
        measure(self.sync)
        with _daemon(self._config, self.directory, taken) as daemon, closing(sqlite3.connect(path)) as connection:
            view = _View(connection, daemon)
            view.wait_for("a connection for notifications", lambda: self.simulation.listeners() > 0)
            yield view


@contextmanager
def _server(episodes: int, a_show: int) -> Iterator[_Place]:
    with (
        tempfile.TemporaryDirectory(prefix="retrovue-bench-") as directory,
        Simulation(servers=1, libraries=1, shows=episodes // a_show, episodes=a_show, season=SEASON) as simulation,
    ):
        yield _Place(simulation, Path(directory))


@contextmanager
def _daemon(config: Path, directory: Path, taken: Taken) -> Iterator[subprocess.Popen[bytes]]:
    """Run the daemon under observation."""
    report, said = directory / "watched.json", directory / "said"
    command = [sys.executable, "-m", "benchmarks.watched", str(report), "run", "--config", str(config)]
    with said.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT
        )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise ProgramFailed(f"the daemon ended with {process.returncode}: {_last_words(said)}")
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
    taken.peak_mib = usage.ru_maxrss / 1024
    seen = json.loads(report.read_text(encoding="utf-8"))
    taken.own_ms, taken.late_ms = seen["own_ms"], seen["late_ms"]


def _last_words(said: Path) -> str:
    return said.read_text(encoding="utf-8", errors="replace")[-2000:]


def _change(view: _View, simulation: Simulation, changes: int, also: Callable[[], bool] = lambda: True) -> None:
    """Make changes one after the other, and wait until all have arrived; call ``also`` between two looks."""
    begun, made = time.monotonic(), 0

    def step() -> bool:
        nonlocal made
        also()
        if made < changes and time.monotonic() >= begun + made * PAUSE_S:
            view.change(simulation)
            made += 1
        view.look()
        return made == changes and not view.waiting

    view.wait_for("changes", step, changes * PAUSE_S + LONGEST_S)


def _flood(simulation: Simulation, daemon: int, frames: int) -> float:
    """Return the processor time that a flood of frames takes until the daemon is calm again."""
    before = used = cpu_of(daemon)
    simulation.flood(frames)
    # A full pass follows half a minute later; it is not part of this.
    while True:
        time.sleep(CALM_S)
        earlier, used = used, cpu_of(daemon)
        if used > before and used - earlier < CALM_S / 10:
            return used - before


_INCOMPLETE = 1
"""The exit code of a full pass during which the library's total changed."""


class _Passes:
    """Full passes in the daemon, one after the other."""

    def __init__(self, command: list[str], said: Path) -> None:
        self.begun = 0
        self._said = said
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def keep_going(self) -> bool:
        """Request the next pass if none runs."""
        if self._process is None or self._process.poll() is not None:
            if self._process is not None and self._process.returncode not in {0, _INCOMPLETE}:
                raise ProgramFailed(f"a full pass ended with {self._process.returncode}: {_last_words(self._said)}")
            self.begun += 1
            with self._said.open("wb") as output:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT
                )
        return True

    def close(self) -> None:
        """Wait for the last pass."""
        if self._process is not None:
            self._process.wait()


class _View:
    """The database as another program sees it, and the changes that are not in it yet."""

    def __init__(self, connection: sqlite3.Connection, daemon: subprocess.Popen[bytes]) -> None:
        self.waiting: dict[str, Change] = {}
        self.delays: list[float] = []
        self._connection = connection
        self.daemon = daemon
        self._version = -1

    def change(self, simulation: Simulation) -> None:
        """Have the server make the next change, and wait for its row from now on."""
        change = simulation.change_one()
        self.waiting[change.rating_key] = change
        self._version = -1

    def look(self) -> bool:
        """Look for the rows of the changes that are waited for; return False."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return False
        self._version = version
        now = time.monotonic()
        marks = ", ".join("?" * len(self.waiting))
        rows = self._connection.execute(
            f"SELECT rating_key, episode_title, state FROM episodes WHERE server_id = 1 AND rating_key IN ({marks})",
            [*self.waiting],
        ).fetchall()
        for key, title, state in rows:
            change = self.waiting[key]
            if state == "missing" if change.title is None else title == change.title:
                self.delays.append(now - change.at)
                del self.waiting[key]
        return False

    def wait_for(self, what: str, holds: Callable[[], bool], seconds: float = LONGEST_S) -> None:
        """Wait until something holds. Raise ProgramFailed if it takes too long, or if the daemon ends."""
        until = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > until:
                raise ProgramFailed(f"waited {seconds:.0f} s for {what}: {[*self.waiting.values()]}")
            if self.daemon.poll() is not None:
                raise ProgramFailed(f"the daemon ended with {self.daemon.returncode}")
            time.sleep(LOOK_S)
