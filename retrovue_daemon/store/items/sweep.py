"""Rows that are no longer listed: counting them, marking them missing, and deleting those missing for long."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from retrovue_daemon.records import Kind
from retrovue_daemon.store.feed.recording import record, record_collections_of, record_other_owners
from retrovue_daemon.store.items.damage import forget_damage
from retrovue_daemon.store.items.lookup import TABLES, json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container, Sequence

    from retrovue_daemon.store.items.rows import Target

_PURGED_AT_ONCE = 500
"""Rows per transaction: deleting is slow, and others wait for the writer meanwhile."""

_CHILDLESS = {
    Kind.MOVIE: "",
    Kind.EPISODE: "",
    Kind.SEASON: " AND NOT EXISTS (SELECT 1 FROM episodes AS c WHERE c.season_id = i.id)",
    Kind.SHOW: (
        " AND NOT EXISTS (SELECT 1 FROM seasons AS c WHERE c.show_id = i.id)"
        " AND NOT EXISTS (SELECT 1 FROM episodes AS c WHERE c.show_id = i.id)"
    ),
}
"""A row that other rows refer to is not deleted, because some of those may no longer be missing."""


def mark_missing(
    connection: sqlite3.Connection,
    target: Target,
    kind: Kind,
    ids: Sequence[int],
    now: int,
    observed: int,
    last_moment: int = 0,
) -> int:
    """Mark rows of a library and their files missing; return how many rows there were.

    ``observed`` is the observed time, which retention counts from. ``last_moment`` is when the last complete listing
    that showed them began. Rows that another library's pass has taken over in the meantime are left alone.
    """
    ids = still_of(connection, kind, target.library_id, ids)
    if not ids:
        return 0
    table = TABLES[kind]
    connection.executemany(
        f"UPDATE {table} SET state = 'missing', missing_since = ?, missing_observed = ?, last_moment = ?"
        " WHERE id = ?",
        ((now, observed, last_moment, row_id) for row_id in ids),
    )
    if kind in {Kind.MOVIE, Kind.EPISODE}:
        connection.executemany(
            "UPDATE media_files SET state = 'missing' WHERE (server_id, rating_key) ="
            f" (SELECT server_id, rating_key FROM {table} WHERE id = ? AND state = 'missing') AND media_type = ?",
            ((row_id, kind.value) for row_id in ids),
        )
    record(connection, kind, "missing", ids)
    return len(ids)


def forget_library(connection: sqlite3.Connection, library_id: int) -> None:
    """Mark a library itself missing; it becomes active again when it is listed."""
    connection.execute(
        "UPDATE libraries SET state = 'missing', last_error = NULL, last_error_hint = NULL, failing_since = NULL,"
        " next_try_at = NULL WHERE id = ?",
        (library_id,),
    )


def accept_removals(connection: sqlite3.Connection, library_id: int, observed: int) -> None:
    """Record at an observed time that a person accepted the removals: they no longer count towards the guard."""
    connection.execute("UPDATE libraries SET removals_accepted_at = ? WHERE id = ?", (observed, library_id))


def still_of(
    connection: sqlite3.Connection, kind: Kind, library_id: int, ids: Sequence[int], *, chunk: int = 10_000
) -> array[int]:
    """Return those of these rows that still belong to the library and are not missing."""
    query = (
        f"SELECT id FROM {TABLES[kind]} WHERE id IN (SELECT value FROM json_each(?))"
        " AND library_id = ? AND state <> 'missing'"
    )
    found = array("q")
    for start in range(0, len(ids), chunk):
        rows = connection.execute(query, (json_list(ids[start : start + chunk]), library_id))
        found.extend(row_id for (row_id,) in rows)
    return found


def seen_before(
    connection: sqlite3.Connection, kind: Kind, ids: Sequence[int], moment: int, *, chunk: int = 10_000
) -> array[int]:
    """Return those of these rows that were first seen by a moment."""
    query = f"SELECT id FROM {TABLES[kind]} WHERE id IN (SELECT value FROM json_each(?)) AND first_moment <= ?"
    found = array("q")
    # As a list and as text, a million ids at once would take 50 MB.
    for start in range(0, len(ids), chunk):
        rows = connection.execute(query, (json_list(ids[start : start + chunk]), moment))
        found.extend(row_id for (row_id,) in rows)
    return found


def parents_of_others(
    connection: sqlite3.Connection, kind: Kind, ids: Sequence[int], episodes: Container[int], *, chunk: int = 500
) -> set[int]:
    """Return those of these shows or seasons that have an episode besides ``episodes`` that is not missing."""
    column = {Kind.SHOW: "show_id", Kind.SEASON: "season_id"}[kind]
    query = (
        f"SELECT {column}, id FROM episodes WHERE {column} IN (SELECT value FROM json_each(?)) AND state <> 'missing'"
    )
    return {
        parent_id
        for start in range(0, len(ids), chunk)
        for parent_id, episode_id in connection.execute(query, (json_list(ids[start : start + chunk]),))
        if episode_id not in episodes
    }


def present(connection: sqlite3.Connection, kind: Kind, library_id: int, before: int | None = None) -> int:
    """Return the number of rows of a kind in a library that are not missing and were first seen by ``before``."""
    query = (
        f"SELECT count(*) FROM {TABLES[kind]} WHERE library_id = ?1 AND state <> 'missing'"
        " AND (?2 IS NULL OR first_moment <= ?2)"
    )
    ((number,),) = connection.execute(query, (library_id, before))
    return int(number)


def purge(connection: sqlite3.Connection, server_id: int, before: int) -> int:
    """Delete a batch of a server's rows that went missing by an observed time; return how many, 0 when none are left.

    Their files, external ids and stored damage are deleted with them. Blocked libraries keep everything, and shows
    and seasons stay as long as any row refers to them: children are deleted first.
    """
    for kind in (Kind.MOVIE, Kind.EPISODE, Kind.SEASON, Kind.SHOW):
        query = (
            f"SELECT i.id, i.rating_key FROM {TABLES[kind]} AS i JOIN libraries AS l ON l.id = i.library_id"
            " WHERE i.server_id = ? AND i.state = 'missing' AND i.missing_observed <= ? AND l.state <> 'blocked'"
            f"{_CHILDLESS[kind]} LIMIT {_PURGED_AT_ONCE}"
        )
        rows = connection.execute(query, (server_id, before)).fetchall()
        if not rows:
            continue
        ids = [row_id for row_id, _ in rows]
        record_collections_of(connection, kind, ids)
        if kind in {Kind.MOVIE, Kind.EPISODE}:
            keys = json_list(rating_key for _, rating_key in rows)
            of_items = "server_id = ? AND media_type = ? AND rating_key IN (SELECT value FROM json_each(?))"
            values = (server_id, kind.value, keys)
            files = connection.execute(f"SELECT id FROM media_files WHERE {of_items}", values).fetchall()
            record_other_owners(connection, server_id, (), [file_id for (file_id,) in files])
            connection.execute(f"DELETE FROM media_files WHERE {of_items}", values)
        record(connection, kind, "deleted", ids)
        connection.executemany(f"DELETE FROM {TABLES[kind]} WHERE id = ?", ((row_id,) for row_id, _ in rows))
        forget_damage(connection, server_id, [rating_key for _, rating_key in rows])
        return len(rows)
    return 0


def purgeable(connection: sqlite3.Connection, server_id: int, before: int) -> bool:
    """Return whether a server has rows that went missing by an observed time, so that idle rounds write nothing."""
    for table in (*TABLES.values(), "collections"):
        query = f"SELECT 1 FROM {table} WHERE server_id = ? AND state = 'missing' AND missing_observed <= ? LIMIT 1"
        if connection.execute(query, (server_id, before)).fetchall():
            return True
    return False
