"""Re-keying: the old row of an item that got a new rating key replaces the younger row.

Plex gives an item a new rating key when it is deleted and added again, or when its file moves to another library.
Channels refer to our ids, so the older id must survive: rows that are about to go missing, or are missing already,
are paired with rows first seen after their library's last complete listing. A pair must agree on the Plex guid and
edition, or on the path of the file in any spelling, and must be the only one that does. An equal path decides even if
the guids differ: the same file was matched to another work. Seasons and shows have no file; if no catalogue knows
them, they follow their episodes.

Long-standing copies never merge: the younger row must have appeared after the last listing that showed the older one,
which moments decide (``store/items/moments.py``). A row of the same library must have appeared after the end of that
listing, otherwise it was listed beside the older one; a row of another library after its beginning.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.store.feed.recording import record
from retrovue_daemon.store.items.id_pairs import IdPairs
from retrovue_daemon.store.items.inheritance import inherit_files, parts
from retrovue_daemon.store.items.inherited_details import inherit_details, kept_columns
from retrovue_daemon.store.items.lookup import GUID_TABLES, TABLES
from retrovue_daemon.store.items.own_guids import NAMES_NO_WORK
from retrovue_daemon.store.items.path_forms import PATH_FORM, provide_path_form
from retrovue_daemon.store.items.rows import COLUMNS, SAID_ONCE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.store.items.rows import Target


class ListingMoments(NamedTuple):
    """The moments at which a library's last complete listing began and ended; 0 if there was none."""

    start: int
    until: int


class Rekeyed(msgspec.Struct):
    """The pairs by kind, as older id to younger id; ``arrived`` counts them by library id."""

    pairs: dict[Kind, Mapping[int, int]] = msgspec.field(default_factory=dict)
    arrived: Counter[int] = msgspec.field(default_factory=Counter)

    @property
    def total(self) -> int:
        """The number of rows that kept their id under a new rating key."""
        return sum(map(len, self.pairs.values()))


_PARENT_OF = {
    Kind.SHOW: ((Kind.SEASON, "show_id"), (Kind.EPISODE, "show_id")),
    Kind.SEASON: ((Kind.EPISODE, "season_id"),),
}

# Filled for one kind at a time. "work" and "place" are compared as a whole: guid and edition, path and number.
_TABLES = """
CREATE TEMP TABLE IF NOT EXISTS rekey_old (
    id INTEGER PRIMARY KEY, leaving INTEGER NOT NULL, library_id INTEGER NOT NULL, first_moment INTEGER NOT NULL,
    last_moment INTEGER, show_id INTEGER, season_id INTEGER, guid TEXT, work TEXT, path TEXT, place TEXT
);
CREATE TEMP TABLE IF NOT EXISTS rekey_young (
    id INTEGER PRIMARY KEY, library_id INTEGER NOT NULL, first_moment INTEGER NOT NULL, show_id INTEGER,
    season_id INTEGER, rating_key TEXT NOT NULL, guid TEXT, work TEXT, path TEXT, place TEXT
);
CREATE TEMP TABLE IF NOT EXISTS rekey_leaving (id INTEGER PRIMARY KEY);
CREATE TEMP TABLE IF NOT EXISTS rekey_pairs (
    kind TEXT NOT NULL, old_id INTEGER NOT NULL, young_id INTEGER NOT NULL, rating_key TEXT NOT NULL,
    library_id INTEGER NOT NULL, old_show INTEGER, young_show INTEGER, old_season INTEGER, young_season INTEGER,
    PRIMARY KEY (kind, old_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS temp.rekey_pairs_young ON rekey_pairs (kind, young_id);
"""

_WORK = f"CASE WHEN NOT {NAMES_NO_WORK} THEN i.source_id || char(10) || ifnull({{edition}}, '') END"
_PATH = f"CASE WHEN f.plex_path GLOB '*[/\\]*' THEN {PATH_FORM} END"
"""NULL if the token sees only the name of a file: films in many folders may have a file of that name."""
_PLACE = f"{_PATH} || char(10) || ifnull({{number}}, '')"
_FILE = (
    "LEFT JOIN media_files AS f ON f.id = ifnull(i.media_file_id, (SELECT min(w.id) FROM media_files AS w"
    " WHERE w.server_id = i.server_id AND w.rating_key = i.rating_key AND w.media_type = '{kind}'"
    " AND w.optimized = 0))"
)
"""An item that left while it was in the trash, or without a file, is identified by the file that it had."""
_NO_FILE = "LEFT JOIN media_files AS f ON f.id = -1"
"""No row has that id. For a condition that is false by itself, SQLite reads the whole table for each season."""


class _Shape(msgspec.Struct, frozen=True):
    """Where a kind stores the compared values."""

    show: str
    season: str
    edition: str
    number: str
    file: str


_SHAPES = {
    Kind.MOVIE: _Shape("NULL", "NULL", "i.edition_title", "i.edition_title", _FILE.format(kind="movie")),
    Kind.EPISODE: _Shape("i.show_id", "i.season_id", "NULL", "i.episode_number", _FILE.format(kind="episode")),
    Kind.SEASON: _Shape("i.show_id", "NULL", "NULL", "NULL", _NO_FILE),
    Kind.SHOW: _Shape("NULL", "NULL", "NULL", "NULL", _NO_FILE),
}
_CHILDREN_FIRST = (Kind.MOVIE, Kind.EPISODE, Kind.SEASON, Kind.SHOW)

_STAGES = (
    ("o.leaving = 1 AND o.first_moment <= :until", "y.library_id = :library"),
    ("o.leaving = 1", "y.library_id = :library"),
    ("o.leaving = 1", "1"),
    ("o.leaving = 0 AND o.library_id = :library", "y.library_id = :library"),
    ("o.leaving = 0", "y.library_id = :library"),
)
"""The pairs, the likeliest first. Items that are missing already can only return in the library of this pass.

Rows that no complete listing has shown come after those that one has: an item may be added again twice in between.
"""


def rekey(
    connection: sqlite3.Connection, target: Target, listed: ListingMoments, leaving: Mapping[Kind, Sequence[int]]
) -> Rekeyed:
    """Pair the rows of a library that are ``leaving`` (ids by kind), and missing rows, with younger rows.

    ``listed`` is the library's previous complete listing. Run this within the transaction that removes the remaining
    rows.
    """
    result = Rekeyed()
    kinds = [
        kind
        for kind in _CHILDREN_FIRST
        if kind in leaving
        and (
            leaving[kind]
            or (_has_missing_rows(connection, target, kind) and _has_new_rows(connection, target, kind, listed))
        )
    ]
    if not kinds:
        return result
    provide_path_form(connection)
    for statement in filter(str.strip, _TABLES.split(";")):
        connection.execute(statement)
    connection.execute("DELETE FROM rekey_pairs")
    for kind in kinds:
        if _gather(connection, target, listed, kind, leaving[kind]):
            _pair(connection, target, listed, kind)
    for kind in kinds:
        query = "SELECT old_id, young_id FROM rekey_pairs WHERE kind = ? ORDER BY old_id"
        if pairs := IdPairs(connection.execute(query, (kind.value,))):
            result.pairs[kind] = pairs
    query = "SELECT library_id, count(*) FROM rekey_pairs GROUP BY library_id"
    result.arrived.update(dict(connection.execute(query)))
    for kind in reversed(_CHILDREN_FIRST):
        if kind in result.pairs:
            record(connection, kind, "moved", result.pairs[kind])
            record(connection, kind, "deleted", result.pairs[kind].values())
            _take_over(connection, kind)
    return result


def _gather(
    connection: sqlite3.Connection, target: Target, listed: ListingMoments, kind: Kind, ids: Sequence[int]
) -> bool:
    """Collect the older and the younger rows of a kind; return whether there are both."""
    shape, table = _SHAPES[kind], TABLES[kind]
    keys = {"edition": shape.edition, "number": shape.number}
    work, place = _WORK.format(**keys), _PLACE.format(**keys)
    for name in ("rekey_old", "rekey_young", "rekey_leaving"):
        connection.execute(f"DELETE FROM {name}")
    connection.executemany("INSERT INTO rekey_leaving (id) VALUES (?)", ((row_id,) for row_id in ids))
    select = (
        f"INSERT OR IGNORE INTO rekey_old SELECT i.id, {{leaving}}, i.library_id, i.first_moment, i.last_moment,"
        f" {shape.show}, {shape.season}, i.source_id, {work}, {_PATH}, {place} FROM {table} AS i {shape.file}"
    )
    connection.execute(
        select.format(leaving=1)
        + " WHERE i.id IN (SELECT id FROM rekey_leaving) AND i.library_id = ? AND i.state <> 'missing'",
        (target.library_id,),
    )
    connection.execute(
        select.format(leaving=0) + " WHERE i.server_id = ? AND i.state = 'missing'", (target.server_id,)
    )
    if not _any(connection, "rekey_old"):
        return False
    # For films and episodes only possible matches: there may be a million younger rows.
    fitting = (
        f" AND (i.source_id IN (SELECT guid FROM rekey_old) OR {_PATH} IN (SELECT path FROM rekey_old))"
        if shape.file != _NO_FILE
        else ""
    )
    libraries = connection.execute("SELECT id FROM libraries WHERE server_id = ?", (target.server_id,)).fetchall()
    for (library_id,) in libraries:
        # Ids and moments increase together, so the younger rows follow the newest of the older ones.
        connection.execute(
            f"INSERT INTO rekey_young SELECT i.id, i.library_id, i.first_moment, {shape.show}, {shape.season},"
            f" i.rating_key, i.source_id, {work}, {_PATH}, {place} FROM {table} AS i {shape.file}"
            " WHERE i.library_id = :library AND i.state <> 'missing' AND i.first_moment > :moment AND i.id > ifnull("
            f"(SELECT id FROM {table} WHERE library_id = :library AND first_moment <= :moment"
            f" ORDER BY id DESC LIMIT 1), 0) AND i.id NOT IN (SELECT id FROM rekey_leaving){fitting}",
            {"library": library_id, "moment": listed.until if library_id == target.library_id else listed.start},
        )
    return _any(connection, "rekey_young")


def _has_missing_rows(connection: sqlite3.Connection, target: Target, kind: Kind) -> bool:
    """Return whether a server has missing rows; without any, nothing can return."""
    query = f"SELECT 1 FROM {TABLES[kind]} WHERE server_id = ? AND state = 'missing' LIMIT 1"
    return bool(connection.execute(query, (target.server_id,)).fetchall())


def _has_new_rows(connection: sqlite3.Connection, target: Target, kind: Kind, listed: ListingMoments) -> bool:
    """Return whether a library has rows that appeared after its last complete listing."""
    query = f"SELECT first_moment FROM {TABLES[kind]} WHERE library_id = ? ORDER BY id DESC LIMIT 1"
    rows = connection.execute(query, (target.library_id,)).fetchall()
    return any(moment > listed.until for (moment,) in rows)


def _any(connection: sqlite3.Connection, table: str) -> bool:
    return bool(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall())


def _pair(connection: sqlite3.Connection, target: Target, listed: ListingMoments, kind: Kind) -> None:
    """Pair what is unique on both sides, by the most reliable match first."""
    values = {"library": target.library_id, "kind": kind.value, "until": listed.until}
    keys = ("work", "path", "place") if kind in {Kind.MOVIE, Kind.EPISODE} else ("work",)
    for old, young in _STAGES:
        for key in keys:
            links = (
                f"SELECT o.id AS old_id, y.id AS young_id FROM"
                f" (SELECT min(o.id) AS id, o.{key} AS likeness FROM rekey_old AS o WHERE {old}"
                f" AND o.{key} IS NOT NULL GROUP BY o.{key} HAVING count(*) = 1) AS o"
                f" JOIN (SELECT min(y.id) AS id, y.{key} AS likeness FROM rekey_young AS y WHERE {young}"
                f" AND y.{key} IS NOT NULL GROUP BY y.{key} HAVING count(*) = 1) AS y ON y.likeness = o.likeness"
            )
            _link(connection, links, values)
    if kind in _PARENT_OF:
        parent = kind.value
        links = (
            f"SELECT DISTINCT p.old_{parent} AS old_id, p.young_{parent} AS young_id FROM rekey_pairs AS p"
            f" JOIN rekey_old AS o ON o.id = p.old_{parent} JOIN rekey_young AS y ON y.id = p.young_{parent}"
            " WHERE p.kind = 'episode'"
        )
        unique = (
            f"WITH links AS ({links}) SELECT old_id, young_id FROM links"
            " WHERE old_id IN (SELECT old_id FROM links GROUP BY old_id HAVING count(*) = 1)"
            " AND young_id IN (SELECT young_id FROM links GROUP BY young_id HAVING count(*) = 1)"
        )
        _link(connection, unique, values)


def _link(connection: sqlite3.Connection, links: str, values: Mapping[str, str | int]) -> None:
    """Keep the pairs whose younger row appeared later, and mark both sides as taken."""
    paired = connection.execute(
        "INSERT INTO rekey_pairs SELECT :kind, o.id, y.id, y.rating_key, y.library_id, o.show_id,"
        f" y.show_id, o.season_id, y.season_id FROM ({links}) AS l JOIN rekey_old AS o ON o.id = l.old_id"
        " JOIN rekey_young AS y ON y.id = l.young_id"
        " WHERE y.first_moment > o.first_moment AND (o.leaving = 1 OR y.first_moment > o.last_moment)",
        values,
    )
    if not paired.rowcount:
        return
    for table, column in (("rekey_old", "old_id"), ("rekey_young", "young_id")):
        connection.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT {column} FROM rekey_pairs WHERE kind = :kind)",
            {"kind": values["kind"]},
        )


def _take_over(connection: sqlite3.Connection, kind: Kind) -> None:
    """Copy everything from the younger row of each pair to the older one and delete it, parents before children."""
    table, value = TABLES[kind], {"kind": kind.value}
    old_ids = "(SELECT old_id FROM rekey_pairs WHERE kind = :kind)"
    young_ids = "(SELECT young_id FROM rekey_pairs WHERE kind = :kind)"
    heir = "(SELECT p.old_id FROM rekey_pairs AS p WHERE p.kind = :kind AND p.young_id = {column})"
    if kind in {Kind.MOVIE, Kind.EPISODE}:
        inherit_files(connection, kind)
    inherit_details(connection, kind)
    if kind in GUID_TABLES:
        guids, column = GUID_TABLES[kind]
        connection.execute(f"DELETE FROM {guids} WHERE {column} IN {old_ids}", value)
        connection.execute(
            f"UPDATE {guids} SET {column} = {heir.format(column=column)} WHERE {column} IN {young_ids}", value
        )
    for child, column in _PARENT_OF.get(kind, ()):
        # Those of the younger rows that are in pairs themselves are deleted soon.
        changed = connection.execute(
            f"SELECT id FROM {TABLES[child]} WHERE {column} IN {young_ids} AND id NOT IN"
            " (SELECT young_id FROM rekey_pairs WHERE kind = :child)",
            value | {"child": child.value},
        ).fetchall()
        connection.execute(
            f"UPDATE {TABLES[child]} SET {column} = {heir.format(column=column)} WHERE {column} IN {young_ids}", value
        )
        record(connection, child, "updated", [row_id for (row_id,) in changed])
    # What is known of damage belongs to a key.
    connection.execute(
        "DELETE FROM damaged_items WHERE (server_id, rating_key) IN"
        f" (SELECT server_id, rating_key FROM {table} WHERE id IN {old_ids})",
        value,
    )
    # The rating key is unique: the older row can take it once the younger one is deleted.
    values = {name: f"y.{name}" for name in COLUMNS[kind] if name not in SAID_ONCE | {"rating_key"}}
    values |= kept_columns(kind)
    connection.execute(
        f"UPDATE {table} SET {', '.join(f'{name} = {each}' for name, each in values.items())}, missing_since = NULL,"
        f" missing_observed = NULL, last_moment = NULL FROM rekey_pairs AS p JOIN {table} AS y ON y.id = p.young_id"
        f" WHERE p.kind = :kind AND p.old_id = {table}.id",
        value,
    )
    for part in parts(connection, "rekey_pairs WHERE kind = ?", kind.value):
        young = "SELECT young_id FROM rekey_pairs WHERE kind = ? AND old_id > ? AND old_id <= ?"
        connection.execute(f"DELETE FROM {table} WHERE id IN ({young})", (kind.value, *part))
    connection.execute(
        f"UPDATE {table} SET rating_key = p.rating_key FROM rekey_pairs AS p"
        f" WHERE p.kind = :kind AND p.old_id = {table}.id",
        value,
    )
