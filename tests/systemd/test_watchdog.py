"""Signs of life: as long as loop and writer live, and never further apart than systemd waits."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon import service
from retrovue_daemon.clock import Clock
from retrovue_daemon.store import writer
from retrovue_daemon.store.database import Database, open_database
from retrovue_daemon.systemd import Notifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

UNIT = Path(__file__).parents[2] / "systemd" / "retrovue-daemon.service"


class Stopped(Clock):
    """A clock on which no time passes; says how long it was asked to wait."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(self, seconds: float) -> None:
        self.asked.put_nowait(seconds)
        await asyncio.Event().wait()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "mirror.db") as opened:
        yield opened


@pytest.fixture
def limit() -> int:
    """How many seconds systemd waits for a sign of life."""
    found = re.search(r"^WatchdogSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.fixture
def beat_once(
    listen, tmp_path: Path, limit: int, database: Database
) -> Callable[[], Awaitable[tuple[list[str], float]]]:
    """Let the heart beat once; give what systemd heard, and in how many seconds the next beat is due."""
    listener = listen(str(tmp_path / "notify"))
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": f"{limit}000000"}

    async def once() -> tuple[list[str], float]:
        clock = Stopped()
        beating = asyncio.create_task(service.beat(Notifier.from_environ(environ), database.writer, clock))
        seconds = await clock.asked.get()
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        return listener.heard(), seconds

    return once


async def test_two_beats_are_closer_than_systemd_waits(beat_once, limit) -> None:
    """Also where the second has to wait for another program's lock as long as that counts as life."""
    heard, seconds = await beat_once()
    assert heard == ["WATCHDOG=1"]
    assert seconds + service.LONGEST_PING_S < limit


async def test_to_wait_for_a_lock_is_life(beat_once, database, monkeypatch) -> None:
    """The writer answers, even if the answer is that it could not write."""
    monkeypatch.setattr(writer, "BUSY_TRIES", 1)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        heard, _ = await beat_once()
    assert heard == ["WATCHDOG=1"]


async def test_a_writer_that_does_not_answer_is_no_life(beat_once, database, monkeypatch) -> None:
    """Whatever the event loop does meanwhile: systemd is to start the service anew."""
    monkeypatch.setattr(service, "LONGEST_PING_S", 0)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        heard, _ = await beat_once()
    assert heard == []


async def test_nobody_who_watches_gets_no_beats(database, listen, tmp_path) -> None:
    """Without the watchdog's variables there is nothing to do."""
    listener = listen(str(tmp_path / "notify"))
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    await service.beat(notifier, database.writer, Stopped())
    assert listener.heard() == []
