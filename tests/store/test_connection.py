"""Connections whose threads end with them, however they end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.store import connection as connection_module
from retrovue_daemon.store.connection import Patience, connected

if TYPE_CHECKING:
    from pathlib import Path


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


async def test_a_connection_that_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    """It would report to an event loop that may be closed by then."""
    before = _threads()
    with pytest.raises(sqlite3.OperationalError):
        async with connected(tmp_path / "nowhere" / "mirror.db"):
            raise AssertionError
    assert _threads() == before


@pytest.mark.parametrize("steps", range(6))
async def test_a_connection_that_is_cancelled_while_it_opens_leaves_nothing(tmp_path: Path, steps: int) -> None:
    """Neither a thread nor an open file, at whichever step it happens."""
    before = _threads()

    async def open_and_wait() -> None:
        async with connected(tmp_path / "mirror.db"):
            await asyncio.Event().wait()

    opening = asyncio.create_task(open_and_wait())
    for _ in range(steps):
        await asyncio.sleep(0)
    opening.cancel()
    assert isinstance((await asyncio.gather(opening, return_exceptions=True))[0], asyncio.CancelledError)
    assert _threads() == before


async def test_a_quick_query_ends_before_the_event_loop_goes_on(tmp_path: Path, monkeypatch) -> None:
    """Two threads that compute would hinder each other."""
    monkeypatch.setattr(connection_module, "GRACE_S", 30.0)
    monkeypatch.setattr(connection_module, "TURN_S", 30.0)
    async with connected(tmp_path / "mirror.db") as connection:
        over = threading.Event()

        def query(_: sqlite3.Connection) -> None:
            over.set()

        visit = connection.run(query)
        waiting = visit.__await__()
        assert over.is_set()
        await visit.result
        waiting.close()


async def test_a_slow_query_leaves_the_event_loop_to_others(tmp_path: Path) -> None:
    """As on a slow disk: what waits for it blocks nothing else."""
    going_on = threading.Event()

    def slow(_: sqlite3.Connection) -> bool:
        return going_on.wait(30)

    async with connected(tmp_path / "mirror.db") as connection:
        waiting = asyncio.ensure_future(connection.run(slow))
        await asyncio.sleep(0)
        going_on.set()
        assert await waiting


class SlowQuery:
    """The lock of a query that never ends, and a clock that waiting for it moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def acquire(self, *, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking:
            assert timeout > 0
            self.now += timeout
        return False


async def test_slow_queries_block_a_turn_of_the_event_loop_for_a_limited_time() -> None:
    """However many tasks begin one in the same turn; the next turn has the same time."""
    slow: Any = SlowQuery()
    patience = Patience(lambda: slow.now)
    for turn in (1, 2):
        for _ in range(50):
            patience.wait(slow)
        assert slow.now == pytest.approx(turn * connection_module.TURN_S)
        await asyncio.sleep(0)


async def test_a_query_fails_where_its_result_is_awaited(tmp_path: Path) -> None:
    """And the next one is done as usual."""
    async with connected(tmp_path / "mirror.db") as connection:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await connection.run(lambda c: c.execute("SELECT * FROM shows"))
        assert await connection.run(_one) == 1
    with pytest.raises(ValueError, match="closed"):
        await connection.run(_one)


def _one(connection: sqlite3.Connection) -> int:
    ((one,),) = connection.execute("SELECT 1")
    return int(one)
