"""Deleting the rows of items that have been missing for longer than the configuration keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.store.items.sweep import purge, purgeable

if TYPE_CHECKING:
    from retrovue_daemon.store.database import Database


async def purge_missing(database: Database, server_id: int, before: int) -> int:
    """Delete, a few at a time, a server's rows that went missing before an observed time; return how many."""
    purged = 0
    if await database.reader.run(purgeable, server_id, before):
        while rows := await database.writer.run(purge, server_id, before):
            purged += rows
    return purged
