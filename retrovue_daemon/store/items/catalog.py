"""Reading single items: finding them by title, external id or number, and everything stored about one of them."""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from retrovue_daemon.config.values import is_utf8
from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.lookup import GUID_TABLES, TABLES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

Row: TypeAlias = dict[str, str | int | float | bytes | None]

_OF = " JOIN libraries AS l ON l.id = i.library_id JOIN plex_servers AS s ON s.id = i.server_id"
_WHERE_IT_IS = "l.library_name, s.name, i.state"
_HEADS = {
    Kind.MOVIE: (
        "SELECT 'movie', i.id, i.rating_key, i.title, i.year, i.edition_title, NULL, NULL, NULL,"
        f" {_WHERE_IT_IS} FROM movies AS i{_OF}"
    ),
    Kind.SHOW: (
        "SELECT 'show', i.id, i.rating_key, i.title, i.year, NULL, NULL, NULL, NULL,"
        f" {_WHERE_IT_IS} FROM shows AS i{_OF}"
    ),
    Kind.SEASON: (
        "SELECT 'season', i.id, i.rating_key, i.title, NULL, NULL, w.title, i.season_number, NULL,"
        f" {_WHERE_IT_IS} FROM seasons AS i{_OF} LEFT JOIN shows AS w ON w.id = i.show_id"
    ),
    Kind.EPISODE: (
        "SELECT 'episode', i.id, i.rating_key, i.episode_title, NULL, NULL, w.title, i.season_number,"
        f" i.episode_number, {_WHERE_IT_IS} FROM episodes AS i{_OF} LEFT JOIN shows AS w ON w.id = i.show_id"
    ),
}
_TITLES = {Kind.MOVIE: "i.title", Kind.SHOW: "i.title", Kind.SEASON: "i.title", Kind.EPISODE: "i.episode_title"}


class Found(msgspec.Struct, frozen=True):
    """An item in a list; only seasons and episodes have ``show``, ``season_number`` and ``episode_number``."""

    kind: str
    id: int
    rating_key: str
    title: str
    year: int | None
    edition_title: str | None
    show: str | None
    season_number: int | None
    episode_number: int | None
    library: str
    server: str
    state: str


class Where(msgspec.Struct, frozen=True):
    """Which items to search; None means all servers or all libraries."""

    kinds: Collection[Kind]
    server_id: int | None = None
    library_ids: Collection[int] | None = None

    def conditions(self) -> tuple[str, list[object]]:
        """Return the SQL condition and its values."""
        parts, values = ["1"], list[object]()
        if self.server_id is not None:
            parts.append("i.server_id = ?")
            values.append(self.server_id)
        if self.library_ids is not None:
            parts.append(f"i.library_id IN ({', '.join('?' * len(self.library_ids))})")
            values.extend(self.library_ids)
        return " AND ".join(parts), values


def search(connection: sqlite3.Connection, text: str, where: Where, *, limit: int) -> tuple[list[Found], int]:
    """Find items whose title contains a text, ignoring case and, if nothing else matches, accents.

    Return the best matches (equal titles, then titles starting with the text) and the total number of matches.
    """
    if not is_utf8(text):
        return [], 0
    connection.create_function("simplified", 1, simplified, deterministic=True)
    like = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    found, total = list[Found](), 0
    if text.isascii():
        found, total = _titled(connection, f"%{like}%", "{title} LIKE ? ESCAPE '\\'", f"{like}%", where, limit)
    if not total:
        found, total = _titled(
            connection, simplified(text), "instr(simplified({title}), ?)", f"{like}%", where, limit
        )
    plain = simplified(text)
    found.sort(key=lambda item: _rank(simplified(item.title), plain))
    return found[:limit], total


def with_external_id(connection: sqlite3.Connection, provider: str, external_id: str, where: Where) -> list[Found]:
    """Find the items that have this id at an external provider."""
    if not is_utf8(provider + external_id):
        return []
    condition, values = where.conditions()
    found = []
    for kind, (table, column) in GUID_TABLES.items():
        if kind in where.kinds:
            query = (
                f"{_HEADS[kind]} WHERE {condition} AND i.id IN"
                f" (SELECT {column} FROM {table} WHERE external_id = ? AND provider = ?) ORDER BY i.id"
            )
            found += [Found(*row) for row in connection.execute(query, (*values, external_id, provider))]
    return found


def numbered(
    connection: sqlite3.Connection, number: str, where: Where, by: Collection[Literal["id", "rating-key"]]
) -> list[Found]:
    """Find the items with this id or this rating key, as ``by`` says."""
    if not is_utf8(number):
        return []
    condition, values = where.conditions()
    either, wanted = [], list[object]()
    if "rating-key" in by:
        either.append("i.rating_key = ?")
        wanted.append(number)
    if "id" in by and number.isascii() and number.isdecimal() and int(number) < 1 << 63:
        either.append("i.id = ?")
        wanted.append(int(number))
    if not either:
        return []
    return [
        Found(*row)
        for kind in where.kinds
        for row in connection.execute(
            f"{_HEADS[kind]} WHERE {condition} AND ({' OR '.join(either)}) ORDER BY i.id", (*values, *wanted)
        )
    ]


def everything(connection: sqlite3.Connection, kind: Kind, item_id: int) -> dict[str, object]:
    """Return everything stored about an item: its row, external ids, files, parents and children."""
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
    if kind in {Kind.MOVIE, Kind.EPISODE}:
        query = (
            "SELECT * FROM media_files WHERE server_id = ? AND rating_key = ? AND media_type = ?"
            " ORDER BY media_id, part_index, id"
        )
        result["files"] = _rows(connection, query, item["server_id"], item["rating_key"], kind.value)
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


def _titled(
    connection: sqlite3.Connection, wanted: str, fits: str, start: str, where: Where, limit: int
) -> tuple[list[Found], int]:
    """Return the best matches of each kind, and the total number of matches of all kinds."""
    condition, values = where.conditions()
    found: list[Found] = []
    total = 0
    for kind in where.kinds:
        title = _TITLES[kind]
        test = f"WHERE {condition} AND {fits.format(title=title)}"
        query = f"SELECT count(*) FROM {TABLES[kind]} AS i {test}"
        total += connection.execute(query, (*values, wanted)).fetchone()[0]
        # Among titles starting with the text, the shortest is the closest match.
        best = f"ORDER BY {title} LIKE ? ESCAPE '\\' DESC, length({title}), {title}, i.id LIMIT ?"
        rows = connection.execute(f"{_HEADS[kind]} {test} {best}", (*values, wanted, start, min(limit, sys.maxsize)))
        found += [Found(*row) for row in rows]
    return found, total


def _rank(title: str, text: str) -> tuple[bool, bool, str]:
    return title != text, not title.startswith(text), title


def simplified(text: str) -> str:
    """Return a text in lower case and without accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def _rows(connection: sqlite3.Connection, query: str, *values: object) -> list[Row]:
    cursor = connection.execute(query, values)
    names = [column for column, *_ in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _one(connection: sqlite3.Connection, query: str, *values: object) -> object:
    row = connection.execute(query, values).fetchone()
    return row[0] if row else None
