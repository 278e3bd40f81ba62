"""Deleting rows that have been missing for longer than the configuration keeps them, by observed time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from retrovue_daemon.store.items.sweep import purge, purgeable
from retrovue_daemon.store.tables.collections import purge_collections

if TYPE_CHECKING:
    from retrovue_daemon.service.roster import ActiveServer
    from retrovue_daemon.service.worker_context import WorkerContext
    from retrovue_daemon.store.database import Database

log = structlog.get_logger()


async def tidy(context: WorkerContext, server: ActiveServer, retention: float | None) -> None:
    """Do what a poll of a server leaves to the end: delete what was missing for long, and keep the observed time.

    ``retention`` is the configured one, or longer.
    """
    database, observed = context.database, context.observed
    await purge_missing(database, server, observed.now(), retention)
    if observed.is_due:
        # Rarely, because a poll without changes should write almost nothing.
        await database.writer.run(observed.keep)


async def purge_missing(database: Database, server: ActiveServer, observed: int, retention: float | None) -> None:
    """Delete, a few at a time, a server's rows that were missing for longer than ``retention``, and log how many.

    ``observed`` is the observed time; without a retention, rows are kept for ever.
    """
    if retention is None:
        return
    before = observed - int(retention)
    purged, collections, server_id = 0, 0, server.server_id
    if await database.reader.run(purgeable, server_id, before):
        while rows := await database.writer.run(purge, server_id, before):
            purged += rows
        while rows := await database.writer.run(purge_collections, server_id, before):
            collections += rows
    if purged or collections:
        log.info("items.purged", server=server.name, items=purged, collections=collections)
