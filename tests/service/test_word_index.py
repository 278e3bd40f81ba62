"""The index of words is built while no pass runs, and failures end nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from retrovue_daemon.service import word_index
from retrovue_daemon.service.word_index import index_words, keep_words_indexed
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.items.word_index import is_complete
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
