"""Writing entries of the change feed. Call these functions within the transaction that changes the rows.

Servers, libraries, their folders and path mappings need no call: triggers of the schema write their entries, because
other programs may change them, too. If the row of a server or library is deleted, they enter everything below it. If
it is replaced (INSERT OR REPLACE), they raise the floor.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import msgspec

from retrovue_daemon.records import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

ChangeKind: TypeAlias = Literal["movie", "show", "season", "episode", "collection", "library", "server"]
ChangeOp: TypeAlias = Literal["added", "updated", "moved", "missing", "restored", "deleted", "path_changed"]

IDS_PER_BATCH: Final = 1_000
"""Rows of one entry at most, so that a reader who applies whole entries never has to apply many at once."""

Entries: TypeAlias = tuple[int, int]
"""The entries of a transaction: the last one before them, and the last one of them."""

_RECORD: Final = "INSERT INTO change_batches (kind, op, ids) VALUES "
_AT_ONCE: Final = 100

_TABLES: Final = {Kind.MOVIE: "movies", Kind.EPISODE: "episodes"}
"""The kinds that have files."""


class Owner(NamedTuple):
    """The item that a file belongs to; ``kind`` is the file's ``media_type``."""

    kind: str
    rating_key: str


_MEMBERS: Final = {kind: f"{kind.value}_id" for kind in Kind}


def record(
    connection: sqlite3.Connection, kind: Kind | Literal["collection"], op: ChangeOp, ids: Iterable[int]
) -> int:
    """Enter what happened to these rows, and return the number of the last entry, 0 if there is none.

    A statement writes many entries: at each of its steps, another thread may take the interpreter lock.
    """
    rest, last = iter(ids), 0
    while values := [
        value
        for _ in range(_AT_ONCE)
        if (some := list(islice(rest, IDS_PER_BATCH)))
        for value in (str(kind), op, _json(some))
    ]:
        rows = ", ".join(["(?, ?, ?)"] * (len(values) // 3))
        last = connection.execute(_RECORD + rows, values).lastrowid or 0
    return last


def record_owners(connection: sqlite3.Connection, file_ids: Iterable[int], op: ChangeOp = "updated") -> None:
    """Enter that files changed, as a change of the items that they belong to."""
    files = _json(file_ids)
    for kind, table in _TABLES.items():
        query = (
            f"SELECT i.id FROM media_files AS f JOIN {table} AS i ON i.server_id = f.server_id"
            " AND i.rating_key = f.rating_key WHERE f.id IN (SELECT value FROM json_each(?)) AND f.media_type = ?"
        )
        record(connection, kind, op, [row_id for (row_id,) in connection.execute(query, (files, kind.value))])


def record_other_owners(
    connection: sqlite3.Connection, server_id: int, owners: Iterable[Owner], deleted_files: Iterable[int]
) -> None:
    """Enter that these items lose a file, and so do those whose primary file is one of those about to be deleted."""
    keys, files = defaultdict(list), _json(deleted_files)
    for owner in owners:
        keys[owner.kind].append(owner.rating_key)
    for kind, table in _TABLES.items():
        query = (
            f"SELECT id FROM {table} WHERE server_id = ? AND rating_key IN (SELECT value FROM json_each(?))"
            f" UNION SELECT id FROM {table} WHERE media_file_id IN (SELECT value FROM json_each(?))"
        )
        found = connection.execute(query, (server_id, _json(keys[kind.value]), files))
        record(connection, kind, "updated", [row_id for (row_id,) in found])


def record_collections_of(connection: sqlite3.Connection, kind: Kind, ids: Iterable[int]) -> None:
    """Enter that collections lose or exchange these members. Call this while the rows are still their members."""
    column = _MEMBERS[kind]
    query = (
        f"SELECT DISTINCT collection_id FROM collection_items WHERE {column} IS NOT NULL"
        f" AND {column} IN (SELECT value FROM json_each(?))"
    )
    found = connection.execute(query, (_json(ids),))
    record(connection, "collection", "updated", [row_id for (row_id,) in found])


def last_entry(connection: sqlite3.Connection) -> int:
    """Return the number of the newest entry, 0 if there was never one."""
    rows = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'change_batches'")
    return max((seq for (seq,) in rows), default=0)


def name_run(connection: sqlite3.Connection, run_id: int, entries: Iterable[Entries], before: int) -> None:
    """Store which pass made these entries, and all after ``before``. Its id is not known before the pass ends."""
    ranges: list[Entries] = []
    for first, last in entries:
        if ranges and ranges[-1][1] == first:
            ranges[-1] = ranges[-1][0], last
        elif last > first:
            ranges.append((first, last))
    update = "UPDATE change_batches SET run_id = ? WHERE seq > ?"
    connection.executemany(f"{update} AND seq <= ?", [(run_id, first, last) for first, last in ranges])
    connection.execute(update, (run_id, before))


def _json(values: Iterable[int | str]) -> str:
    return msgspec.json.encode(list(values)).decode()
