"""A witness in the database: triggers that note which rows were ever marked missing.

Comparing the rows before and after does not show a wrong removal that the next pass undid.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.properties.mirror import ITEM_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.chaos.worlds import Servers

MOST_NAMED = 3
TABLE = "CREATE TABLE IF NOT EXISTS chaos_removed (server_id INTEGER, of TEXT, rating_key TEXT)"
TRIGGER = (
    "CREATE TRIGGER chaos_missing_{table} AFTER UPDATE OF state ON {table}"
    " WHEN new.state = 'missing' AND old.state <> 'missing' BEGIN"
    " INSERT INTO chaos_removed VALUES (new.server_id, '{table}', new.rating_key); END"
)


class Witness:
    """Watches one database; call `watch` once it has its tables."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._seen = 0

    def watch(self) -> None:
        """Begin to note removals; a second call does nothing."""
        if not self._database.exists():
            return
        with closing(sqlite3.connect(self._database, timeout=20)) as connection, connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
            if not names.issuperset(ITEM_TABLES) or "chaos_removed" in names:
                return
            connection.execute(TABLE)
            for table in ITEM_TABLES:
                connection.execute(TRIGGER.format(table=table))

    def look(self, servers: Servers) -> list[str]:
        """Return which rows were removed since the last look although their servers have the items.

        In these trials no item comes back under a key that it once lost.
        """
        found = [*self._wrong(servers)]
        return found[:MOST_NAMED] + ([f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else [])

    def _wrong(self, servers: Servers) -> Iterator[str]:
        if not self._database.exists():
            return
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'chaos_removed'").fetchall():
                return
            query = (
                "SELECT r.rowid, s.name, r.of, r.rating_key FROM chaos_removed AS r"
                " JOIN plex_servers AS s ON s.id = r.server_id WHERE r.rowid > ? ORDER BY r.rowid"
            )
            for number, name, table, key in connection.execute(query, (self._seen,)).fetchall():
                self._seen = number
                plex = servers.get(name)
                if plex is None or not key.isdecimal() or int(key) in plex.withheld:
                    continue
                if int(key) in plex.world.items:
                    yield f"{name}: {table} {key} was marked missing for a while, and the server has it"
