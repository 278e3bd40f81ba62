"""The daily check of the database's pages."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from retrovue_daemon.service.page_check import CHECK_S, check_pages_daily, check_pages_if_due
from retrovue_daemon.service.status import read_condition
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.file.pages import first_damage
from tests.support.clocks import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
async def damaged(path: Path) -> Path:
    """A database with a page that no sync reads, overwritten on the disk."""
    async with open_database(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'episode_guids'")
        ((size,),) = connection.execute("PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    return path


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_damage_that_no_pass_reads_is_logged_and_shown(damaged: Path, clock: FakeClock) -> None:
    """Once a day, with the time of its first discovery; the daemon goes on, because it may still read the rest."""
    async with open_database(damaged) as database:
        began = clock.now()
        for day in range(2):
            with capture_logs() as logs:
                await check_pages_if_due(database, clock)
            ((event, hint),) = [(line["event"], line["hint"]) for line in logs]
            assert event == "store.damaged"
            assert "database restore FILE" in hint
            (finding,) = [each for each in read_condition(damaged).findings if each.problem.kind == "DatabaseDamaged"]
            assert finding.problem.since == began
            with capture_logs() as logs:
                await check_pages_if_due(database, clock)
            assert (day, logs) == (day, [])
            clock.wall += CHECK_S


async def test_a_sound_database_is_checked_once_a_day(path: Path, clock: FakeClock) -> None:
    """Also if the daemon is started again meanwhile, and if the clock was set back."""
    checked = []
    for seconds in (0, CHECK_S - 1, 1, -10):
        clock.wall += seconds
        async with open_database(path) as database:
            before = database.writer.steps
            await check_pages_if_due(database, clock)
            checked.append(database.writer.steps > before)
        assert [each.problem.kind for each in read_condition(path).findings] == ["NoDaemon"]
    assert checked == [True, False, True, True]


async def test_the_first_check_waits_an_hour(path: Path, clock: FakeClock) -> None:
    """The start has work of its own."""
    async with open_database(path) as database:
        checking = asyncio.create_task(check_pages_daily(database, clock), name="check of pages")
        assert await clock.asleep("check of pages") == clock.time + 3600
        checking.cancel()
        await asyncio.gather(checking, return_exceptions=True)


async def test_a_check_that_is_cancelled_ends_at_once(path: Path) -> None:
    """However large the database is: the daemon must stop within ten seconds."""
    async with open_database(path):
        checking = asyncio.create_task(first_damage(path, ENDLESS))
        await asyncio.wait([checking], timeout=0.05)
        checking.cancel()
        async with asyncio.timeout(10):
            await asyncio.gather(checking, return_exceptions=True)
        assert checking.cancelled()
