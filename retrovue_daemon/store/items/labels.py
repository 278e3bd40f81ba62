"""The labels of items, which only lists of labels and details name; other tags are not touched here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.records import Kind, folded
from retrovue_daemon.store.feed.recording import record
from retrovue_daemon.store.items.bulk import Insertion, write_rows
from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.tags import tag_ids

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

LABELLED_KINDS: Final = {"movie": (Kind.MOVIE,), "show": (Kind.SHOW, Kind.EPISODE)}
"""The kinds of items whose labels are stored, by the kind of their library."""

_TAGS: Final = {kind: (f"{kind.value}_tags", f"{kind.value}_id") for kind in (Kind.MOVIE, Kind.SHOW, Kind.EPISODE)}


def stored_labels(connection: sqlite3.Connection, server_id: int) -> set[tuple[Kind, int, str]]:
    """Return the labels that a server's items have, with their kinds and the ids of their libraries."""
    if not connection.execute("SELECT 1 FROM tags WHERE kind = 'label' LIMIT 1").fetchall():
        return set()
    libraries = connection.execute("SELECT id FROM libraries WHERE server_id = ?", (server_id,)).fetchall()
    found: set[tuple[Kind, int, str]] = set()
    for kind, (tags, column) in _TAGS.items():
        query = (
            "SELECT t.name FROM tags AS t WHERE t.kind = 'label' AND EXISTS (SELECT 1"
            f" FROM {tags} AS x JOIN {TABLES[kind]} AS i ON i.id = x.{column} WHERE x.tag_id = t.id"
            " AND i.library_id = ?)"
        )
        for (library_id,) in libraries:
            found.update((kind, library_id, name) for (name,) in connection.execute(query, (library_id,)))
    return found


def listed_items(
    connection: sqlite3.Connection, kind: Kind, library_id: int, server_id: int, name: str, rating_keys: Iterable[str]
) -> tuple[list[int], list[int]]:
    """Return the ids of a library's items with these rating keys, and those of them without a label.

    One in another case, or with accents of another form, counts as the same: of those an item has one.
    """
    tags, column = _TAGS[kind]
    connection.create_function("folded", 1, folded, deterministic=True)
    query = (
        f"SELECT i.id, NOT EXISTS (SELECT 1 FROM {tags} AS x JOIN tags AS t ON t.id = x.tag_id"
        f" WHERE x.{column} = i.id AND t.kind = 'label' AND folded(t.name) = folded(?1))"
        f" FROM {TABLES[kind]} AS i"
        " WHERE i.server_id = ?2 AND i.library_id = ?3 AND i.rating_key IN (SELECT value FROM json_each(?4))"
    )
    rows = connection.execute(query, (name, server_id, library_id, json_list(rating_keys))).fetchall()
    return [row_id for row_id, _ in rows], [row_id for row_id, lacks in rows if lacks]


def labelled_items(
    connection: sqlite3.Connection, kind: Kind, library_id: int, name: str, after: int, limit: int
) -> list[tuple[int, str]]:
    """Return the ids and rating keys of the next items that have a label and are not missing, by id."""
    tags, column = _TAGS[kind]
    query = (
        f"SELECT i.id, i.rating_key FROM tags AS t JOIN {tags} AS x ON x.tag_id = t.id"
        f" JOIN {TABLES[kind]} AS i ON i.id = x.{column} WHERE t.kind = 'label' AND t.name = ?"
        " AND i.library_id = ? AND i.state <> 'missing' AND i.id > ? ORDER BY i.id LIMIT ?"
    )
    return connection.execute(query, (name, library_id, after, limit)).fetchall()


def add_label(connection: sqlite3.Connection, kind: Kind, name: str, ids: Sequence[int], now: int) -> None:
    """Add a label to items, after those that they have. Run this as one of the writer's transactions."""
    tags, column = _TAGS[kind]
    tag_id = tag_ids(connection, [("label", name)])["label", name]
    query = (
        f"SELECT i.id, (SELECT ifnull(max(x.position) + 1, 0) FROM {tags} AS x JOIN tags AS t ON t.id = x.tag_id"
        f" WHERE x.{column} = i.id AND t.kind = 'label') FROM {TABLES[kind]} AS i"
        " WHERE i.id IN (SELECT value FROM json_each(?))"
    )
    rows = [(row_id, tag_id, position) for row_id, position in connection.execute(query, (json_list(ids),))]
    write_rows(connection, Insertion(tags, (column, "tag_id", "position"), "ON CONFLICT DO NOTHING"), rows)
    _touch(connection, kind, ids, now)


def remove_label(connection: sqlite3.Connection, kind: Kind, name: str, ids: Sequence[int], now: int) -> None:
    """Take a label off items. Run this as one of the writer's transactions."""
    tags, column = _TAGS[kind]
    connection.execute(
        f"DELETE FROM {tags} WHERE {column} IN (SELECT value FROM json_each(?))"
        " AND tag_id = (SELECT id FROM tags WHERE kind = 'label' AND name = ?)",
        (json_list(ids), name),
    )
    _touch(connection, kind, ids, now)


def _touch(connection: sqlite3.Connection, kind: Kind, ids: Sequence[int], now: int) -> None:
    connection.execute(
        f"UPDATE {TABLES[kind]} SET synced_at = ? WHERE id IN (SELECT value FROM json_each(?))", (now, json_list(ids))
    )
    record(connection, kind, "updated", ids)
