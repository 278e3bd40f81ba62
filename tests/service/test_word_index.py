"""The index of words is built while no pass runs, and failures end nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from retrovue_daemon.service import word_index
from retrovue_daemon.service.word_index import index_words, index_words_after_sync, keep_words_indexed
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.items.word_index import is_behind, is_complete
from retrovue_daemon.sync.progress import ProgressBoard
from tests.support.clocks import FakeClock

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


class Hurrying(FakeClock):
    """A clock on which every sleep is over at once."""

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        await asyncio.sleep(0)


async def test_the_index_waits_for_passes(tmp_path: Path) -> None:
    """It begins once the last one has ended, and an index that is complete costs nothing."""
    async with open_database(tmp_path / "mirror.db") as database:
        await database.writer.run(lambda c: c.execute("INSERT INTO people (name) VALUES ('Ada'), ('Bo')"))
        board, clock = ProgressBoard(), Hurrying()
        meter = board.begin("home", "Movies")
        assert await index_words(database, board, clock) == 0
        assert await database.reader.run(is_complete) is None
        meter.finish()
        assert await index_words(database, board, clock) == 2
        assert await database.reader.run(is_complete)
        before = database.writer.steps
        assert await index_words(database, board, clock) == 0
        assert database.writer.steps == before


async def test_an_index_that_cannot_be_built_is_reported(tmp_path: Path, monkeypatch) -> None:
    """Once an hour; the daemon goes on."""

    def without_fts5(connection: sqlite3.Connection) -> int:
        return connection.execute("CREATE VIRTUAL TABLE search_index USING fts_of_another_build (words)").rowcount

    monkeypatch.setattr(word_index, "build_step", without_fts5)
    waited = asyncio.Event()

    class Clock(FakeClock):
        async def sleep(self, seconds: float) -> None:
            if seconds == word_index.AFTER_FAILURE_S:
                waited.set()
                await asyncio.Event().wait()

    async with open_database(tmp_path / "mirror.db") as database:
        await database.writer.run(lambda c: c.execute("INSERT INTO people (name) VALUES ('Ada')"))
        with capture_logs() as logs:
            task = asyncio.create_task(keep_words_indexed(database, ProgressBoard(), Clock()))
            await waited.wait()
            task.cancel()
        assert [line["event"] for line in logs] == ["search.not_indexed"]


@pytest.mark.parametrize(("took", "indexed"), [(1.0, 2), (100.0, 11)])
async def test_a_single_sync_spends_little_on_the_index(
    tmp_path: Path, monkeypatch, took: float, indexed: int
) -> None:
    """Two seconds, or a tenth of its time; the next one goes on, and one without news writes nothing."""

    class Clock(FakeClock):
        def monotonic(self) -> float:
            self.time += 0.9
            return self.time

    monkeypatch.setattr("retrovue_daemon.store.items.word_index.ROWS_AT_ONCE", 1)
    async with open_database(tmp_path / "mirror.db") as database:
        before = database.writer.steps
        await index_words_after_sync(database, FakeClock(), 0.0)
        assert database.writer.steps == before
        people = ", ".join(f"('Person {number}')" for number in range(20))
        await database.writer.run(lambda c: c.execute(f"INSERT INTO people (name) VALUES {people}"))
        clock = Clock()
        await index_words_after_sync(database, clock, clock.time - took)
        assert await database.reader.run(lambda c: c.execute("SELECT count(*) FROM search_index").fetchone()) == (
            indexed,
        )
        while await database.reader.run(is_behind):
            await index_words_after_sync(database, clock, clock.time)
        assert await database.reader.run(is_complete)
