"""How long servers wait for the daemon: the healthy one beside those that fail, and those that have recovered.

Times are those for which the daemon is responsible: what its main thread, or that of this process, spent
waiting for a processor (`/proc/PID/schedstat`) is subtracted, so that a busy machine breaks no promise.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex

LOOK_S = 0.02


class Stopwatch:
    """Measures real time less the time that a process and this one waited for a processor."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.restart()

    def restart(self) -> None:
        self._began = time.monotonic()
        self._before = _delay(self._pid), _delay(os.getpid())

    @property
    def seconds(self) -> float:
        return max(0.0, time.monotonic() - self._began - self._delay())

    def _delay(self) -> float:
        """Return how long the busier of the two main threads has waited for a processor."""
        return max(_delay(self._pid) - self._before[0], _delay(os.getpid()) - self._before[1])


def _delay(pid: int) -> float:
    with suppress(OSError, IndexError, ValueError):  # such as a process that has ended
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


class Waits:
    """The longest times that a server waited, in seconds."""

    between_looks = 0.0
    for_a_change = 0.0


async def measure(plex: SimulatedPlex, pid: int, database: Path, number: int, waits: Waits) -> None:
    """Until cancelled: measure the time between two looks, and until a change that happens now is in the database."""
    film = min(plex.world.movies(), key=lambda film: film.id)
    title = f"Edited {number}"
    plex.changes.edit(film.id, title=title)
    looks, change, seen, is_seen = Stopwatch(pid), Stopwatch(pid), len(plex.requests_for("/identity")), False
    try:
        while True:
            now = len(plex.requests_for("/identity"))
            waits.between_looks = max(waits.between_looks, looks.seconds)
            if now > seen:
                seen = now
                looks.restart()
            if not is_seen:
                waits.for_a_change = max(waits.for_a_change, change.seconds)
                item = plex.world.items.get(film.id)
                is_seen = item is None or item.title != title or _has(database, title)
            await asyncio.sleep(LOOK_S)
    except asyncio.CancelledError:
        waits.between_looks = max(waits.between_looks, looks.seconds)


async def seconds_until_followed(
    plex: SimulatedPlex, pid: int, database: Path, title: str, *, most: float, polls: bool
) -> float:
    """Change a film of a server, and return how long it takes until the change is in the database, or ``most``.

    If ``polls``, the server must also be polled meanwhile. Nothing is requested of the daemon.
    """
    plex.changes.edit(min(film.id for film in plex.world.movies()), title=title)
    waiting, seen = Stopwatch(pid), len(plex.requests_for("/identity"))
    while True:
        is_polled = not polls or len(plex.requests_for("/identity")) > seen
        if waiting.seconds >= most or (is_polled and _has(database, title)):
            return waiting.seconds
        await asyncio.sleep(LOOK_S)


def _has(database: Path, title: str) -> bool:
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT 1 FROM movies WHERE title = ?", (title,)).fetchone() is not None
    return False
