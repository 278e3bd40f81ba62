"""What the database already holds of the items of one page, and of a library."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from retrovue_daemon.paths import is_whole
from retrovue_daemon.records import Kind, MediaFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from retrovue_daemon.records import Item

TABLES = {Kind.MOVIE: "movies", Kind.SHOW: "shows", Kind.SEASON: "seasons", Kind.EPISODE: "episodes"}
"""The table of each kind of item. Table names in SQL come only from here, never from outside."""

GUID_TABLES = {
    Kind.MOVIE: ("movie_guids", "movie_id"),
    Kind.SHOW: ("show_guids", "show_id"),
    Kind.EPISODE: ("episode_guids", "episode_id"),
}
"""The table of a kind's external ids, and its column that refers to the item; seasons have none."""

_DIGITS: Final = len(str(1 << 63))
"""Python refuses to convert texts of thousands of digits."""


def stored_ids(
    connection: sqlite3.Connection, kind: Kind, server_id: int, rating_keys: Iterable[str]
) -> dict[str, int]:
    """Return the row ids of these items, by rating key."""
    query = (
        f"SELECT rating_key, id FROM {TABLES[kind]}"
        " WHERE server_id = ? AND rating_key IN (SELECT value FROM json_each(?))"
    )
    return dict(connection.execute(query, (server_id, json_list(rating_keys))))


class KnownRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The columns of an item's row that are compared."""

    id: int
    library_id: int
    state: str
    digest: int | None

    def shows(self, item: Item, digest: int, library_id: int) -> bool:
        """Return whether the row already represents an item of this library with this digest."""
        return self.digest == digest and self.library_id == library_id and self.state == item.state


_IDS = msgspec.json.Decoder(list[int])
_KNOWN_ROWS = msgspec.json.Decoder(dict[str, KnownRow])
_ROWS = (
    "SELECT json_group_object(rating_key, json_array(id, library_id, state, digest)) FROM {table}"
    " WHERE server_id = ? AND rating_key IN (SELECT value FROM json_each(?))"
)
_STREAM_DIGESTS = msgspec.json.Decoder(list[tuple[int, int, int | None]])
_STREAMS = (
    "SELECT json_group_array(json_array(part_id, id, streams_digest)) FROM media_files"
    " WHERE server_id = ? AND part_id IN (SELECT value FROM json_each(?))"
)

StreamDigests: TypeAlias = dict[int, tuple[int, int | None]]
"""The ids of files and the digests of their streams, by the ids of their Parts."""


def known_rows(
    connection: sqlite3.Connection, kind: Kind, server_id: int, rating_keys: Iterable[str]
) -> dict[str, KnownRow]:
    """Return the stored rows of these rating keys, by rating key.

    SQLite combines them into one text: reading them row by row takes two and a half times as long.
    """
    ((rows,),) = connection.execute(_ROWS.format(table=TABLES[kind]), (server_id, json_list(rating_keys)))
    return _KNOWN_ROWS.decode(rows)


def known_rows_and_streams(
    connection: sqlite3.Connection, kind: Kind, server_id: int, rating_keys: Iterable[str], part_ids: Iterable[int]
) -> tuple[dict[str, KnownRow], StreamDigests]:
    """Return the stored rows of these rating keys, and what is stored of the streams of these Parts, in one query."""
    parts = list(part_ids)
    if not parts:
        return known_rows(connection, kind, server_id, rating_keys), {}
    query = f"SELECT ({_ROWS.format(table=TABLES[kind])}), ({_STREAMS})"
    values = (server_id, json_list(rating_keys), server_id, json_list(parts))
    ((rows, streams),) = connection.execute(query, values)
    found = {part_id: (row_id, digest) for part_id, row_id, digest in _STREAM_DIGESTS.decode(streams)}
    return _KNOWN_ROWS.decode(rows), found


def rows_of_keys(
    connection: sqlite3.Connection, server_id: int, rating_keys: Iterable[str], kinds: Iterable[Kind]
) -> dict[Kind, dict[str, KnownRow]]:
    """Return the stored rows of these rating keys, of whichever of these kinds they are, by kind and rating key."""
    keys = list(rating_keys)
    return {kind: known_rows(connection, kind, server_id, keys) for kind in kinds}


def shows_of_keys(connection: sqlite3.Connection, server_id: int, rating_keys: Iterable[str]) -> dict[str, str]:
    """Return the rating keys of the shows of known seasons and episodes, by rating key."""
    query = " UNION ALL ".join(
        f"SELECT i.rating_key, s.rating_key FROM {TABLES[kind]} AS i JOIN shows AS s ON s.id = i.show_id"
        " WHERE i.server_id = ?1 AND i.rating_key IN (SELECT value FROM json_each(?2))"
        for kind in (Kind.SEASON, Kind.EPISODE)
    )
    return dict(connection.execute(query, (server_id, json_list(rating_keys))))


def seasons_of_keys(connection: sqlite3.Connection, server_id: int, rating_keys: Iterable[str]) -> dict[str, str]:
    """Return the rating keys of the seasons of known episodes, by rating key."""
    query = (
        "SELECT i.rating_key, s.rating_key FROM episodes AS i JOIN seasons AS s ON s.id = i.season_id"
        " WHERE i.server_id = ? AND i.rating_key IN (SELECT value FROM json_each(?))"
    )
    return dict(connection.execute(query, (server_id, json_list(rating_keys))))


def libraries_of_keys(connection: sqlite3.Connection, server_id: int, rating_keys: Iterable[str]) -> dict[str, int]:
    """Return the ids of the libraries that known items belong to, by rating key.

    An item that is missing may have left its key to one of another kind.
    """
    keys = list(rating_keys)
    rows = [pair for kind in TABLES for pair in known_rows(connection, kind, server_id, keys).items()]
    rows.sort(key=lambda pair: pair[1].state != "missing")
    return {key: row.library_id for key, row in rows}


def living_rows(connection: sqlite3.Connection, kind: Kind, library_id: int, others: Iterable[int]) -> list[int]:
    """Return the ids of up to three rows of a library that are not missing and none of the ``others``.

    They are far apart, the first, the last and one in the middle: what is deleted together mostly came together.
    """
    where = "library_id = ? AND state <> 'missing' AND id NOT IN (SELECT value FROM json_each(?))"
    values = (library_id, json_list(others))

    def one(condition: str, *more: int) -> int | None:
        query = f"SELECT id FROM {TABLES[kind]} WHERE {where} {condition} LIMIT 1"
        found = connection.execute(query, (*values, *more)).fetchone()
        return None if found is None else int(found[0])

    first, last = one("ORDER BY id"), one("ORDER BY id DESC")
    if first is None or last is None:
        return []
    middle = one("AND id >= ? ORDER BY id", (first + last) // 2)
    return list(dict.fromkeys(each for each in (first, last, middle) if each is not None))


class KnownFile(NamedTuple):
    """A stored file with a complete path, and the library and the Plex guid of its item."""

    file: MediaFile
    plex_path: str
    library_id: int
    guid: str | None


_FILES = """
SELECT rating_key, library_id, source_id, media_id, part_id, part_index, plex_path, duration, size, container,
    video_codec, audio_codec, audio_channels, width, height, video_resolution, bitrate, optimized, change_stamp,
    state = 'unavailable', version_title, aspect_ratio, frame_rate, video_profile, audio_profile
FROM media_files
WHERE server_id = ? AND media_type = ? AND rating_key IN (SELECT value FROM json_each(?)) AND plex_path IS NOT NULL
ORDER BY id
"""
"""From the fourth column on, in the order of MediaFile; ids follow the order of the listing."""


def known_files(
    connection: sqlite3.Connection, kind: Kind, server_id: int, rating_keys: Iterable[str]
) -> Mapping[str, Sequence[KnownFile]]:
    """Return the stored files of these items of one kind whose complete paths are known, by rating key."""
    found: defaultdict[str, list[KnownFile]] = defaultdict(list)
    for key, library_id, guid, *fields in connection.execute(_FILES, (server_id, kind.value, json_list(rating_keys))):
        file = msgspec.convert(fields, MediaFile, strict=False)
        if file.plex_path is not None and is_whole(file.plex_path):
            found[key].append(KnownFile(file, file.plex_path, library_id, guid))
    return dict(found)


def holds_items(connection: sqlite3.Connection, kind: Kind, library_id: int) -> bool:
    """Return whether a library has any row of a kind, including missing ones."""
    query = f"SELECT EXISTS (SELECT 1 FROM {TABLES[kind]} WHERE library_id = ?)"
    ((found,),) = connection.execute(query, (library_id,))
    return bool(found)


def json_list(values: Iterable[str | int]) -> str:
    """Return a JSON array from which ``json_each`` makes rows."""
    return msgspec.json.encode(list(values)).decode()


def next_ids(connection: sqlite3.Connection, kind: Kind, library_id: int, last: int, limit: int) -> list[int]:
    """Return the ids of a library's rows after ``last``, including missing ones, in order; ``limit`` is the most.

    A covering index answers this query: reading each row's state as well takes twice as long.
    """
    query = (
        f"SELECT json_group_array(id) FROM (SELECT id FROM {TABLES[kind]}"
        " WHERE library_id = ? AND id > ? ORDER BY id LIMIT ?)"
    )
    ((text,),) = connection.execute(query, (library_id, last, limit))
    return _IDS.decode(text)


def rating_keys(connection: sqlite3.Connection, kind: Kind, ids: Iterable[int]) -> dict[int, str]:
    """Return the rating keys of these rows, by id."""
    query = f"SELECT id, rating_key FROM {TABLES[kind]} WHERE id IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(query, (json_list(ids),)))


def ids_of_show(connection: sqlite3.Connection, kind: Kind, library_id: int, show_id: int) -> list[int]:
    """Return the ids of a show's seasons or episodes in a library that are not missing."""
    query = f"SELECT id FROM {TABLES[kind]} WHERE show_id = ? AND library_id = ? AND state <> 'missing' ORDER BY id"
    return [row_id for (row_id,) in connection.execute(query, (show_id, library_id))]


def id_in(text: str) -> int | None:
    """Return the id that a text is; None if it is none, or one that no row can have."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
    return int(text) if is_number and int(text) < 1 << 63 else None
