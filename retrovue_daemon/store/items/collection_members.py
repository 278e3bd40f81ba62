"""Reading collections for people: which there are, and what is in each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.lookup import TABLES, json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection


class ListedCollection(msgspec.Struct, frozen=True):
    """A collection in a list; ``items`` is the number of its members, of which some may be missing."""

    id: int
    rating_key: str
    title: str
    item_kind: str | None
    is_smart: bool
    items: int
    library: str
    server: str
    state: str


class Member(msgspec.Struct, frozen=True):
    """A member of a collection; only seasons and episodes have ``show``."""

    position: int
    kind: str
    id: int
    rating_key: str
    title: str
    year: int | None
    show: str | None
    season_number: int | None
    episode_number: int | None
    state: str


def listed_collections(
    connection: sqlite3.Connection, library_ids: Collection[int] | None = None
) -> list[ListedCollection]:
    """Return the collections of these libraries, or of all, by library and title."""
    chosen = () if library_ids is None else (json_list(library_ids),)
    query = (
        "SELECT c.id, c.rating_key, c.title, c.item_kind, c.is_smart,"
        " (SELECT count(*) FROM collection_items WHERE collection_id = c.id), l.library_name, s.name, c.state"
        " FROM collections AS c JOIN libraries AS l ON l.id = c.library_id"
        " JOIN plex_servers AS s ON s.id = c.server_id"
        f"{' WHERE c.library_id IN (SELECT value FROM json_each(?))' if chosen else ''}"
        " ORDER BY s.name, l.library_name, ifnull(c.title_sort, c.title) COLLATE NOCASE, c.id"
    )
    rows = connection.execute(query, chosen)
    return [msgspec.convert(row, ListedCollection, strict=False) for row in map(_with_names, rows)]


def _with_names(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(ListedCollection.__struct_fields__, row, strict=True))


def collection_row(connection: sqlite3.Connection, collection_id: int) -> dict[str, Any]:
    """Return everything stored about a collection itself."""
    cursor = connection.execute("SELECT * FROM collections WHERE id = ?", (collection_id,))
    (row,) = cursor
    return {column: value for (column, *_), value in zip(cursor.description, row, strict=True)}


def members(connection: sqlite3.Connection, collection_id: int) -> list[Member]:
    """Return the members of a collection in its order."""
    parts = []
    for kind in Kind:
        is_below = kind in {Kind.SEASON, Kind.EPISODE}
        title = "i.episode_title" if kind is Kind.EPISODE else "i.title"
        show = "(SELECT title FROM shows WHERE id = i.show_id), i.season_number" if is_below else "NULL, NULL"
        parts.append(
            f"SELECT ci.position, '{kind.value}', i.id, i.rating_key, {title}, {'NULL' if is_below else 'i.year'},"
            f" {show}, {'i.episode_number' if kind is Kind.EPISODE else 'NULL'}, i.state"
            f" FROM collection_items AS ci JOIN {TABLES[kind]} AS i ON i.id = ci.{kind.value}_id"
            " WHERE ci.collection_id = ?1"
        )
    return [Member(*row) for row in connection.execute(f"{' UNION ALL '.join(parts)} ORDER BY 1", (collection_id,))]
