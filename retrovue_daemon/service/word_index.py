"""Building the index of words behind the passes, or at the end of a single sync, and keeping it in step."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final, Never

import structlog

from retrovue_daemon.errors import WriteFailed
from retrovue_daemon.store.items.word_index import build_step, is_behind

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.sync.progress import ProgressBoard

log = structlog.get_logger()

LOOK_S: Final = 5.0
"""Seconds between two looks whether something is missing in the index; a look takes microseconds."""

PAUSE_S: Final = 0.05
"""Seconds between two transactions, which leave the writer and the processor to others."""

AFTER_FAILURE_S: Final = 60 * 60.0

AFTER_SYNC_S: Final = 2.0
"""Seconds that a single sync spends on the index at most, unless a tenth of its own duration is more."""


async def keep_words_indexed(database: Database, board: ProgressBoard, clock: Clock) -> Never:
    """Index what was added or changed whenever no pass runs; searches read all titles until the index is complete."""
    while True:
        await clock.sleep(LOOK_S)
        try:
            await index_words(database, board, clock)
        except (sqlite3.Error, WriteFailed) as error:
            # Without FTS5, or on a full disk: searches work all the same, more slowly.
            log.warning("search.not_indexed", error=str(error))
            await clock.sleep(AFTER_FAILURE_S)


async def index_words_after_sync(database: Database, clock: Clock, began: float) -> None:
    """Index what is missing after a sync that ``began`` at that time, unless it takes long: a later sync goes on."""
    started = clock.monotonic()
    end = started + max(AFTER_SYNC_S, (started - began) / 10)
    rows = 0
    try:
        if not await database.reader.run(is_behind):
            return
        while clock.monotonic() < end and (step := await database.writer.run(build_step)):
            rows += step
    except (sqlite3.Error, WriteFailed) as error:
        log.warning("search.not_indexed", error=str(error))
    if rows:
        log.debug("search.indexed", rows=rows, duration_s=round(clock.monotonic() - started, 3))


async def index_words(database: Database, board: ProgressBoard, clock: Clock) -> int:
    """Index all that is missing now, as long as no pass runs; return how many rows."""
    indexed = 0
    if board.latest.running or not await database.reader.run(is_behind):
        return indexed
    started = clock.monotonic()
    while not board.latest.running and (rows := await database.writer.run(build_step)):
        indexed += rows
        await clock.sleep(PAUSE_S)
    log.debug("search.indexed", rows=indexed, duration_s=round(clock.monotonic() - started, 3))
    return indexed
