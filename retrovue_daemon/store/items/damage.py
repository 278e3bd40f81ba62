"""Items that arrived with damaged values: what is stored about them, and when their damage is written to their rows.

A row keeps its good values until the same damage arrives a second time, or any damage a third time. From then on the
row holds what the server reports, including further damage, until the item arrives undamaged once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.store.feed.recording import record
from retrovue_daemon.store.items.lookup import TABLES, json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from retrovue_daemon.records import Item
    from retrovue_daemon.store.items.rows import Target

STORED_AT = 3
"""The arrival at which any damage is written; as ``times`` it says that the row holds damaged values."""


class Damage(msgspec.Struct, frozen=True):
    """The last damaged arrival of an item, and the number of damaged arrivals so far."""

    digest: int
    times: int

    def again(self, digest: int) -> Damage:
        """Return what to store after the next damaged arrival."""
        return Damage(digest, STORED_AT if digest == self.digest else min(self.times + 1, STORED_AT))


def holds_damage(connection: sqlite3.Connection, server_id: int) -> bool:
    """Return whether damage of any item of a server is stored."""
    query = "SELECT EXISTS (SELECT 1 FROM damaged_items WHERE server_id = ?)"
    ((holds,),) = connection.execute(query, (server_id,))
    return bool(holds)


def known_damage(connection: sqlite3.Connection, server_id: int, rating_keys: Iterable[str]) -> dict[str, Damage]:
    """Return the stored damage of those of these items that have any, by rating key."""
    query = (
        "SELECT rating_key, digest, times FROM damaged_items"
        " WHERE server_id = ? AND rating_key IN (SELECT value FROM json_each(?))"
    )
    rows = connection.execute(query, (server_id, json_list(rating_keys)))
    return {key: Damage(digest, times) for key, digest, times in rows}


def remember_damage(
    connection: sqlite3.Connection, target: Target, damage: dict[str, Damage], *, list_again: bool
) -> None:
    """Store the damage of items by rating key; ``list_again`` makes the next pass list their library completely."""
    connection.executemany(
        "INSERT INTO damaged_items (server_id, rating_key, digest, times) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET digest = excluded.digest, times = excluded.times",
        [(target.server_id, key, each.digest, each.times) for key, each in damage.items()],
    )
    if list_again:
        connection.execute("UPDATE libraries SET list_again = 1 WHERE id = ?", (target.library_id,))


def forget_damage(connection: sqlite3.Connection, server_id: int, rating_keys: Iterable[str]) -> None:
    """Delete the stored damage of items that arrived undamaged or whose rows are deleted."""
    connection.execute(
        "DELETE FROM damaged_items WHERE server_id = ? AND rating_key IN (SELECT value FROM json_each(?))",
        (server_id, json_list(rating_keys)),
    )


def return_kept(connection: sqlite3.Connection, kind: Kind, found: Sequence[tuple[int, Item]]) -> int:
    """Mark missing rows as present again without writing their items' values; return how many there were.

    Their digests are cleared, so that the next pass sees a difference.
    """
    query = f"SELECT id FROM {TABLES[kind]} WHERE state = 'missing' AND id IN (SELECT value FROM json_each(?))"
    missing = [row_id for (row_id,) in connection.execute(query, (json_list(row_id for row_id, _ in found),))]
    cursor = connection.executemany(
        f"UPDATE {TABLES[kind]} SET state = ?, missing_since = NULL, missing_observed = NULL, digest = NULL"
        " WHERE id = ? AND state = 'missing'",
        [(item.state, row_id) for row_id, item in found],
    )
    if kind in {Kind.MOVIE, Kind.EPISODE}:
        connection.executemany(
            "UPDATE media_files SET state = iif(plex_path IS NULL, 'unavailable', 'active')"
            f" WHERE (server_id, rating_key) = (SELECT server_id, rating_key FROM {TABLES[kind]} WHERE id = ?)"
            " AND media_type = ? AND state = 'missing'",
            [(row_id, kind.value) for row_id, _ in found],
        )
    record(connection, kind, "restored", missing)
    return cursor.rowcount
