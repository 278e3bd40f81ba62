"""Writing rows of the mirror into the tables of PostgreSQL: all of them, or those that changed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from retrovue_daemon.store.feed.published import PUBLISHED

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    import psycopg

    from retrovue_daemon.publish.postgresql.target import TargetState
    from retrovue_daemon.store.feed.published import PublishedTable
    from retrovue_daemon.store.feed.recording import ChangeKind

_SHARED: Final = {
    "tags": ("movie_tags.tag_id", "show_tags.tag_id", "episode_tags.tag_id"),
    "people": ("movie_credits.person_id", "show_credits.person_id", "episode_credits.person_id"),
}
"""Tables whose rows belong to many items, and the columns that refer to them."""

_FILES: Final = {"media_files": "id", "streams": "media_file_id"}
"""Tables whose rows are replaced file by file, and the column that holds the file's id."""

_REUSED: Final = ("streams", "plex_path_mappings")
"""Tables whose rows' ids may have been those of other rows before."""

_KEYS: Final[Mapping[ChangeKind, Mapping[str, str]]] = {
    "server": {"plex_servers": "id", "plex_path_mappings": "server_id"},
    "library": {"libraries": "id", "library_locations": "library_id"},
    "movie": {
        "movies": "id", "movie_guids": "movie_id", "movie_tags": "movie_id", "movie_credits": "movie_id",
        "chapters": "movie_id", "markers": "movie_id",
    },
    "show": {"shows": "id", "show_guids": "show_id", "show_tags": "show_id", "show_credits": "show_id"},
    "season": {"seasons": "id"},
    "episode": {
        "episodes": "id", "episode_guids": "episode_id", "episode_tags": "episode_id",
        "episode_credits": "episode_id", "chapters": "episode_id", "markers": "episode_id",
    },
    "collection": {"collections": "id", "collection_items": "collection_id"},
}  # fmt: skip
"""Per kind, the tables of which its rows are replaced, and the column that holds the row's id."""

_TABLES: Final = {table.name: table for table in PUBLISHED}

_ITEMS: Final[Mapping[ChangeKind, str]] = {"movie": "movies", "episode": "episodes"}
"""The kinds that have files."""

_ABOVE_FILES: Final[Mapping[ChangeKind, str]] = {"server": "server_id", "library": "library_id"}
"""The kinds with which all files disappear, also those of no item, and their column in ``media_files``."""

BLOCK: Final = 1_000
"""Rows between two looks whether to stop."""


@contextmanager
def snapshot(mirror: sqlite3.Connection) -> Iterator[None]:
    """Let all queries in the block see one state of the mirror."""
    mirror.execute("BEGIN")
    try:
        yield
    finally:
        mirror.execute("ROLLBACK")


def delete_all(connection: psycopg.Connection, origin: str) -> None:
    """Delete everything that an origin published. The caller's transaction, which locks all tables by this."""
    for table in PUBLISHED:
        delete = sql.SQL("DELETE FROM {} WHERE origin = %s").format(sql.Identifier(table.name))
        connection.execute(delete, (origin,))


def copy_all(
    connection: psycopg.Connection, mirror: sqlite3.Connection, origin: str, check: Callable[[int], None]
) -> int:
    """Copy all rows of a mirror; return how many. The caller's transactions, in both databases.

    ``check`` is called with the number of rows so far, and may raise.
    """
    written = 0
    for table in PUBLISHED:
        written = _copy(connection, table.name, table, origin, table.all(mirror), check, written)
    return written


def analyze_all(connection: psycopg.Connection) -> None:
    """Collect statistics: without them, PostgreSQL looks for the files of changed items one by one in all of them."""
    for table in PUBLISHED:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table.name)))


def replace_changed(
    connection: psycopg.Connection,
    mirror: sqlite3.Connection,
    origin: str,
    changed: Mapping[ChangeKind, Collection[int]],
    check: Callable[[int], None],
) -> int:
    """Replace the rows that belong to changed items by those of a mirror; return how many. The caller's transaction.

    The number of statements does not depend on that of the items. The rows are read into memory, so that no view of
    the mirror is open while PostgreSQL works.
    """
    released = {name: _referred(connection, origin, name, changed) for name in _SHARED}
    files: set[int] = set()
    for kind, ids in changed.items():
        files.update(_delete(connection, origin, kind, list(ids)))
    with snapshot(mirror):
        coming = {table.name: list(_rows(table, mirror, changed)) for table in PUBLISHED}
        # A file may have passed to an item whose entry is in another part, earlier or later: what is left of it is
        # copied with either item.
        files.update(row[0] for row in coming["media_files"])
        for name, column in _FILES.items():
            coming[name] = list(_TABLES[name].by(mirror, column, files))
    for name, column in _FILES.items():
        _delete_ids(connection, origin, name, column, list(files))
    for kind, column in _ABOVE_FILES.items():
        owner = next(iter(_KEYS[kind]))
        if gone := set(changed.get(kind, ())) - {row[0] for row in coming[owner]}:
            _delete_files_below(connection, origin, column, list(gone))
    for name in _REUSED:
        _delete_ids(connection, origin, name, "id", [row[0] for row in coming[name]])
    written = 0
    for table in PUBLISHED:
        rows = coming[table.name]
        if table.name in _SHARED:
            written += _copy_shared(connection, table, origin, list({row[0]: row for row in rows}.values()))
        elif rows:
            written += _copy(connection, table.name, table, origin, rows, check)
    for name, ids in released.items():
        _delete_unused(connection, origin, name, ids)
    return written


def _rows(
    table: PublishedTable, mirror: sqlite3.Connection, changed: Mapping[ChangeKind, Collection[int]]
) -> Iterator[tuple[Any, ...]]:
    for kind, ids in changed.items():
        if kind in table.owners:
            yield from table.of(mirror, kind, ids)


def store_state(connection: psycopg.Connection, origin: str, state: TargetState) -> None:
    """Store how far the rows are, in the transaction that wrote them."""
    connection.execute(
        "INSERT INTO mirror_state (origin, mirror_id, feed_id, seq) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (origin) DO UPDATE SET mirror_id = excluded.mirror_id, feed_id = excluded.feed_id,"
        " seq = excluded.seq, at = now()",
        (origin, *state),
    )


def _copy(
    connection: psycopg.Connection,
    into: str,
    table: PublishedTable,
    origin: str,
    rows: Iterable[tuple[Any, ...]],
    check: Callable[[int], None],
    written: int = 0,
) -> int:
    """Copy rows, and return ``written`` increased by their number."""
    columns = [sql.Identifier(name) for name in ("origin", *table.columns)]
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(into), sql.SQL(", ").join(columns))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row((origin, *row))
            written += 1
            if written % BLOCK == 0:
                check(written)
    return written


def _copy_shared(
    connection: psycopg.Connection, table: PublishedTable, origin: str, rows: list[tuple[Any, ...]]
) -> int:
    if not rows:
        return 0
    name, into = sql.Identifier(table.name), sql.Identifier(f"new_{table.name}")
    connection.execute(sql.SQL("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP").format(into, name))
    written = _copy(connection, f"new_{table.name}", table, origin, rows, lambda _: None)
    values = sql.SQL(", ").join(
        sql.SQL("{} = excluded.{}").format(sql.Identifier(c), sql.Identifier(c)) for c in table.columns if c != "id"
    )
    columns = sql.SQL(", ").join(sql.Identifier(c) for c in ("origin", *table.columns))
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT (origin, id) DO UPDATE SET {}").format(
            name, columns, columns, into, values
        )
    )
    return written


def _delete(connection: psycopg.Connection, origin: str, kind: ChangeKind, ids: list[int]) -> list[int]:
    """Delete the rows that belong to these rows of a kind, by what is in PostgreSQL; return the ids of their files.

    Files and their streams are left to the caller.
    """
    files: list[int] = []
    if (items := _ITEMS.get(kind)) is not None:
        query = sql.SQL(
            "SELECT f.id FROM {} AS i JOIN media_files AS f ON f.origin = i.origin AND f.server_id = i.server_id"
            " AND f.rating_key = i.rating_key WHERE i.origin = %s AND i.id = ANY(%s) AND f.media_type = %s"
        ).format(sql.Identifier(items))
        files = [row_id for (row_id,) in connection.execute(query, (origin, ids, kind))]
    for table, column in reversed(list(_KEYS[kind].items())):
        _delete_ids(connection, origin, table, column, ids)
    return files


def _delete_ids(connection: psycopg.Connection, origin: str, table: str, column: str, ids: list[int]) -> None:
    if ids:
        statement = sql.SQL("DELETE FROM {} WHERE origin = %s AND {} = ANY(%s)")
        connection.execute(statement.format(sql.Identifier(table), sql.Identifier(column)), (origin, ids))


def _delete_files_below(connection: psycopg.Connection, origin: str, column: str, ids: list[int]) -> None:
    """Delete all files of servers or libraries that do not exist any more: some files may belong to no item."""
    streams = sql.SQL(
        "DELETE FROM streams AS s USING media_files AS f"
        " WHERE s.origin = %s AND f.origin = s.origin AND f.id = s.media_file_id AND f.{} = ANY(%s)"
    )
    connection.execute(streams.format(sql.Identifier(column)), (origin, ids))
    _delete_ids(connection, origin, "media_files", column, ids)


def _referred(
    connection: psycopg.Connection, origin: str, name: str, changed: Mapping[ChangeKind, Collection[int]]
) -> list[int]:
    """Return the ids of tags or people that these items have in PostgreSQL, before their rows are replaced."""
    found: set[int] = set()
    for reference in _SHARED[name]:
        table, column = reference.split(".")
        kind = table.split("_", 1)[0]
        if ids := list(changed.get(kind, ())):  # type: ignore[call-overload]
            query = sql.SQL("SELECT DISTINCT {} FROM {} WHERE origin = %s AND {} = ANY(%s)").format(
                sql.Identifier(column), sql.Identifier(table), sql.Identifier(f"{kind}_id")
            )
            found.update(row[0] for row in connection.execute(query, (origin, ids)))
    return list(found)


def _delete_unused(connection: psycopg.Connection, origin: str, name: str, ids: list[int]) -> None:
    """Delete those of these tags or people to which nothing refers any more."""
    if not ids:
        return
    unused = sql.SQL(" AND ").join(
        sql.SQL("NOT EXISTS (SELECT 1 FROM {} AS r WHERE r.origin = d.origin AND r.{} = d.id)").format(
            *map(sql.Identifier, reference.split("."))
        )
        for reference in _SHARED[name]
    )
    statement = sql.SQL("DELETE FROM {} AS d WHERE d.origin = %s AND d.id = ANY(%s) AND ").format(
        sql.Identifier(name)
    )
    connection.execute(statement + unused, (origin, ids))
