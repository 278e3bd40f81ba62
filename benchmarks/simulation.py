"""The process of the simulated servers, as the benchmark sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from benchmarks import ROOT

if TYPE_CHECKING:
    from types import TracebackType


class Address(NamedTuple):
    """A server's address and token."""

    url: str
    token: str


class Change(NamedTuple):
    """A change of one episode, and when: a time of ``time.monotonic``. Without a title, it was deleted."""

    at: float
    rating_key: str
    title: str | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests to the servers since ``forget``; ``first_at`` is a time of ``time.monotonic``."""

    requests: int
    bytes: int
    first_at: float | None
    most_at_once: int


class Simulation:
    """Simulated servers while its context is open: ``servers`` of them, each with ``libraries`` of shows.

    ``shows`` are spread over all of them; each has ``episodes`` episodes, at most ``season`` per season.
    """

    def __init__(self, *, servers: int, libraries: int, shows: int, episodes: int, season: int) -> None:
        self._wanted = {
            "servers": servers,
            "libraries": libraries,
            "shows": shows,
            "episodes": episodes,
            "season": season,
        }
        self._process: subprocess.Popen[str] | None = None
        self.addresses: list[Address] = []
        self.counts: dict[str, int] = {}
        """The number of shows, seasons and episodes, and of all items."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.server", json.dumps(self._wanted)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        said = self._hear()
        self.addresses = [Address(**address) for address in said.pop("servers")]
        self.counts = said
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        process = self._running()
        # Closing its input ends it.
        process.communicate()

    def traffic(self) -> Traffic:
        """Return the requests so far."""
        return Traffic(**self._ask("stats"))

    def forget(self) -> None:
        """Restart the counts."""
        self._ask("forget")

    def set(self, **quirks: object) -> None:
        """Make the servers slower or odd: ``latency`` in seconds, ``always_xml``."""
        self._ask("set", **quirks)

    def change(self) -> int:
        """Change one per cent of the episodes; return how many."""
        changed: int = self._ask("change")["changed"]
        return changed

    def change_one(self) -> Change:
        """Edit, add or delete one episode, in turn, and announce it."""
        return Change(**self._ask("change_one"))

    def listeners(self) -> int:
        """Return the number of open connections for notifications."""
        listeners: int = self._ask("listeners")["open"]
        return listeners

    def flood(self, frames: int) -> None:
        """Send so many notifications at once."""
        self._ask("flood", frames=frames)

    def _ask(self, what: str, **arguments: object) -> dict[str, Any]:
        stdin = self._running().stdin
        assert stdin is not None
        stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        stdout = self._running().stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise RuntimeError("the simulated servers have ended")
        said: dict[str, Any] = json.loads(line)
        return said

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the simulated servers have not been started")
        return self._process
