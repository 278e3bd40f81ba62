"""The state that the database records: its contents, the last passes, and what is held back."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.store.items.lookup import TABLES, json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

COUNTS = ("listed", "added", "updated", "unchanged", "removed", "restored", "moved", "skipped", "pages", "bytes")
"""The counts of a pass in display order; columns that the schema lacks are omitted."""

_CHANGES = ("added", "updated", "removed", "restored", "moved")

OTHERS = "SELECT library_id, state, count(*) FROM {} WHERE state <> 'active' GROUP BY +library_id, state"
"""The rows of a table that are not active, counted by library. The + keeps SQLite from reading all rows."""


class PassRecord(msgspec.Struct, frozen=True):
    """One pass as sync_runs stores it; ``library`` is None if it concerned no single library."""

    id: int
    server: str
    library: str | None
    kind: str
    status: str
    started_at: int
    finished_at: int | None
    counts: dict[str, int]
    error: str | None

    @property
    def changes(self) -> int:
        """How many items it added, updated, removed, restored or moved."""
        return sum(self.counts.get(name) or 0 for name in _CHANGES)


@dataclass(slots=True)
class Contents:
    """The number of rows per table in a library, and how many of them are not active."""

    present: dict[str, int] = field(default_factory=dict)
    missing: int = 0
    unavailable: int = 0


def contents(connection: sqlite3.Connection) -> dict[int, Contents]:
    """Count the items of each library; missing rows do not count as present."""
    found: dict[int, Contents] = {}
    for table in TABLES.values():
        # Indexes alone answer both: a row of a million is not read.
        for library_id, number in connection.execute(f"SELECT library_id, count(*) FROM {table} GROUP BY library_id"):
            found.setdefault(library_id, Contents()).present[table] = number
        for library_id, state, number in connection.execute(OTHERS.format(table)):
            held = found[library_id]
            if state == "missing":
                held.missing += number
                held.present[table] -= number
            else:
                held.unavailable += number
    return found


def passes(
    connection: sqlite3.Connection,
    *,
    library_ids: Sequence[int] | None = None,
    before: int | None = None,
    limit: int,
) -> list[PassRecord]:
    """Return the last passes of some or all libraries, or the last ones before a pass, newest first."""
    chosen, values = "WHERE 1", list[int]()
    if library_ids is not None:
        chosen += f" AND r.library_id IN ({', '.join('?' * len(library_ids))})"
        values += library_ids
    if before is not None:
        chosen += " AND r.id < ?"
        values.append(before)
    return _passes(connection, f"{chosen} ORDER BY r.id DESC LIMIT ?", (*values, min(limit, sys.maxsize)))


def last_passes(connection: sqlite3.Connection) -> dict[int, PassRecord]:
    """Return the last pass over each library."""
    newest = "(SELECT max(id) FROM sync_runs WHERE library_id = l.id)"
    ids = [row_id for (row_id,) in connection.execute(f"SELECT {newest} FROM libraries AS l") if row_id is not None]
    marks = ", ".join("?" * len(ids))
    query = f"SELECT library_id, id FROM sync_runs WHERE id IN ({marks})"
    library_of = {row_id: library_id for library_id, row_id in connection.execute(query, ids)}
    return {library_of[done.id]: done for done in _passes(connection, f"WHERE r.id IN ({marks})", ids)}


def recent_passes(connection: sqlite3.Connection, number: int) -> dict[int, list[PassRecord]]:
    """Return the last passes over each library, at most ``number``, oldest first."""
    query = (
        "SELECT l.id, r.id FROM libraries AS l JOIN sync_runs AS r ON r.id IN"
        " (SELECT id FROM sync_runs WHERE library_id = l.id ORDER BY started_at DESC, id DESC LIMIT ?)"
    )
    library_of = {run_id: library_id for library_id, run_id in connection.execute(query, (number,))}
    found: dict[int, list[PassRecord]] = {}
    ids = json_list(library_of)
    for done in _passes(
        connection, "WHERE r.id IN (SELECT value FROM json_each(?)) ORDER BY r.started_at, r.id", [ids]
    ):
        found.setdefault(library_of[done.id], []).append(done)
    return found


def _passes(connection: sqlite3.Connection, which: str, values: Sequence[int | str]) -> list[PassRecord]:
    columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('sync_runs')")}
    counted = [name for name in COUNTS if name in columns]
    query = (
        f"SELECT {', '.join(f'r.{name}' for name in counted)}, r.error,"
        " r.id, s.name, l.library_name, r.kind, r.status, r.started_at, r.finished_at"
        " FROM sync_runs AS r JOIN plex_servers AS s ON s.id = r.server_id"
        f" LEFT JOIN libraries AS l ON l.id = r.library_id {which}"
    )
    found = []
    for row in connection.execute(query, values):
        *counts, error, run_id, server, library, kind, status, started_at, finished_at = row
        counts_by_name = dict(zip(counted, counts, strict=True))
        found.append(
            PassRecord(run_id, server, library, kind, status, started_at, finished_at, counts_by_name, error)
        )
    return found


def waiting_requests(connection: sqlite3.Connection) -> int:
    """Count the requests for a pass that are not finished yet."""
    query = "SELECT count(*) FROM sync_requests WHERE finished_at IS NULL"
    return int(connection.execute(query).fetchone()[0])
