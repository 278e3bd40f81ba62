"""Signs of life: as long as loop and writer live, and never further apart than systemd waits."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.clock import Clock
from retrovue_daemon.errors import WriteFailed
from retrovue_daemon.service import systemd_status
from retrovue_daemon.service.pulse import LONGEST_PING_S
from retrovue_daemon.service.systemd import Notifier
from retrovue_daemon.store import writer
from retrovue_daemon.store.database import Database, open_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.systemd.conftest import Listener

UNIT = Path(__file__).parents[2] / "systemd" / "retrovue-daemon.service"


class Stepped(Clock):
    """A clock on which time passes only during sleeps; each sleep ends when the test says so."""

    def __init__(self) -> None:
        self.time = 0.0
        self._asleep: asyncio.Queue[tuple[float, asyncio.Event]] = asyncio.Queue()
        self._next: tuple[float, asyncio.Event] | None = None

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._asleep.put_nowait((seconds, woken))
        await woken.wait()

    async def step(self) -> float:
        """Let the sleeper wake up, do its work and fall asleep again; give the seconds that this took."""
        seconds, woken = self._next or await self._asleep.get()
        self.time += seconds
        woken.set()
        self._next = await self._asleep.get()
        return seconds


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
async def heart(listen, tmp_path: Path, limit: int, database: Database) -> AsyncIterator[tuple[Listener, Stepped]]:
    """A heart that beats by a clock of its own; what systemd hears of it, and that clock."""
    listener, clock = listen(str(tmp_path / "notify")), Stepped()
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": f"{limit}000000"}
    beating = asyncio.create_task(systemd_status.beat(Notifier.from_environ(environ), database.writer, clock))
    yield listener, clock
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)


async def test_beats_are_closer_than_systemd_waits(heart, database, limit) -> None:
    """Also where one has to wait for another program's lock as long as that counts as life."""
    listener, clock = heart
    for _ in range(10):
        await database.writer.catch_up()
        listener.heard()
        seconds = await clock.step()
        assert seconds + LONGEST_PING_S < limit
        assert listener.heard() == ["WATCHDOG=1"]


async def test_a_writer_that_waits_for_a_lock_lives_for_a_minute(heart, database) -> None:
    """It has not answered yet, but it is at work; when it has the lock, it lives on."""
    listener, clock = heart
    beats = []
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        await database.writer.catch_up()
        other.execute("BEGIN IMMEDIATE")
        began = clock.time
        while clock.time - began < 2 * LONGEST_PING_S:
            listener.heard()
            await clock.step()
            beats.append((clock.time - began, listener.heard()))
        other.execute("ROLLBACK")
    assert all(heard == ["WATCHDOG=1"] for seconds, heard in beats if seconds <= LONGEST_PING_S)
    assert beats[-1][1] == []
    await database.writer.catch_up()
    await clock.step()
    assert listener.heard() == ["WATCHDOG=1"]


async def test_a_writer_that_waits_with_one_piece_of_work_after_the_other_lives(heart, database, monkeypatch) -> None:
    """Each may wait for a minute, and the answer stands behind them all: what counts is that it tries."""
    monkeypatch.setattr(writer, "BUSY_TRIES", 1_000_000)
    await database.writer._connection.execute("PRAGMA busy_timeout = 1")
    listener, clock = heart
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        await database.writer.catch_up()
        other.execute("BEGIN IMMEDIATE")
        began, waiting = clock.time, [asyncio.create_task(database.writer.catch_up()) for _ in range(3)]
        while clock.time - began < 4 * LONGEST_PING_S:
            steps = database.writer.steps
            while database.writer.steps == steps:  # noqa: ASYNC110 -- there is no event for a try
                await asyncio.sleep(0)
            listener.heard()
            await clock.step()
            assert listener.heard() == ["WATCHDOG=1"]
        other.execute("ROLLBACK")
    await asyncio.gather(*waiting)


async def test_a_writer_that_could_not_get_the_lock_lives(heart, database, monkeypatch) -> None:
    """It answers that it could not write, and continues to the next piece of work."""
    monkeypatch.setattr(writer, "BUSY_TRIES", 1)
    await database.writer._connection.execute("PRAGMA busy_timeout = 1")
    listener, clock = heart
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        await database.writer.catch_up()
        other.execute("BEGIN IMMEDIATE")
        await clock.step()
        with pytest.raises(WriteFailed):
            await database.writer.catch_up()
        clock.time += 2 * LONGEST_PING_S
        listener.heard()
        await clock.step()
        assert listener.heard() == ["WATCHDOG=1"]


async def test_a_writer_that_is_stuck_is_no_life(heart, database) -> None:
    """Whatever the event loop does meanwhile: after a minute there are no more beats, and systemd acts."""
    listener, clock = heart
    reached, never = threading.Event(), threading.Event()

    def stuck(_: object) -> None:
        reached.set()
        never.wait()

    database.writer.post(stuck)
    try:
        # What stands before it in the queue is done in a real thread, which the clock of the test does not wait for.
        await asyncio.to_thread(reached.wait)
        began = clock.time
        while clock.time - began <= 2 * LONGEST_PING_S:
            await clock.step()
        listener.heard()
        for _ in range(10):
            await clock.step()
        assert listener.heard() == []
    finally:
        never.set()  # else the database would wait for it when it closes


async def test_without_a_watchdog_no_beats_are_sent(database, listen, tmp_path) -> None:
    """Without the watchdog's variables there is nothing to do."""
    listener = listen(str(tmp_path / "notify"))
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    await systemd_status.beat(notifier, database.writer, Stepped())
    assert listener.heard() == []
