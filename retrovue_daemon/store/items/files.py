"""Writes the rows of media_files, and of their streams, for a batch of films or episodes.

The primary file of an item stays primary as long as it can be played.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.store.items.bulk import write_rows
from retrovue_daemon.store.items.file_matching import FileMatcher, stands_for
from retrovue_daemon.store.items.lookup import json_list
from retrovue_daemon.store.items.rows import UPSERT_FILE, file_row
from retrovue_daemon.store.items.streams import delete_streams, forget_streams, insert_streams

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.records import Episode, MediaFile, Movie
    from retrovue_daemon.store.items.bulk import Row
    from retrovue_daemon.store.items.file_matching import StoredFile
    from retrovue_daemon.store.items.rows import Target


def write_files(
    connection: sqlite3.Connection,
    target: Target,
    items: Sequence[Movie | Episode],
    known: Mapping[str, Sequence[StoredFile]],
    primaries: Mapping[str, int | None],
    now: int,
) -> dict[str, int]:
    """Write the files of these items and delete the rows of files that they no longer have.

    Plex may list an item without a file while a file is being replaced: the row of its last file then waits for the
    new one.

    ``known`` are the file rows of items stored before, ``primaries`` the ids of their primary files. Return the id of
    each item's primary file by rating key; items without a playable file are not included.
    """
    matcher = FileMatcher(connection, target.server_id, items, known)
    known = matcher.known
    rows: dict[int, Row] = {}
    files: dict[int, MediaFile] = {}
    primary: dict[str, int] = {}
    waiting: list[int] = []
    media_type = items[0].kind.value if items else ""
    for item in items:
        if len(item.files) == 1 and item.rating_key not in known and item.rating_key not in primaries:
            # As nearly all of a first sync are: a new item with one file, which no row can be matched to.
            file = item.files[0]
            new_id = matcher.id_of_new(file)
            if new_id is not None:
                rows[new_id] = file_row(target, new_id, item, file, now, media_type)
                files[new_id] = file
                if stands_for(item, file):
                    primary[item.rating_key] = new_id
                continue
        ids = matcher.ids_of(item, primaries.get(item.rating_key))
        for row_id, file in zip(ids, item.files, strict=True):
            rows[row_id] = file_row(target, row_id, item, file, now, media_type)
            files[row_id] = file
        chosen = _primary(item, ids, primaries.get(item.rating_key), known.get(item.rating_key, ()))
        if chosen is not None:
            primary[item.rating_key] = chosen
        elif (row := _waiting(item, primaries.get(item.rating_key), known.get(item.rating_key, ()))) is not None:
            waiting.append(row)
    waiting = [row_id for row_id in waiting if row_id not in rows]
    left = [file.id for files in known.values() for file in files if file.id not in rows and file.id not in waiting]
    matcher.record_owners(media_type, {item.rating_key for item in items}, rows, left)
    if left:
        connection.execute("DELETE FROM media_files WHERE id IN (SELECT value FROM json_each(?))", (json_list(left),))
    if waiting:
        connection.execute(
            "UPDATE media_files SET state = 'unavailable', library_id = ?, library_name = ?"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (target.library_id, target.library_name, json_list(waiting)),
        )
    matcher.free_parts()
    if rows:
        write_rows(connection, UPSERT_FILE, list(rows.values()))
        _write_streams(connection, files, matcher.stored)
    return primary


def _write_streams(
    connection: sqlite3.Connection, files: Mapping[int, MediaFile], stored: Mapping[int, StoredFile]
) -> None:
    """Write the streams of files whose rows were written; ``stored`` are the rows that were there before."""
    streams = {row_id: file.streams for row_id, file in files.items() if file.streams is not None}
    if stored:
        unknown = [
            row.id
            for row in stored.values()
            if row.streams_digest is not None
            and (file := files.get(row.id)) is not None
            and file.streams is None
            and (file.size, file.change_stamp) != (row.size, row.change_stamp)
        ]
        if unknown:
            forget_streams(connection, unknown)
        known = {row_id: stored[row_id].streams_digest for row_id in streams.keys() & stored.keys()}
        streams = {row_id: each for row_id, each in streams.items() if known.get(row_id) != each.digest}
        if replaced := [row_id for row_id in streams if known.get(row_id) is not None]:
            delete_streams(connection, replaced)
    insert_streams(connection, streams)


def _primary(
    item: Movie | Episode, ids: Sequence[int], before: int | None, stored: Sequence[StoredFile]
) -> int | None:
    """Return the id of the primary file: the previous one, else one that stays, else the first playable one.

    Plex lists first the version that it would play first; later parts of a stacked file never come first.
    """
    can = [row_id for row_id, file in zip(ids, item.files, strict=True) if stands_for(item, file)]
    if before in can:
        return before
    staying = {file.id for file in stored}
    return next((row_id for row_id in can if row_id in staying), can[0] if can else None)


def _waiting(item: Movie | Episode, before: int | None, stored: Sequence[StoredFile]) -> int | None:
    """Return the id of the file to keep, the primary one first, for an item that has only optimized files or none."""
    if any(not file.optimized for file in item.files):
        return None
    own = [file.id for file in stored if not file.optimized and file.belongs_to(item)]
    return before if before in own else next(iter(own), None)
