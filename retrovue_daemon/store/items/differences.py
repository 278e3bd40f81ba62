"""The differences between two states of a database, item by item: before and after a sync."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from retrovue_daemon.errors import DatabaseMissing, DatabaseUnusable
from retrovue_daemon.store.file.epoch import as_new
from retrovue_daemon.store.file.preparation import check_place
from retrovue_daemon.store.file.visits import reading
from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.titles import TITLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from retrovue_daemon.records import Kind

_ROWS_AT_ONCE = 10_000

ChangeName: TypeAlias = Literal["added", "updated", "removed", "restored", "moved", "deleted", "held back"]


class Difference(msgspec.Struct, frozen=True):
    """One changed item; ``id`` is that of its row, in the later state if it has one there."""

    change: ChangeName
    kind: Kind
    id: int
    server: str
    library: str
    title: str


_CHANGE = """
CASE WHEN o.id IS NULL THEN 'added'
     WHEN i.state = 'missing' AND o.state <> 'missing' THEN 'removed'
     WHEN i.rating_key <> o.rating_key OR i.library_id <> o.library_id THEN 'moved'
     WHEN i.state <> 'missing' AND o.state = 'missing' THEN 'restored'
     WHEN i.digest IS NOT o.digest OR i.state <> o.state THEN 'updated' END
"""


def backup(source: Path, target: Path) -> None:
    """Copy a database in its current state, even while another process writes to it. Raise sqlite3.Error."""
    # Not mode=ro: such a connection cannot remove the write-ahead log files that it had to create.
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=30)) as from_,
        closing(sqlite3.connect(target)) as to,
    ):
        from_.execute("PRAGMA query_only = ON")
        from_.backup(to)


def copy_twice(source: Path, before: Path, after: Path, *, own_place: bool = False) -> None:
    """Make two copies of a database, the second to be synced; none if there is none yet.

    ``own_place`` says that a sync would make a missing directory. Raise DatabasePlaceMissing or DatabaseUnusable.
    """
    if not own_place or os.path.lexists(source.parent):
        source = check_place(source, own=False)
    try:
        with reading(source) as connection, closing(sqlite3.connect(before)) as copy:
            connection.backup(copy)
        backup(before, after)
        as_new(after)
    except sqlite3.Error as error:
        hint = "check that it is a database of this program, and that the directory for temporary files has room"
        raise DatabaseUnusable(source, f"cannot be copied: {error}", hint=hint) from error
    except DatabaseMissing:
        return


def differences(before: Path, after: Path) -> Iterator[Difference]:
    """Yield the changes from one state to the other, kind by kind, in order of id. Raise sqlite3.Error on failure."""
    with closing(sqlite3.connect(after)) as connection:
        connection.execute("ATTACH DATABASE ? AS old", (f"{before.absolute()}",))
        for kind, table in TABLES.items():
            query = (
                f"SELECT {_CHANGE} AS change, i.id, s.name, l.library_name, {TITLES[kind].format(schema='main')}"
                f" FROM main.{table} AS i LEFT JOIN old.{table} AS o ON o.id = i.id"
                " JOIN main.libraries AS l ON l.id = i.library_id JOIN main.plex_servers AS s ON s.id = i.server_id"
                " WHERE change IS NOT NULL UNION ALL"
                f" SELECT 'deleted', i.id, s.name, l.library_name, {TITLES[kind].format(schema='old')}"
                f" FROM old.{table} AS i JOIN old.libraries AS l ON l.id = i.library_id"
                " JOIN old.plex_servers AS s ON s.id = i.server_id"
                f" WHERE i.id NOT IN (SELECT id FROM main.{table}) ORDER BY 2"
            )
            for change, row_id, server, library, title in connection.execute(query):
                yield Difference(change, kind, row_id, server, library, title)


def held_back(database: Path, leaving: Mapping[Kind, Sequence[int]]) -> Iterator[Difference]:
    """Yield the items of these rows, by kind, that would be removed if the held-back removals were accepted."""
    with closing(sqlite3.connect(database)) as connection:
        yield from held_back_in(connection, leaving)


def held_back_in(connection: sqlite3.Connection, leaving: Mapping[Kind, Sequence[int]]) -> Iterator[Difference]:
    """Yield the same items of an open database."""
    for kind, ids in leaving.items():
        query = (
            f"SELECT i.id, s.name, l.library_name, {TITLES[kind].format(schema='main')}"
            f" FROM {TABLES[kind]} AS i JOIN libraries AS l ON l.id = i.library_id"
            " JOIN plex_servers AS s ON s.id = i.server_id"
            " WHERE i.id IN (SELECT value FROM json_each(?)) ORDER BY i.id"
        )
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            some = json_list(ids[start : start + _ROWS_AT_ONCE])
            for row_id, server, library, title in connection.execute(query, (some,)):
                yield Difference("held back", kind, row_id, server, library, title)


def changed_paths(before: Path, after: Path) -> int:
    """Count the files that stay but get a different local path."""
    with closing(sqlite3.connect(after)) as connection:
        connection.execute("ATTACH DATABASE ? AS old", (f"{before.absolute()}",))
        query = (
            "SELECT count(*) FROM main.media_files AS f JOIN old.media_files AS o ON o.id = f.id"
            " WHERE f.file_path IS NOT o.file_path AND f.plex_path IS o.plex_path"
        )
        return int(connection.execute(query).fetchone()[0])
