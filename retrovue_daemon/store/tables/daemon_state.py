"""What the daemon stores about itself."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from retrovue_daemon.store.file.visits import changing, reading

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_MAKE = "INSERT INTO daemon_state (key, value) VALUES ('client_identifier', ?) ON CONFLICT DO NOTHING"
_READ = "SELECT value FROM daemon_state WHERE key = 'client_identifier'"


def client_identifier(connection: sqlite3.Connection) -> str:
    """Return this database's ``X-Plex-Client-Identifier``, created once and kept. Call this from the writer.

    Plex shows its owner one device per identifier, so it must not change between starts.
    """
    connection.execute(_MAKE, (str(uuid.uuid4()),))
    ((identifier,),) = connection.execute(_READ)
    return str(identifier)


def visitors_identifier(path: Path) -> str:
    """Return the same for a program other than the daemon; blocks."""
    with reading(path) as connection:
        row = connection.execute(_READ).fetchone()
    if row is not None:
        return str(row[0])
    with changing(path) as connection:
        return client_identifier(connection)
