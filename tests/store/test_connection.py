"""Connections whose threads end with them, however they end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.store.connection import connected

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
