"""Reading single items: finding them by number, and everything stored about one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from retrovue_daemon.config.values import is_utf8
from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.columns import Found, select_found
from retrovue_daemon.store.items.lookup import GUID_TABLES, TABLES, id_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

Row: TypeAlias = dict[str, str | int | float | bytes | None]


def numbered(
    connection: sqlite3.Connection,
    number: str,
    kinds: Collection[Kind],
    server_id: int | None,
    by: Collection[Literal["id", "rating-key"]],
) -> list[Found]:
    """Find the items of a server, or of all, with this id or this rating key, as ``by`` says."""
    if not is_utf8(number):
        return []
    condition, values = ("1", ()) if server_id is None else ("i.server_id = ?", (server_id,))
    either, wanted = [], list[object]()
    if "rating-key" in by:
        either.append("i.rating_key = ?")
        wanted.append(number)
    if "id" in by and (item_id := id_in(number)) is not None:
        either.append("i.id = ?")
        wanted.append(item_id)
    if not either:
        return []
    return [
        Found(*row)
        for kind in kinds
        for row in connection.execute(
            f"{select_found(kind)} WHERE {condition} AND ({' OR '.join(either)}) ORDER BY i.id", (*values, *wanted)
        )
    ]


def everything(connection: sqlite3.Connection, kind: Kind, item_id: int) -> dict[str, object]:
    """Return everything stored about an item: its row and what belongs to it, its parents and its children."""
    (item,) = _rows(connection, f"SELECT * FROM {TABLES[kind]} WHERE id = ?", item_id)
    result: dict[str, object] = {"kind": kind.value, "item": item}
    result["server"] = _one(connection, "SELECT name FROM plex_servers WHERE id = ?", item["server_id"])
    result["library"] = _one(connection, "SELECT library_name FROM libraries WHERE id = ?", item["library_id"])
    if item.get("show_id") is not None:
        result["show"] = _one(connection, "SELECT title FROM shows WHERE id = ?", item["show_id"])
    if kind in GUID_TABLES:
        table, column = GUID_TABLES[kind]
        query = f"SELECT provider, external_id FROM {table} WHERE {column} = ? ORDER BY provider, external_id"
        result["guids"] = _rows(connection, query, item_id)
        result |= _tags_and_credits(connection, kind, item_id)
    result["collections"] = _rows(
        connection,
        "SELECT c.id, c.title, ci.position, c.state FROM collection_items AS ci"
        f" JOIN collections AS c ON c.id = ci.collection_id WHERE ci.{kind.value}_id = ? ORDER BY c.title, c.id",
        item_id,
    )
    if kind in {Kind.MOVIE, Kind.EPISODE}:
        result["files"] = _files(connection, kind, item)
        for table, order in (("chapters", "position"), ("markers", "starts_at, ends_at, kind")):
            result[table] = _rows(
                connection, f"SELECT * FROM {table} WHERE {kind.value}_id = ? ORDER BY {order}", item_id
            )
    if kind is Kind.SHOW:
        query = (
            "SELECT z.id, z.rating_key, z.season_number, z.title, z.state,"
            " (SELECT count(*) FROM episodes WHERE season_id = z.id) AS episodes"
            " FROM seasons AS z WHERE z.show_id = ? ORDER BY z.season_number, z.id"
        )
        result["seasons"] = _rows(connection, query, item_id)
    if kind is Kind.SEASON:
        query = (
            "SELECT id, rating_key, episode_number, episode_title, state FROM episodes WHERE season_id = ?"
            " ORDER BY episode_number, originally_available_at, id"
        )
        result["episodes"] = _rows(connection, query, item_id)
    return result


def _tags_and_credits(connection: sqlite3.Connection, kind: Kind, item_id: int) -> dict[str, list[Row]]:
    name = kind.value
    return {
        "tags": _rows(
            connection,
            f"SELECT t.kind, t.name FROM {name}_tags AS x JOIN tags AS t ON t.id = x.tag_id"
            f" WHERE x.{name}_id = ? ORDER BY t.kind, x.position, t.name",
            item_id,
        ),
        "credits": _rows(
            connection,
            f"SELECT x.job, p.name, x.role, p.id AS person_id, p.person_key, p.thumb FROM {name}_credits AS x"
            f" JOIN people AS p ON p.id = x.person_id WHERE x.{name}_id = ?"
            " ORDER BY x.job <> 'director', x.job <> 'writer', x.job <> 'producer', x.position",
            item_id,
        ),
    }


def _files(connection: sqlite3.Connection, kind: Kind, item: Row) -> list[dict[str, object]]:
    """Return the files of an item, each with its streams."""
    query = (
        "SELECT * FROM media_files WHERE server_id = ? AND rating_key = ? AND media_type = ?"
        " ORDER BY media_id, part_index, id"
    )
    streams = "SELECT * FROM streams WHERE media_file_id = ? ORDER BY kind <> 'video', kind, stream_index, id"
    return [
        {**file, "streams": _rows(connection, streams, file["id"])}
        for file in _rows(connection, query, item["server_id"], item["rating_key"], kind.value)
    ]


def _rows(connection: sqlite3.Connection, query: str, *values: object) -> list[Row]:
    cursor = connection.execute(query, values)
    names = [column for column, *_ in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _one(connection: sqlite3.Connection, query: str, *values: object) -> object:
    row = connection.execute(query, values).fetchone()
    return row[0] if row else None
