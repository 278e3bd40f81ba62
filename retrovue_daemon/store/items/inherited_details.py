"""What else belongs to the rows of a re-keyed pair: tags, credits, chapters, markers, and places in collections.

If the details of the younger row were read, they replace those of the older one; otherwise the older row keeps its
own until they are read again, and only takes over labels, which listings add.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.records import Kind
from retrovue_daemon.store.feed.recording import record
from retrovue_daemon.store.items.lookup import TABLES
from retrovue_daemon.store.items.rows import COMPLETE_TAGS

if TYPE_CHECKING:
    import sqlite3

_OF_DETAILS: Final = {
    Kind.MOVIE: ("movie_tags", "movie_credits", "chapters", "markers"),
    Kind.SHOW: ("show_tags", "show_credits"),
    Kind.SEASON: (),
    Kind.EPISODE: ("episode_tags", "episode_credits", "chapters", "markers"),
}

_TIMES: Final = ("details_read_at", "details_read_stamp", "details_again_at", "details_again")
_TIMES_OF: Final = {
    Kind.MOVIE: _TIMES,
    Kind.SHOW: _TIMES[:2],
    Kind.SEASON: _TIMES[:1],
    Kind.EPISODE: _TIMES,
}
"""The columns that say when details were read, and for what."""


def kept_columns(kind: Kind) -> dict[str, str]:
    """Return the expressions of columns that the older row keeps if details of the younger one (``y``) are unread."""
    table = TABLES[kind]
    kept = {name: f"iif(y.details_read_at IS NULL, {table}.{name}, y.{name})" for name in _TIMES_OF[kind]}
    for name in COMPLETE_TAGS.get(kind, ()):
        knows = f"{table}.details_read_at IS NOT NULL AND y.details_read_at IS NULL"
        kept[name] = f"iif({knows}, {table}.{name}, y.{name})"
    return kept


def inherit_details(connection: sqlite3.Connection, kind: Kind) -> None:
    """Move what belongs to the younger rows of a kind in ``rekey_pairs`` to the older ones.

    Call this before the older rows take over the younger ones' columns, within the same transaction.
    """
    table, column, value = TABLES[kind], f"{kind.value}_id", {"kind": kind.value}
    pairs = f"rekey_pairs AS p JOIN {table} AS y ON y.id = p.young_id WHERE p.kind = :kind"
    young = "(SELECT young_id FROM rekey_pairs WHERE kind = :kind)"
    for child in _OF_DETAILS[kind]:
        heir = f"(SELECT p.old_id FROM rekey_pairs AS p WHERE p.kind = :kind AND p.young_id = {child}.{column})"
        connection.execute(
            f"DELETE FROM {child} WHERE {column} IN (SELECT p.old_id FROM {pairs} AND y.details_read_at IS NOT NULL)",
            value,
        )
        connection.execute(f"UPDATE OR IGNORE {child} SET {column} = {heir} WHERE {column} IN {young}", value)
    # The collection that holds both was read after the older item had left.
    connection.execute(
        f"DELETE FROM collection_items WHERE {column} IN (SELECT old_id FROM rekey_pairs WHERE kind = :kind)"
        f" AND EXISTS (SELECT 1 FROM rekey_pairs AS p JOIN collection_items AS y ON y.{column} = p.young_id"
        f" WHERE p.kind = :kind AND p.old_id = collection_items.{column}"
        "  AND y.collection_id = collection_items.collection_id)",
        value,
    )
    exchanged = connection.execute(
        f"SELECT DISTINCT collection_id FROM collection_items WHERE {column} IS NOT NULL AND {column} IN {young}",
        value,
    ).fetchall()
    record(connection, "collection", "updated", [row_id for (row_id,) in exchanged])
    heir = f"(SELECT p.old_id FROM rekey_pairs AS p WHERE p.kind = :kind AND p.young_id = collection_items.{column})"
    connection.execute(f"UPDATE collection_items SET {column} = {heir} WHERE {column} IN {young}", value)
