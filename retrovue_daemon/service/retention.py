"""Deleting the rows of items that have been missing for longer than the configuration keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from retrovue_daemon.store.items.sweep import purge, purgeable
from retrovue_daemon.store.tables.collections import purge_collections

if TYPE_CHECKING:
    from retrovue_daemon.service.roster import ActiveServer
    from retrovue_daemon.store.database import Database

log = structlog.get_logger()


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
