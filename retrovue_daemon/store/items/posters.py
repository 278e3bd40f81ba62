"""Where the poster of an item is: on which server, of which machine, at which path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.store.items.lookup import TABLES

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.records import Kind


class Poster(msgspec.Struct, frozen=True):
    """The stored address of an item's poster or still; ``machine`` is the server's machineIdentifier."""

    server_id: int
    machine: str | None
    address: str | None


def poster_of(connection: sqlite3.Connection, kind: Kind, item_id: int) -> Poster | None:
    """Return where the poster of an item is; None if there is no such item."""
    query = (
        f"SELECT s.id, s.machine_identifier, i.thumb FROM {TABLES[kind]} AS i"
        " JOIN plex_servers AS s ON s.id = i.server_id WHERE i.id = ?"
    )
    row = connection.execute(query, (item_id,)).fetchone()
    return None if row is None else Poster(*row)
