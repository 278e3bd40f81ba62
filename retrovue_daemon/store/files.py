"""The rows of media_files that belong to a batch of films or episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from retrovue_daemon.store.bulk import write_rows
from retrovue_daemon.store.ids import NewIds
from retrovue_daemon.store.lookup import json_list
from retrovue_daemon.store.rows import UPSERT_FILE, file_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from retrovue_daemon.records import Episode, MediaFile, Movie
    from retrovue_daemon.store.bulk import Row
    from retrovue_daemon.store.rows import Target

Part: TypeAlias = int | tuple[str, str | None]
"""What tells one file from another: the part id, or, where a server sends none, the item and the path."""

_ITEM_PARTS = """
SELECT id, part_id, rating_key, plex_path FROM media_files
WHERE server_id = ? AND rating_key IN (SELECT value FROM json_each(?))
"""
_PARTS = """
SELECT id, part_id FROM media_files WHERE server_id = ? AND part_id IN (SELECT value FROM json_each(?))
"""


def write_files(
    connection: sqlite3.Connection,
    target: Target,
    items: Sequence[Movie | Episode],
    known: Collection[str],
    now: int,
) -> dict[str, int]:
    """Write the files of these items and delete the rows of files that they no longer have.

    ``known`` are the rating keys of items that were stored before: only those can have lost a file. A file that
    another item of the batch has taken over is no lost one. Returns the id of each item's primary file, by rating
    key; an item without a playable file is not in it.
    """
    stored = _stored_parts(connection, target.server_id, items, known)
    new_ids = NewIds.of(connection, "media_files")
    rows: dict[int, Row] = {}
    primary: dict[str, int] = {}
    media_type = items[0].kind.value if items else ""
    for item in items:
        chosen = primary_file(item)
        for file in item.files:
            part = _part(item.rating_key, file)
            row_id = stored.get(part)
            if row_id is None:
                row_id = stored[part] = new_ids.take()
            rows[row_id] = file_row(target, row_id, item, file, now, media_type)
            if file is chosen:
                primary[item.rating_key] = row_id
    left = [row_id for row_id in stored.values() if row_id not in rows]
    if left:
        connection.execute("DELETE FROM media_files WHERE id IN (SELECT value FROM json_each(?))", (json_list(left),))
    if rows:
        write_rows(connection, UPSERT_FILE, list(rows.values()))
    return primary


def primary_file(item: Movie | Episode) -> MediaFile | None:
    """Return the file that stands for the item: the first playable one that is no optimized version.

    Plex lists the version that it would play first; a stacked file's later parts never come first.
    """
    for file in item.files:
        if file.playable and not file.optimized and not item.trashed:
            return file
    return None


def _stored_parts(
    connection: sqlite3.Connection, server_id: int, items: Sequence[Movie | Episode], known: Collection[str]
) -> dict[Part, int]:
    """Return the ids of the rows of these items, and of those that hold one of their parts for another item."""
    stored: dict[Part, int] = {}
    if known:
        rows = connection.execute(_ITEM_PARTS, (server_id, json_list(known)))
        for row_id, part_id, rating_key, plex_path in rows:
            stored[(rating_key, plex_path) if part_id is None else part_id] = row_id
    wanted = [file.part_id for item in items for file in item.files if file.part_id is not None]
    rows = connection.execute(_PARTS, (server_id, json_list(wanted)))
    stored.update({part_id: row_id for row_id, part_id in rows})
    return stored


def _part(rating_key: str, file: MediaFile) -> Part:
    return (rating_key, file.plex_path) if file.part_id is None else file.part_id
