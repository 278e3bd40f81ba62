"""Keeping the change feed as short as the configuration says."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final, Never

import structlog

from retrovue_daemon.errors import WriteFailed
from retrovue_daemon.store.feed.retention import is_purge_due, purge_changes

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock
    from retrovue_daemon.service.supervisor import Supervisor

log = structlog.get_logger()

LOOK_S: Final = 60 * 60.0
"""Seconds between two looks."""


async def keep_feed_short(supervisor: Supervisor, clock: Clock) -> Never:
    """Delete old entries once an hour."""
    while True:
        await clock.sleep(LOOK_S)
        await shorten_feed(supervisor)


async def shorten_feed(supervisor: Supervisor) -> None:
    """Delete the entries that are older than ``[database] changes_retention`` now, in small transactions."""
    retention, observed = supervisor.config.database.changes_retention, supervisor.observed.now()
    if retention is None:
        return
    database, deleted = supervisor.database, 0
    try:
        if await database.reader.run(is_purge_due, observed, retention):
            while entries := await database.writer.run(purge_changes, observed, retention):
                deleted += entries
    except (sqlite3.Error, WriteFailed) as error:
        log.warning("feed.purge_failed", error=str(error))
    if deleted:
        log.info("feed.purged", entries=deleted)
