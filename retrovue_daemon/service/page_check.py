"""The daily check of the database's pages, because syncs do not notice a damaged page that they do not read."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final, Never

import structlog

from retrovue_daemon.errors import DAMAGE_HINT, WriteFailed
from retrovue_daemon.store.file.pages import first_damage
from retrovue_daemon.store.tables.page_checks import PageCheck, read_page_check, store_page_check

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock
    from retrovue_daemon.store.database import Database

log = structlog.get_logger()

LOOK_S: Final = 60 * 60
"""Seconds between two looks whether a check is due, and before the first one: the start has work of its own."""

CHECK_S: Final = 24 * 60 * 60
"""Seconds between two checks."""


async def check_pages_daily(database: Database, clock: Clock) -> Never:
    """Check all pages once a day, also across restarts; log damage, and store it for ``status`` and ``health``."""
    while True:
        await clock.sleep(LOOK_S)
        try:
            await check_pages_if_due(database, clock)
        except (sqlite3.Error, WriteFailed) as error:
            log.warning("store.check_failed", error=str(error))


async def check_pages_if_due(database: Database, clock: Clock) -> None:
    """Check all pages if the last check is a day old, or later than now because a clock was set."""
    last = await database.reader.run(read_page_check)
    if last is not None and 0 <= clock.now() - last.at < CHECK_S:
        return
    damage, now = await first_damage(database.path), clock.now()
    since = None
    if damage is not None:
        log.error("store.damaged", error=damage, hint=DAMAGE_HINT)
        since = last.since if last is not None and last.since is not None else now
    await database.writer.run(store_page_check, PageCheck(now, damage, since))
