"""Entries of the change feed with what people and programs want to know of their rows."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from retrovue_daemon.records import Kind
from retrovue_daemon.store.connection import read_transaction
from retrovue_daemon.store.damaged_texts import read_leniently
from retrovue_daemon.store.feed.reading import batches_since, feed_state
from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.titles import TITLES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from retrovue_daemon.store.feed.reading import ChangeBatch, FeedState
    from retrovue_daemon.store.feed.recording import ChangeKind, ChangeOp

AT_ONCE: Final = 20
"""Entries read at a time, of up to 1,000 rows each."""


class FeedChange(NamedTuple):
    """One changed row as it is now: a deleted one has no title, server, library or path. ``at``: Unix seconds.

    ``rest`` is how many changes with the same ``seq`` follow: only after the last one is ``seq`` a position to resume
    from.
    """

    seq: int
    at: int
    op: ChangeOp
    kind: ChangeKind
    id: int
    title: str | None
    server: str | None
    library: str | None
    file_path: str | None
    rest: int = 0


_OF_LIBRARY: Final = "JOIN plex_servers AS s ON s.id = i.server_id JOIN libraries AS l ON l.id = i.library_id"
_NONE: Final = (None, None, None, None)
_FILE: Final = "(SELECT f.file_path FROM media_files AS f WHERE f.id = i.media_file_id)"
_QUERIES: Final = {
    kind.value: f"SELECT i.id, {TITLES[kind].format(schema='main')}, s.name, l.library_name,"
    f" {_FILE if kind in {Kind.MOVIE, Kind.EPISODE} else 'NULL'} FROM {table} AS i {_OF_LIBRARY}"
    for kind, table in TABLES.items()
} | {
    "collection": f"SELECT i.id, i.title, s.name, l.library_name, NULL FROM collections AS i {_OF_LIBRARY}",
    "library": "SELECT i.id, i.library_name, s.name, i.library_name, NULL FROM libraries AS i"
    " JOIN plex_servers AS s ON s.id = i.server_id",
    "server": "SELECT i.id, i.name, i.name, NULL, NULL FROM plex_servers AS i",
}


class ReadChanges(NamedTuple):
    """The next changes, and the state of the feed; more may follow the ``last`` entry that was read."""

    state: FeedState
    changes: list[FeedChange]
    last: int


def read_changes(connection: sqlite3.Connection, after: int) -> ReadChanges:
    """Return some changes after a position, of one committed state, in the order of the feed."""
    with read_transaction(connection):
        state, batches = feed_state(connection), batches_since(connection, after, AT_ONCE)
        return ReadChanges(state, name_changes(connection, batches), batches[-1].seq if batches else after)


def name_changes(connection: sqlite3.Connection, batches: Iterable[ChangeBatch]) -> list[FeedChange]:
    """Return the rows of entries one by one."""
    named: list[FeedChange] = []
    for kind, alike in groupby(batches, key=lambda batch: batch.kind):
        some = list(alike)
        ids = {row_id for batch in some for row_id in batch.ids}
        query = f"{_QUERIES[kind]} WHERE i.id IN (SELECT value FROM json_each(?))"
        found = read_leniently(connection, query, (json_list(ids),))
        known = {row_id: (title, server, library, path) for row_id, title, server, library, path in found}
        named += [
            FeedChange(batch.seq, batch.at, batch.op, kind, row_id, *known.get(row_id, _NONE), rest)
            for batch in some
            for rest, row_id in zip(range(len(batch.ids) - 1, -1, -1), batch.ids, strict=True)
        ]
    return named


def last_position(connection: sqlite3.Connection, rows: int) -> int:
    """Return the position from which about this many of the newest changes follow."""
    position = feed_state(connection).last_seq
    query = "SELECT seq, json_array_length(ids) FROM change_batches ORDER BY seq DESC LIMIT ?"
    for seq, number in connection.execute(query, (rows,)):
        if rows <= 0:
            break
        position, rows = seq - 1, rows - number
    return position
