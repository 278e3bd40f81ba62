"""Rows whose rating key belongs to another item now.

Where Plex's database is put back from a backup, what is added afterwards gets keys that were given out before. A
rating key alone is therefore no identity: an entry under a known key whose guid and files both differ from its row's
is another item. Its row gives up the key (``41 (once, row 7)``) and waits: re-keying finds its item under another key
(``store/rekeying.py``), or it goes missing. What is absent on either side does not differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.paths import path_form
from retrovue_daemon.records import Kind
from retrovue_daemon.store.lookup import TABLES, json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from retrovue_daemon.records import Episode, Movie
    from retrovue_daemon.store.files import StoredFile

_MARK = " (once, row "


def is_displaced(rating_key: str) -> bool:
    """Return whether a row's rating key was given to another item: no server can be asked for it."""
    return _MARK in rating_key


def is_another(item: Movie | Episode, guid: str | None, files: Sequence[StoredFile]) -> bool:
    """Return whether an entry is another item than the row with its rating key and this guid and these files."""
    if not item.guid or not guid or item.guid == guid:
        return False
    stored = {path_form(file.plex_path) for file in files if file.plex_path is not None}
    listed = {path_form(file.plex_path) for file in item.files if file.plex_path is not None}
    return bool(stored and listed) and stored.isdisjoint(listed)


def displace(connection: sqlite3.Connection, kind: Kind, server_id: int, rating_keys: Iterable[str]) -> None:
    """Take their rating keys from rows, and from the rows of their files; these give up their Parts as well."""
    table, keys = TABLES[kind], json_list(rating_keys)
    if kind in {Kind.MOVIE, Kind.EPISODE}:
        connection.execute(
            "UPDATE media_files SET part_id = NULL, media_id = NULL, rating_key = rating_key || ? ||"
            f" (SELECT i.id FROM {table} AS i WHERE i.server_id = media_files.server_id"
            "  AND i.rating_key = media_files.rating_key) || ')'"
            " WHERE server_id = ? AND rating_key IN (SELECT value FROM json_each(?))",
            (_MARK, server_id, keys),
        )
    connection.execute(
        f"UPDATE {table} SET rating_key = rating_key || ? || id || ')', digest = NULL"
        " WHERE server_id = ? AND rating_key IN (SELECT value FROM json_each(?))",
        (_MARK, server_id, keys),
    )
