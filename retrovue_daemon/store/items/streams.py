"""The streams of files: replaced per file, if their digest differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.records import STREAM_COLUMNS
from retrovue_daemon.store.feed.recording import record_owners
from retrovue_daemon.store.items.bulk import Insertion, write_rows
from retrovue_daemon.store.items.lookup import json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from retrovue_daemon.records import Streams

_INSERT: Final = Insertion("streams", ("media_file_id", *STREAM_COLUMNS), "")


def insert_streams(connection: sqlite3.Connection, streams: Mapping[int, Streams]) -> None:
    """Add the streams of files that have none, by the files' ids."""
    write_rows(connection, _INSERT, [(row_id, *row) for row_id, each in streams.items() for row in each.rows])


def delete_streams(connection: sqlite3.Connection, file_ids: Iterable[int]) -> None:
    """Delete the streams of these files."""
    connection.execute(
        "DELETE FROM streams WHERE media_file_id IN (SELECT value FROM json_each(?))", (json_list(file_ids),)
    )


def forget_streams(connection: sqlite3.Connection, file_ids: Iterable[int]) -> None:
    """Delete the streams of files that were replaced, and those of the new ones are not known."""
    ids = list(file_ids)
    delete_streams(connection, ids)
    connection.execute(
        "UPDATE media_files SET streams_digest = NULL, hdr = NULL WHERE id IN (SELECT value FROM json_each(?))",
        (json_list(ids),),
    )


def replace_streams(connection: sqlite3.Connection, streams: Mapping[int, Streams]) -> int:
    """Store the streams of files whose rows stay as they are, by the files' ids; return how many files changed.

    Files that were removed meanwhile, or have these streams already, are omitted.
    """
    query = "SELECT id, streams_digest FROM media_files WHERE id IN (SELECT value FROM json_each(?))"
    stored = dict(connection.execute(query, (json_list(streams),)))
    changed = {row_id: each for row_id, each in streams.items() if row_id in stored and stored[row_id] != each.digest}
    delete_streams(connection, [row_id for row_id in changed if stored[row_id] is not None])
    connection.executemany(
        "UPDATE media_files SET streams_digest = ?, hdr = ? WHERE id = ?",
        [(each.digest, each.hdr, row_id) for row_id, each in changed.items()],
    )
    insert_streams(connection, changed)
    record_owners(connection, changed)
    return len(changed)
