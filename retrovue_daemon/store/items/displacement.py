"""Rows whose rating key now belongs to another item.

After Plex's database is restored from a backup, new items get keys that were assigned before. A rating key alone is
therefore no identity: an entry under a known key whose guid and files both differ from its row's is another item. The
row gives up the key (``41 (once, row 7)``) and waits until re-keying finds its item under another key
(``store/items/rekeying.py``) or it goes missing. A value absent on either side does not count as a difference.

A guid derived from the key proves nothing. With such guids, or if neither side has a guid, an item with a different
file is still the same one if a file of its size was merely renamed, or if its title and numbers are unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from retrovue_daemon.paths import path_form
from retrovue_daemon.records import Episode, Kind
from retrovue_daemon.store.feed.recording import record
from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.own_guids import is_of_key

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence

    from retrovue_daemon.records import Movie
    from retrovue_daemon.store.items.file_matching import StoredFile

_MARK = " (once, row "

_NAMES: Final = {
    Kind.MOVIE: "title, year",
    Kind.EPISODE: "episode_title, season_number, episode_number, (SELECT rating_key FROM shows WHERE id = show_id)",
}


def is_displaced(rating_key: str) -> bool:
    """Return whether a row's rating key was assigned to another item: no server can be queried for the row."""
    return _MARK in rating_key


def displaced_rows(connection: sqlite3.Connection, kind: Kind, ids: Collection[int]) -> list[int]:
    """Return those of these rows whose rating keys were assigned to other items."""
    if not ids:
        return []
    query = f"SELECT id FROM {TABLES[kind]} WHERE id IN (SELECT value FROM json_each(?)) AND instr(rating_key, ?) > 0"
    return [row_id for (row_id,) in connection.execute(query, (json_list(ids), _MARK))]


class StoredItem(NamedTuple):
    """What a row says about its item; ``numbers`` are a film's year, or an episode's season, number and show."""

    guid: str | None
    title: str
    numbers: tuple[int | str | None, ...]
    media_file_id: int | None


def stored_items(
    connection: sqlite3.Connection, kind: Kind, server_id: int, rating_keys: Iterable[str]
) -> dict[str, StoredItem]:
    """Return what is stored about films or episodes, by rating key."""
    query = (
        f"SELECT rating_key, source_id, media_file_id, {_NAMES[kind]} FROM {TABLES[kind]}"
        " WHERE server_id = ? AND rating_key IN (SELECT value FROM json_each(?))"
    )
    return {
        key: StoredItem(guid, title, tuple(numbers), file_id)
        for key, guid, file_id, title, *numbers in connection.execute(query, (server_id, json_list(rating_keys)))
    }


def is_another(item: Movie | Episode, stored: StoredItem, files: Sequence[StoredFile]) -> bool:
    """Return whether an entry is a different item than the row with its rating key and these files."""
    if bool(item.guid) != bool(stored.guid):
        return False
    names_nothing = not (item.guid and stored.guid) or (is_of_key(item.guid) and is_of_key(stored.guid))
    if item.guid == stored.guid and not names_nothing:
        return False
    known = {path_form(file.plex_path) for file in files if file.plex_path is not None}
    listed = {path_form(file.plex_path) for file in item.files if file.plex_path is not None}
    if not known or not listed or not known.isdisjoint(listed):
        return False
    return not (names_nothing and (_has_renamed_file(item, files) or _has_same_name(item, stored, known, listed)))


def _has_renamed_file(item: Movie | Episode, files: Sequence[StoredFile]) -> bool:
    return not {file.size for file in files if file.size}.isdisjoint(file.size for file in item.files)


def _has_same_name(item: Movie | Episode, stored: StoredItem, known: set[str], listed: set[str]) -> bool:
    """Return whether an item without a catalogue guid has the title, numbers and location of its row.

    Episodes of different shows may all be titled "Episode 1" and have files of the same name, so a replaced file must
    be in the same folder as before.
    """
    if not isinstance(item, Episode):
        return (item.title.casefold(), (item.year,)) == (stored.title.casefold(), stored.numbers)
    *numbers, show_key = stored.numbers
    if [item.season_number, item.episode_number] != numbers or item.show_rating_key not in {None, show_key}:
        return False
    return item.episode_title.casefold() == stored.title.casefold() and not _folders(known).isdisjoint(
        _folders(listed)
    )


def _folders(paths: set[str]) -> set[str]:
    return {path.rpartition("/" if path.startswith("/") else "\\")[0] for path in paths}


def displace(connection: sqlite3.Connection, kind: Kind, server_id: int, rating_keys: Iterable[str]) -> None:
    """Take their rating keys away from rows, and from the rows of their files, which also lose their Part ids."""
    table, keys = TABLES[kind], json_list(rating_keys)
    if kind in {Kind.MOVIE, Kind.EPISODE}:
        connection.execute(
            "UPDATE media_files SET part_id = NULL, media_id = NULL, rating_key = rating_key || ? ||"
            f" (SELECT i.id FROM {table} AS i WHERE i.server_id = media_files.server_id"
            "  AND i.rating_key = media_files.rating_key) || ')'"
            " WHERE server_id = ? AND media_type = ? AND rating_key IN (SELECT value FROM json_each(?))",
            (_MARK, server_id, kind.value, keys),
        )
    displaced = connection.execute(
        f"UPDATE {table} SET rating_key = rating_key || ? || id || ')', digest = NULL"
        " WHERE server_id = ? AND rating_key IN (SELECT value FROM json_each(?)) RETURNING id",
        (_MARK, server_id, keys),
    ).fetchall()
    record(connection, kind, "updated", [row_id for (row_id,) in displaced])
