"""What the daemon must remember about itself."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiosqlite


async def client_identifier(connection: aiosqlite.Connection) -> str:
    """Return this database's ``X-Plex-Client-Identifier``, made once and kept; to be run by the writer.

    Plex shows its owner one device for each identifier, so it must not change from start to start.
    """
    await connection.execute(
        "INSERT INTO daemon_state (key, value) VALUES ('client_identifier', ?) ON CONFLICT DO NOTHING",
        (str(uuid.uuid4()),),
    )
    query = "SELECT value FROM daemon_state WHERE key = 'client_identifier'"
    ((identifier,),) = await connection.execute_fetchall(query)
    return str(identifier)
