"""A reinstalled server: a new machineIdentifier, the same films."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors import DuplicateServer
from retrovue_daemon.store.feed.recording import record
from retrovue_daemon.store.items.lookup import TABLES

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.store.tables.servers import StoredServer


def accept_identity(connection: sqlite3.Connection, server: StoredServer, machine_identifier: str, now: int) -> int:
    """Accept the machine that responds now as this server; return how many items the server had.

    Rating keys, part ids and marks of the former installation are meaningless now. They are moved out of the way, so
    that the next passes list everything and find each item's row by its guid or path (``store/items/rekeying.py``).

    Raise DuplicateServer if another row has that machineIdentifier.
    """
    query = "SELECT name FROM plex_servers WHERE machine_identifier = ? AND id <> ?"
    for (other,) in connection.execute(query, (machine_identifier, server.id)):
        raise DuplicateServer(server.name, other)
    connection.execute(
        "UPDATE plex_servers SET machine_identifier = ?, version = NULL, updated_at = ? WHERE id = ?",
        (machine_identifier, now, server.id),
    )
    if server.machine_identifier in {None, machine_identifier}:
        return 0
    connection.execute(
        "UPDATE libraries SET content_changed_at = NULL, section_updated_at = NULL, scanned_at = NULL,"
        " watermark = NULL, fault = NULL, doubt = NULL, list_again = 0, last_full_sync_at = NULL WHERE server_id = ?",
        (server.id,),
    )
    connection.execute("DELETE FROM damaged_items WHERE server_id = ?", (server.id,))
    former = f"{server.machine_identifier}/"
    items = 0
    for kind, table in TABLES.items():
        query = f"UPDATE {table} SET rating_key = ? || rating_key WHERE server_id = ? RETURNING id"
        ids = [row_id for (row_id,) in connection.execute(query, (former, server.id))]
        record(connection, kind, "updated", ids)
        items += len(ids)
    connection.execute(
        "UPDATE media_files SET rating_key = ? || rating_key, part_id = NULL, media_id = NULL WHERE server_id = ?",
        (former, server.id),
    )
    return items
