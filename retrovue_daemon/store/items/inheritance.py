"""The files of a re-keyed item: its old file rows survive, with the values of the younger item's rows.

Programs refer to ``media_files.id``. The files of both rows of a pair are matched as within one item: by path, then a
single unmatched file on each side to each other. If the token hides folders or paths, files are matched by name or
size, and the older row's path is kept. A matched row of the older item takes over the values of the younger one;
unmatched rows of the older item are deleted, unmatched rows of the younger one move over. The primary file stays
primary as long as it can be played; if the younger item has no file yet, its row waits for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.records import Kind
from retrovue_daemon.store.feed.recording import record
from retrovue_daemon.store.items.lookup import TABLES
from retrovue_daemon.store.items.path_forms import PATH_FORM
from retrovue_daemon.store.items.rows import FILE_COLUMNS, SAID_ONCE, STREAM_STATE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_TABLES = """
CREATE TEMP TABLE IF NOT EXISTS inherited_files (
    pair INTEGER NOT NULL, id INTEGER PRIMARY KEY, is_old INTEGER NOT NULL, form TEXT, optimized INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS temp.inherited_files_pair ON inherited_files (pair, is_old, form);
CREATE TEMP TABLE IF NOT EXISTS inherited_rows (
    old_id INTEGER PRIMARY KEY, young_id INTEGER NOT NULL UNIQUE, part_id INTEGER
);
CREATE TEMP TABLE IF NOT EXISTS inherited_waiting (id INTEGER PRIMARY KEY, young_item INTEGER NOT NULL);
CREATE TEMP TABLE IF NOT EXISTS inherited_singles (pair INTEGER PRIMARY KEY);
CREATE TEMP TABLE IF NOT EXISTS inherited_primaries (
    pair INTEGER PRIMARY KEY, young_item INTEGER NOT NULL UNIQUE, old_file INTEGER, file INTEGER
)
"""

_TABLE_NAMES = (
    "inherited_files", "inherited_rows", "inherited_waiting", "inherited_singles", "inherited_primaries",
)  # fmt: skip

_ONE_FILE = (
    "(SELECT count(*) = 1 AND max(f.optimized) = 0 FROM media_files AS f"
    " WHERE f.server_id = {item}.server_id AND f.rating_key = {item}.rating_key AND f.media_type = :kind)"
)
_SINGLES = f"""
INSERT INTO inherited_singles
SELECT p.old_id FROM rekey_pairs AS p
JOIN {{table}} AS o ON o.id = p.old_id JOIN {{table}} AS y ON y.id = p.young_id
WHERE p.kind = :kind AND {_ONE_FILE.format(item="o")} AND {_ONE_FILE.format(item="y")}
"""
"""Pairs with one file on each side, as most have: no comparison is needed."""

_SINGLE_FILES = """
INSERT INTO inherited_rows
SELECT a.id, b.id, NULL FROM inherited_singles AS s
JOIN {table} AS o ON o.id = s.pair
JOIN inherited_primaries AS p ON p.pair = s.pair JOIN {table} AS y ON y.id = p.young_item
JOIN media_files AS a ON a.server_id = o.server_id AND a.rating_key = o.rating_key AND a.media_type = :kind
JOIN media_files AS b ON b.server_id = y.server_id AND b.rating_key = y.rating_key AND b.media_type = :kind
"""

_PATHS = ("plex_path", "file_path")
_COLUMNS = [name for name in FILE_COLUMNS if name not in SAID_ONCE | {"part_id", "state", *_PATHS, *STREAM_STATE}]

_KEEPS_PATH = (
    "media_files.library_id = y.library_id AND media_files.plex_path GLOB '*[/\\]*' AND ("
    "y.plex_path IS NULL AND ifnull(media_files.size = y.size, 1) OR NOT y.plex_path GLOB '*[/\\]*'"
    " AND substr(media_files.plex_path, -length(y.plex_path) - 1) IN ('/' || y.plex_path, '\\' || y.plex_path))"
)
"""Whether the token hid the folder, or the whole path, of a younger row's file whose path the older row knows."""

_NEW_STREAMS = (
    "(y.streams_digest IS NOT NULL OR y.size IS NOT media_files.size"
    " OR y.change_stamp IS NOT media_files.change_stamp)"
)
"""Whether the streams of the older row's file are not those of the younger one's, which may not be known."""

_BY_PATH = """
INSERT OR IGNORE INTO inherited_rows
SELECT o.id, y.id, NULL FROM inherited_files AS o
JOIN inherited_files AS y ON y.pair = o.pair AND y.is_old = 0 AND y.form = o.form
WHERE o.is_old = 1 ORDER BY o.id, y.id
"""
_BY_NAME_OR_SIZE = f"""
INSERT INTO inherited_rows (old_id, young_id)
WITH links AS (
    SELECT o.id AS old_id, i.id AS young_id FROM inherited_files AS o
    JOIN inherited_files AS i ON i.pair = o.pair AND i.is_old = 0 AND i.optimized = o.optimized
    JOIN media_files ON media_files.id = o.id JOIN media_files AS y ON y.id = i.id
    WHERE o.is_old = 1 AND {_KEEPS_PATH} AND (y.plex_path IS NOT NULL OR media_files.size = y.size)
    AND o.id NOT IN (SELECT old_id FROM inherited_rows) AND i.id NOT IN (SELECT young_id FROM inherited_rows)
)
SELECT min(old_id), young_id FROM links
WHERE old_id IN (SELECT old_id FROM links GROUP BY old_id HAVING count(*) = 1)
GROUP BY young_id HAVING count(*) = 1
"""
_OPEN = (
    "SELECT pair, min(id) AS id, min(optimized) AS optimized FROM inherited_files WHERE is_old = {is_old}"
    " AND id NOT IN (SELECT {side} FROM inherited_rows) GROUP BY pair HAVING count(*) = 1"
)
_LEFT_OVER = f"""
INSERT INTO inherited_rows
SELECT o.id, y.id, NULL FROM ({_OPEN.format(is_old=1, side="old_id")}) AS o
JOIN ({_OPEN.format(is_old=0, side="young_id")}) AS y ON y.pair = o.pair AND y.optimized = o.optimized
"""
_KEEP_PRIMARY = """
INSERT OR IGNORE INTO inherited_rows
SELECT p.old_file, y.id, NULL FROM inherited_primaries AS p
JOIN inherited_files AS o ON o.id = p.old_file AND o.is_old = 1
JOIN inherited_files AS y ON y.is_old = 0 AND y.pair = o.pair AND y.id = ifnull(p.file, (
    SELECT min(f.id) FROM inherited_files AS f WHERE f.pair = p.pair AND f.is_old = 0 AND f.optimized = 0
))
WHERE o.id NOT IN (SELECT old_id FROM inherited_rows) AND NOT EXISTS (
    SELECT 1 FROM inherited_files AS s JOIN inherited_rows AS r ON r.old_id = s.id
    WHERE s.pair = o.pair AND s.optimized = 0
)
"""
"""If no version of the older item stays, the younger item's primary file takes the place of the older one's."""

_WAIT = """
INSERT INTO inherited_waiting
SELECT ifnull(max(iif(f.id = p.old_file, f.id, NULL)), min(f.id)), p.young_item FROM inherited_primaries AS p
JOIN {table} AS o ON o.id = p.pair JOIN {table} AS y ON y.id = p.young_item AND y.library_id = o.library_id
JOIN inherited_files AS f ON f.pair = p.pair AND f.is_old = 1 AND f.optimized = 0
WHERE NOT EXISTS (
    SELECT 1 FROM inherited_files AS c WHERE c.pair = p.pair AND c.is_old = 0 AND c.optimized = 0
)
GROUP BY p.pair
"""
"""As within one item, the row of a file waits if the item is listed without any."""


PAIRS_AT_ONCE: Final = 50_000
"""Pairs of which rows are deleted together."""

_REPLACED = (
    "SELECT id FROM inherited_files WHERE is_old = 1 AND id NOT IN"
    " (SELECT old_id FROM inherited_rows UNION ALL SELECT id FROM inherited_waiting)"
)
_DELETED = f"SELECT young_id FROM inherited_rows UNION ALL {_REPLACED}"
"""The files of both rows of a pair that do not stay."""


def inherit_files(connection: sqlite3.Connection, kind: Kind) -> None:
    """Match and merge the files of all pairs of a kind in ``rekey_pairs``, and set the younger rows' primary files.

    Call this before the older rows take over the younger ones' columns, within the same transaction.
    """
    table, value = TABLES[kind], {"kind": kind.value}
    for statement in filter(str.strip, _TABLES.split(";")):
        connection.execute(statement)
    for name in _TABLE_NAMES:
        connection.execute(f"DELETE FROM {name}")
    connection.execute(
        "INSERT INTO inherited_primaries SELECT p.old_id, y.id, o.media_file_id, y.media_file_id"
        f" FROM rekey_pairs AS p JOIN {table} AS o ON o.id = p.old_id JOIN {table} AS y ON y.id = p.young_id"
        " WHERE p.kind = :kind",
        value,
    )
    connection.execute(_SINGLES.format(table=table), value)
    connection.execute(_SINGLE_FILES.format(table=table), value)
    for is_old, side in ((1, "old_id"), (0, "young_id")):
        connection.execute(
            f"INSERT OR IGNORE INTO inherited_files SELECT p.old_id, f.id, {is_old}, {PATH_FORM}, f.optimized"
            f" FROM rekey_pairs AS p JOIN {table} AS i ON i.id = p.{side}"
            " JOIN media_files AS f ON f.server_id = i.server_id AND f.rating_key = i.rating_key"
            " AND f.media_type = :kind"
            " WHERE p.kind = :kind AND p.old_id NOT IN (SELECT pair FROM inherited_singles)",
            value,
        )
    connection.execute(_BY_PATH)
    connection.execute(_BY_NAME_OR_SIZE)
    connection.execute(_LEFT_OVER)
    connection.execute(_KEEP_PRIMARY)
    connection.execute(_WAIT.format(table=table))
    _merge(connection, table)
    playable = (
        f"media_files AS f WHERE f.server_id = {table}.server_id AND f.rating_key = {table}.rating_key"
        " AND f.media_type = :kind AND f.state = 'active' AND f.optimized = 0"
    )
    young = "id IN (SELECT young_id FROM rekey_pairs WHERE kind = :kind)"
    connection.execute(
        f"UPDATE {table} SET media_file_id = coalesce((SELECT f.id FROM {playable} AND f.id ="
        f" (SELECT p.old_file FROM inherited_primaries AS p WHERE p.young_item = {table}.id)),"
        " (SELECT ifnull(r.old_id, p.file) FROM inherited_primaries AS p LEFT JOIN inherited_rows AS r"
        f" ON r.young_id = p.file WHERE p.young_item = {table}.id), (SELECT min(f.id) FROM {playable}))"
        f" WHERE {young}",
        value,
    )
    connection.execute(
        f"UPDATE {table} SET state = 'active' WHERE {young} AND state = 'unavailable' AND media_file_id IS NOT NULL",
        value,
    )


def parts(connection: sqlite3.Connection, pairs: str, *values: str) -> Iterator[tuple[int, int]]:
    """Yield ranges of ``old_id``, without the first number and with the last, in which few of some pairs are.

    ``pairs`` is a table, with a condition on ``values`` if there are any. Before SQLite deletes rows, it lists them
    in memory, and a million files have three million streams.
    """
    condition = "AND" if values else "WHERE"
    query = f"SELECT max(old_id) FROM (SELECT old_id FROM {pairs} {condition} old_id > ? ORDER BY old_id LIMIT ?)"
    first = -1
    while True:
        ((last,),) = connection.execute(query, (*values, first, PAIRS_AT_ONCE))
        if last is None:
            return
        yield first, last
        first = last


def _merge(connection: sqlite3.Connection, table: str) -> None:
    """Copy the values of the younger rows to the older ones, and delete the remaining rows.

    A file is available if only its path was missing, and that is kept. If it is in the trash too, which no column
    tells, the next pass corrects it: items whose paths are kept lose their digests.
    """
    connection.execute(
        "UPDATE inherited_rows SET part_id = (SELECT f.part_id FROM media_files AS f WHERE f.id = young_id)"
    )
    connection.execute(
        f"UPDATE {table} SET digest = NULL WHERE (server_id, rating_key) IN (SELECT y.server_id, y.rating_key"
        " FROM inherited_rows AS r JOIN media_files ON media_files.id = r.old_id"
        f" JOIN media_files AS y ON y.id = r.young_id WHERE {_KEEPS_PATH})"
    )
    for part in parts(connection, "inherited_rows"):
        connection.execute(
            "DELETE FROM streams WHERE media_file_id IN (SELECT r.old_id FROM inherited_rows AS r JOIN media_files"
            " ON media_files.id = r.old_id JOIN media_files AS y ON y.id = r.young_id"
            f" WHERE r.old_id > ? AND r.old_id <= ? AND {_NEW_STREAMS})",
            part,
        )
    connection.execute(
        "UPDATE streams SET media_file_id = (SELECT r.old_id FROM inherited_rows AS r"
        " WHERE r.young_id = media_file_id) WHERE media_file_id IN (SELECT young_id FROM inherited_rows)"
    )
    streams = [f"{name} = iif({_NEW_STREAMS}, y.{name}, media_files.{name})" for name in STREAM_STATE]
    paths = [f"{name} = iif({_KEEPS_PATH}, media_files.{name}, y.{name})" for name in _PATHS]
    state = f"state = iif(y.plex_path IS NULL AND {_KEEPS_PATH}, 'active', y.state)"
    connection.execute(
        f"UPDATE media_files SET {', '.join([f'{name} = y.{name}' for name in _COLUMNS] + paths + streams)}, {state},"
        " part_id = NULL"
        " FROM inherited_rows AS r JOIN media_files AS y ON y.id = r.young_id WHERE r.old_id = media_files.id"
    )
    for each in (Kind.MOVIE, Kind.EPISODE):
        # Items besides those of the pairs whose primary files another item has listed since.
        pairs = "SELECT {} FROM rekey_pairs WHERE kind = ?1"
        losers = connection.execute(
            f"SELECT id FROM {TABLES[each]} WHERE media_file_id IN ({_DELETED}) AND id NOT IN"
            f" ({pairs.format('old_id')} UNION ALL {pairs.format('young_id')})",
            (each.value,),
        ).fetchall()
        record(connection, each, "updated", [row_id for (row_id,) in losers])
    for part in parts(connection, "inherited_rows"):
        young = "SELECT young_id FROM inherited_rows WHERE old_id > ? AND old_id <= ?"
        connection.execute(f"DELETE FROM media_files WHERE id IN ({young})", part)
    connection.execute(f"DELETE FROM media_files WHERE id IN ({_REPLACED})")
    connection.execute(
        "UPDATE media_files SET rating_key = y.rating_key, part_id = NULL, media_id = NULL, state = 'unavailable'"
        f" FROM inherited_waiting AS w JOIN {table} AS y ON y.id = w.young_item WHERE media_files.id = w.id"
    )
    connection.execute(
        "UPDATE media_files SET part_id = r.part_id FROM inherited_rows AS r WHERE r.old_id = media_files.id"
    )
