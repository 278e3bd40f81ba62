"""The files of a show's or season's episodes, which distinguish a rematched show from a different one."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from retrovue_daemon.paths import path_form
from retrovue_daemon.records import Kind
from retrovue_daemon.store.feed.recording import record
from retrovue_daemon.store.items.displacement import displace
from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.upserts import write_items

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from retrovue_daemon.store.items.rows import Target
    from retrovue_daemon.store.items.upserts import BatchResult, Change

_COLUMN = {Kind.SHOW: "show_id", Kind.SEASON: "season_id"}

_STORED_PARENT = {
    Kind.SHOW: "SELECT i.id, i.source_id, i.title, NULL FROM shows AS i",
    Kind.SEASON: "SELECT i.id, i.source_id, i.season_number, w.rating_key FROM seasons AS i"
    " LEFT JOIN shows AS w ON w.id = i.show_id",
}


class FileSet(msgspec.Struct, frozen=True):
    """Paths and sizes in minimal memory: eight bytes each, with a collision probability of one in 2**64."""

    hashes: array[int]

    @classmethod
    def of(cls, paths_and_sizes: Iterable[str | int]) -> FileSet:
        """Collect sizes and paths, regardless of their spelling."""
        return cls(array("q", sorted(map(_hash, paths_and_sizes))))

    def __contains__(self, path_or_size: str | int) -> bool:
        wanted = _hash(path_or_size)
        at = bisect_left(self.hashes, wanted)
        return at < len(self.hashes) and self.hashes[at] == wanted

    def __len__(self) -> int:
        return len(self.hashes)


def _hash(path_or_size: str | int) -> int:
    return hash(path_form(path_or_size) if isinstance(path_or_size, str) else (path_or_size,))


def with_guid_elsewhere(connection: sqlite3.Connection, kind: Kind, ids: Iterable[int]) -> list[int]:
    """Return those of these rows whose guid another row of the server has that is not missing.

    The guids of seasons have no index, so the table is read once for all of them.
    """
    chosen, of_ids = json_list(ids), f"FROM {TABLES[kind]} WHERE id IN (SELECT value FROM json_each(?))"
    holders: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
    query = (
        f"SELECT server_id, source_id, id FROM {TABLES[kind]}"
        f" WHERE state <> 'missing' AND source_id IN (SELECT source_id {of_ids})"
    )
    for server_id, guid, row_id in connection.execute(query, (chosen,)):
        holders[server_id, guid].add(row_id)
    rows = connection.execute(f"SELECT server_id, source_id, id {of_ids}", (chosen,)).fetchall()
    return [row_id for server_id, guid, row_id in rows if holders.get((server_id, guid), set()) - {row_id}]


def is_guid_elsewhere(connection: sqlite3.Connection, kind: Kind, row_id: int) -> bool:
    """Return whether another row of the server that is not missing has the guid of a row."""
    return bool(with_guid_elsewhere(connection, kind, [row_id]))


class StoredParent(NamedTuple):
    """What the row of a show or season says about it: ``name`` is a show's title or a season's number."""

    guid: str | None
    name: str | int | None
    show_key: str | None


def stored_parents(connection: sqlite3.Connection, kind: Kind, ids: Iterable[int]) -> dict[int, StoredParent]:
    """Return what is stored about these shows or seasons, by id."""
    query = f"{_STORED_PARENT[kind]} WHERE i.id IN (SELECT value FROM json_each(?))"
    return {row[0]: StoredParent(*row[1:]) for row in connection.execute(query, (json_list(ids),))}


def episode_files(connection: sqlite3.Connection, kind: Kind, row_id: int) -> FileSet:
    """Return the paths and sizes of all episode files of a show or season."""
    # A primary file still belongs to its episode if it was listed with another episode since.
    query = (
        f"SELECT f.plex_path, f.size FROM episodes AS e JOIN media_files AS f ON f.server_id = e.server_id"
        f" AND f.rating_key = e.rating_key AND f.media_type = 'episode'"
        f" WHERE e.{_COLUMN[kind]} = ?1 AND f.plex_path IS NOT NULL"
        f" UNION SELECT f.plex_path, f.size FROM episodes AS e JOIN media_files AS f ON f.id = e.media_file_id"
        f" WHERE e.{_COLUMN[kind]} = ?1 AND f.plex_path IS NOT NULL"
    )
    return FileSet.of(each for file in connection.execute(query, (row_id,)) for each in file if each)


def replace_parent(
    connection: sqlite3.Connection,
    target: Target,
    kind: Kind,
    row_id: int,
    change: Change,
    now: int,
    is_listed: Callable[[Kind, int], bool],
) -> BatchResult:
    """Move the key of a show's or season's row, and the children listed under it, to a new row.

    Run this as one of the writer's transactions. ``is_listed`` returns whether a season or episode was listed.
    """
    displace(connection, kind, target.server_id, [change.item.rating_key])
    result = write_items(connection, target, kind, [change], now)
    for child in (Kind.SEASON, Kind.EPISODE) if kind is Kind.SHOW else (Kind.EPISODE,):
        table, column = TABLES[child], _COLUMN[kind]
        rows = connection.execute(f"SELECT id FROM {table} WHERE {column} = ?", (row_id,)).fetchall()
        listed = [(result.ids[0], child_id) for (child_id,) in rows if is_listed(child, child_id)]
        connection.executemany(f"UPDATE {table} SET {column} = ? WHERE id = ?", listed)
        record(connection, child, "updated", [child_id for _, child_id in listed])
    return result
