"""Which rows of media_files belong to the files of a batch of films or episodes.

Programs refer to ``media_files.id``, so a file keeps its row whenever it can be recognized: within an item, files are
matched by Part, then by path, and finally a single unmatched file is matched to a single unmatched row. A Part that
is now listed by another item takes its row along. Files whose item another program deleted belong to the new item
with its rating key.

A rating key alone does not identify the owner of a file: a film's key may have been reassigned to an episode, so
every query also checks the kind of the item (``media_type``).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from retrovue_daemon.paths import path_form
from retrovue_daemon.store.feed.recording import Owner, record_other_owners
from retrovue_daemon.store.items.bulk import NewIds
from retrovue_daemon.store.items.lookup import json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Container, Iterable, Mapping, Sequence

    from retrovue_daemon.records import Episode, Kind, MediaFile, Movie


class StoredFile(NamedTuple):
    """The compared columns of a file's row."""

    id: int
    part_id: int | None
    rating_key: str
    plex_path: str | None
    optimized: int
    media_type: str
    size: int | None
    change_stamp: int | None
    streams_digest: int | None

    def belongs_to(self, item: Movie | Episode) -> bool:
        """Return whether this file belongs to the item."""
        return (self.media_type, self.rating_key) == (item.kind.value, item.rating_key)


_COLUMNS = "id, part_id, rating_key, plex_path, optimized, media_type, size, change_stamp, streams_digest"
_FILES = f"SELECT {_COLUMNS} FROM media_files WHERE server_id = ?"
_OF_ITEMS = f"{_FILES} AND media_type = ? AND rating_key IN (SELECT value FROM json_each(?)) ORDER BY id"
_OF_ID = f"SELECT {_COLUMNS} FROM media_files WHERE id = ?"
_OF_PARTS = f"{_FILES} AND part_id IN (SELECT value FROM json_each(?))"


def stored_files(
    connection: sqlite3.Connection, kind: Kind, server_id: int, rating_keys: Iterable[str]
) -> dict[str, list[StoredFile]]:
    """Return the file rows of these items of one kind, by rating key."""
    found: defaultdict[str, list[StoredFile]] = defaultdict(list)
    for row in connection.execute(_OF_ITEMS, (server_id, kind.value, json_list(rating_keys))):
        file = StoredFile(*row)
        found[file.rating_key].append(file)
    return found


def taken_files(
    connection: sqlite3.Connection, primaries: Iterable[tuple[str, int | None]]
) -> dict[str, list[StoredFile]]:
    """Return the primary files of items whose files were all listed by other items since, by the items' rating keys.

    ``primaries`` are rating keys and ids of files. An item is known by its file until it is listed again itself.
    """
    found = {}
    for rating_key, file_id in primaries:
        if file_id is not None:
            found[rating_key] = [StoredFile(*row) for row in connection.execute(_OF_ID, (file_id,))]
    return found


def stands_for(item: Movie | Episode, file: MediaFile) -> bool:
    """Return whether a file can be the primary one: a playable one that is not an optimized version."""
    return file.playable and not file.optimized and not item.trashed


class FileMatcher:
    """Finds the rows for the files of one batch of items."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        server_id: int,
        items: Sequence[Movie | Episode],
        known: Mapping[str, Sequence[StoredFile]],
    ) -> None:
        self._connection = connection
        self._server_id = server_id
        self._new_ids = NewIds.of(connection, "media_files")
        self._owner: dict[int | None, str] = {
            file.part_id: item.rating_key for item in items for file in item.files if file.part_id is not None
        }
        rows = connection.execute(
            _OF_PARTS, (server_id, json_list([part for part in self._owner if part is not None]))
        )
        self._by_part: dict[int | None, StoredFile] = {row[1]: StoredFile(*row) for row in rows}
        self.known = {**known, **self._without_item(server_id, items, known)}
        """The file rows of the items, also those that were left when another program deleted the row of an item."""
        self._given: dict[int, int] = {}
        self._taken: set[int] = set()
        self._losing_part: list[int] = []

    @property
    def stored(self) -> dict[int, StoredFile]:
        """The rows that may belong to files of the batch, by id."""
        rows = {row.id: row for rows in self.known.values() for row in rows}
        return rows | {row.id: row for row in self._by_part.values()}

    def id_of_new(self, file: MediaFile) -> int | None:
        """Return a new row id for a file whose Part is unknown so far, None if it is known."""
        part_id = file.part_id
        if part_id in self._by_part or part_id in self._given:
            return None
        row_id = self._new_ids.take()
        if part_id is not None:
            self._given[part_id] = row_id
        self._taken.add(row_id)
        return row_id

    def ids_of(self, item: Movie | Episode, primary: int | None) -> list[int]:
        """Return the row ids of an item's files, in order, with new ids for unknown files."""
        found: dict[int, int] = {}
        if self._by_part or item.rating_key in self.known:
            own = [file for file in self.known.get(item.rating_key, ()) if file.id not in self._taken]
            found = self._matched(item, own, primary)
        ids = []
        for file in item.files:
            row_id = self._given.get(file.part_id) if file.part_id is not None else None
            if row_id is None:  # not None if the server lists the same Part twice
                row_id = found.get(id(file)) or self._new_ids.take()
            if file.part_id is not None:
                self._given[file.part_id] = row_id
            self._taken.add(row_id)
            ids.append(row_id)
        return ids

    def _without_item(
        self, server_id: int, items: Sequence[Movie | Episode], known: Mapping[str, Sequence[StoredFile]]
    ) -> dict[str, list[StoredFile]]:
        """Return the file rows of items without a row, by rating key, if these items list one of their Parts."""
        keys = {item.rating_key: item for item in items if item.rating_key not in known} if self._by_part else {}
        left = [
            row.rating_key
            for row in self._by_part.values()
            if (item := keys.get(row.rating_key)) and row.belongs_to(item)
        ]
        return stored_files(self._connection, items[0].kind, server_id, left) if left else {}

    def record_owners(self, media_type: str, keys: Collection[str], rows: Container[int], left: list[int]) -> None:
        """Enter other items whose files these take, delete (``left``) or change into the change feed."""
        changing = {*left, *self._losing_part}
        owners = {
            Owner(file.media_type, file.rating_key)
            for file in self.stored.values()
            if (file.id in rows or file.id in changing)
            and (file.media_type != media_type or file.rating_key not in keys)
        }
        if owners or left:
            record_other_owners(self._connection, self._server_id, owners, left)

    def free_parts(self) -> None:
        """Clear the Part ids of rows that get another one, or none: Part ids are unique at any moment."""
        if self._losing_part:
            self._connection.execute(
                "UPDATE media_files SET part_id = NULL WHERE id IN (SELECT value FROM json_each(?))",
                (json_list(self._losing_part),),
            )

    def _matched(self, item: Movie | Episode, own: list[StoredFile], primary: int | None) -> dict[int, int]:
        """Return the row ids of an item's files, keyed by the identity of the records."""
        found: dict[int, int] = {}
        open_files = list(item.files)

        def match(file: MediaFile, row: StoredFile) -> None:
            found[id(file)] = row.id
            open_files.remove(file)
            if row in own:
                own.remove(row)
            self._give_part(file, row)

        by_part: dict[int | None, StoredFile] = {row.part_id: row for row in own if row.part_id is not None}
        for file in item.files:
            if (row := by_part.get(file.part_id)) is not None and row in own:
                match(file, row)
        for file in tuple(open_files):
            row = next((row for row in own if _same_path(row.plex_path, file.plex_path)), None)
            if row is not None:
                match(file, row)
        # A Part that another item of the batch lists takes its row along.
        own[:] = [row for row in own if self._owner.get(row.part_id, item.rating_key) == item.rating_key]
        for file in tuple(open_files):
            row = self._by_part.get(file.part_id)
            if row is None or row.id in self._taken or row.belongs_to(item):
                continue
            if row.plex_path is None or file.plex_path is None or _same_path(row.plex_path, file.plex_path):
                match(file, row)
            else:
                # Part ids are reassigned after Plex's database is restored from a backup.
                self._losing_part.append(row.id)
        for file, row in _left_over(open_files, own):
            match(file, row)
        self._keep_primary(item, own, open_files, found, primary)
        return found

    def _give_part(self, file: MediaFile, row: StoredFile) -> None:
        """Note which rows lose their Part ids if this row becomes this file's."""
        if row.part_id is not None and row.part_id != file.part_id:
            self._losing_part.append(row.id)
        holder = self._by_part.get(file.part_id)
        if holder is not None and holder.id != row.id:
            # Another item's row has this Part id, which was reassigned after Plex's database was restored.
            self._losing_part.append(holder.id)

    @staticmethod
    def _keep_primary(
        item: Movie | Episode,
        own: list[StoredFile],
        open_files: list[MediaFile],
        found: dict[int, int],
        primary: int | None,
    ) -> None:
        """If no version stays, give the row of the departed or waiting primary file to the file that replaces it."""
        left = [row for row in own if row.id == primary or (primary is None and not row.optimized)]
        heir = next((file for file in open_files if stands_for(item, file)), None)
        stays = any(id(file) in found and stands_for(item, file) for file in item.files)
        if len(left) == 1 and heir is not None and not stays:
            found[id(heir)] = left[0].id


def _left_over(files: Iterable[MediaFile], rows: Iterable[StoredFile]) -> list[tuple[MediaFile, StoredFile]]:
    """Pair the last unmatched file and row of the originals, and of the optimized versions, if each side has one."""
    pairs = []
    for optimized in (False, True):
        listed = [file for file in files if file.optimized == optimized]
        stored = [row for row in rows if bool(row.optimized) == optimized]
        if len(listed) == len(stored) == 1:
            pairs.append((listed[0], stored[0]))
    return pairs


def _same_path(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    return one == other or path_form(one) == path_form(other)
