"""What the change feed holds about one item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.records import Kind

MOST_ENTRIES: Final = 2_000
"""Entries of the item's kind that are looked at, the newest: each names up to 1,000 items, and none has an index."""


class ItemChange(NamedTuple):
    """Something that happened to an item; ``at`` is in Unix seconds."""

    seq: int
    at: int
    op: str


def item_history(
    connection: sqlite3.Connection, kind: Kind, item_id: int, limit: int
) -> tuple[list[ItemChange], bool]:
    """Return the latest changes of an item, the newest first, and whether the feed held all that was looked for.

    It does not if older entries were deleted, or not looked at.
    """
    newest = f"SELECT seq, at, op, ids FROM change_batches WHERE kind = ? ORDER BY seq DESC LIMIT {MOST_ENTRIES}"
    # To decode the JSON of all entries would take several times as long.
    among = "instr(replace(replace(replace(ids, ' ', ''), '[', ','), ']', ','), ?)"
    query = f"SELECT seq, at, op FROM ({newest}) WHERE ids LIKE ? AND {among} ORDER BY seq DESC LIMIT ?"
    rows = connection.execute(query, (kind.value, f"%{item_id}%", f",{item_id},", limit)).fetchall()
    query = f"SELECT count(*) FROM (SELECT 1 FROM change_batches WHERE kind = ? LIMIT {MOST_ENTRIES})"
    ((entries,),) = connection.execute(query, (kind.value,))
    ((floor,),) = connection.execute("SELECT floor FROM feed_state")
    return [ItemChange(*row) for row in rows], entries < MOST_ENTRIES and floor == 0 and len(rows) < limit
