"""The end of a pass: its row in sync_runs, and the library's marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from retrovue_daemon.store.items.upserts import BatchResult

RunKind: TypeAlias = Literal["full", "quick", "events", "show"]
RunStatus: TypeAlias = Literal["ok", "incomplete", "blocked", "failed", "cancelled"]


KEPT_S = 90 * 24 * 60 * 60
"""Seconds that the record of a pass is kept."""


class Counts(msgspec.Struct):
    """What a pass has done so far; each item counts once, as added, updated, restored, moved or unchanged.

    ``moved`` rows survive under another rating key or in another library: the item was deleted and added again, or
    its file was moved.
    """

    listed: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    restored: int = 0
    moved: int = 0
    skipped: int = 0
    pages: int = 0
    bytes: int = 0

    def take_in(self, written: BatchResult) -> None:
        """Count what was written."""
        self.added += written.added
        self.updated += written.updated
        self.restored += written.restored

    @property
    def any_change(self) -> bool:
        """Whether an item row was written, or an entry could not be."""
        return any((self.added, self.updated, self.removed, self.restored, self.moved, self.skipped))


class Run(msgspec.Struct, frozen=True):
    """One pass as sync_runs stores it; ``observed`` is ``started_at`` by the observed clock."""

    server_id: int
    library_id: int
    kind: RunKind
    started_at: int
    finished_at: int
    status: RunStatus
    counts: Counts
    error: str | None = None
    observed: int | None = None

    def values(self) -> dict[str, str | int | None]:
        """Return the columns of its row."""
        values = msgspec.structs.asdict(self)
        return {**msgspec.structs.asdict(values.pop("counts")), **values}


class Marks(msgspec.Struct, frozen=True):
    """What a complete listing proves about a library: the server's values before it, and the listing's moments."""

    content_changed_at: int | None
    section_updated_at: int | None
    scanned_at: int | None
    watermark: int | None
    listed_from: int
    listed_until: int
    fault: Sequence[Sequence[str]] = ()
    list_again: bool = False


def record_run(connection: sqlite3.Connection, run: Run) -> int:
    """Write a finished pass and return its id.

    Old records are deleted by observed time: the guard needs those of its window even after the wall clock jumped. As
    long as a library is blocked, it needs the removals from before that, however long ago that was.
    """
    values = run.values()
    query = f"INSERT INTO sync_runs ({', '.join(values)}) VALUES ({', '.join('?' * len(values))}) RETURNING id"
    ((run_id,),) = connection.execute(query, tuple(values.values()))
    observed = run.started_at if run.observed is None else run.observed
    connection.execute(
        "DELETE FROM sync_runs WHERE library_id = ?1 AND ifnull(observed, started_at) < ?2 AND NOT ("
        "EXISTS (SELECT 1 FROM libraries WHERE id = ?1 AND state = 'blocked')"
        f" AND (removed > 0 OR id = ({_FIRST_BLOCKED})))",
        (run.library_id, observed - KEPT_S),
    )
    return int(run_id)


def last_change(connection: sqlite3.Connection, server_id: int) -> int | None:
    """Return when the last pass ended that changed an item of a server; None if no record of one is kept."""
    query = (
        "SELECT max(finished_at) FROM sync_runs WHERE server_id = ?"
        " AND added + updated + removed + restored + moved > 0"
    )
    ((finished,),) = connection.execute(query, (server_id,))
    return None if finished is None else int(finished)


_WATERMARK = (
    "CASE WHEN :seen IS NULL OR watermark IS NULL OR last_sync_at IS NULL THEN :seen"
    " WHEN watermark > :began + :future THEN :began - :lag"
    " ELSE max(:seen, min(watermark + max(:began - last_sync_at, 0), :began - :lag)) END"
)
"""The new watermark of a library after a quick pass: the highest ``updatedAt`` seen, or a later time that the
server's clock has passed, provided that it was not set: between two passes it advances as ours does.

Otherwise a library whose metadata were refreshed all at once would show all of its items to every quick pass until
something else changes. The watermark stays LAG_S behind our own clock, for changes that take long to be listed; if it
is ahead, because our clock was, it is moved back. After any other change of a clock, the next complete listing starts
again from what it saw.
"""

LAG_S = 60 * 60
FUTURE_S = 5 * 60
"""Seconds: a time further ahead of our clock is not plausible."""


_NOT_FAILING = ", last_error_hint = NULL, failing_since = NULL, next_try_at = NULL"


def settle(connection: sqlite3.Connection, run: Run, marks: Marks) -> None:
    """Set the marks of a library after a complete listing, which ends its earlier faults.

    Faults that the run reports nevertheless stay in doubt: they are shown until the next complete listing.
    """
    connection.execute(
        "UPDATE libraries SET state = 'active', content_changed_at = :content_changed_at,"
        " section_updated_at = :section_updated_at, scanned_at = :scanned_at, listed_from = :listed_from,"
        " listed_until = :listed_until, fault = :fault, list_again = :list_again, watermark = :watermark,"
        " last_full_sync_at = :began, last_sync_at = :ended, doubt = :doubt,"
        f" last_error = :doubt{_NOT_FAILING} WHERE id = :library",
        {
            **msgspec.structs.asdict(marks),
            "fault": _json(marks.fault),
            "doubt": run.error,
            "library": run.library_id,
            "began": run.started_at,
            "ended": run.finished_at,
        },
    )


def record_and_settle(connection: sqlite3.Connection, run: Run, marks: Marks) -> int:
    """Write a pass that listed its library completely, set the library's marks, and return the pass's id."""
    run_id = record_run(connection, run)
    settle(connection, run, marks)
    return run_id


def note_look(
    connection: sqlite3.Connection, run: Run, watermark: int | None, *, settled: bool, list_again: bool = False
) -> None:
    """Record a pass over a library that did not list all of it; ``settled`` says that nothing else is due.

    ``list_again`` makes the next pass list all of it.
    """
    forgiven = f", last_error = doubt{_NOT_FAILING}" if settled else ""
    connection.execute(
        f"UPDATE libraries SET watermark = {_WATERMARK}, last_sync_at = :ended,"
        f" list_again = max(list_again, :again){forgiven} WHERE id = :library",
        {
            "library": run.library_id,
            "began": run.started_at,
            "ended": run.finished_at,
            "seen": watermark,
            "lag": LAG_S,
            "future": FUTURE_S,
            "again": list_again,
        },
    )


def record_failure(
    connection: sqlite3.Connection,
    run: Run,
    fault: Sequence[Sequence[str]] = (),
    *,
    list_again: bool = False,
    hint: str | None = None,
) -> None:
    """Store what kept a pass from being complete, and what to do about it, for readers of the library's row."""
    connection.execute(
        "UPDATE libraries SET state = CASE ? WHEN 'blocked' THEN 'blocked' ELSE state END, last_error = ?,"
        " last_error_hint = ?, failing_since = ifnull(failing_since, ?),"
        " fault = ifnull(?, fault), list_again = max(list_again, ?) WHERE id = ?",
        (run.status, run.error, hint, run.finished_at, _json(fault), list_again, run.library_id),
    )


def list_library_again(connection: sqlite3.Connection, library_id: int) -> None:
    """Make the next pass list a library completely."""
    connection.execute("UPDATE libraries SET list_again = 1 WHERE id = ?", (library_id,))


def _json(faults: Sequence[Sequence[str]]) -> str | None:
    return msgspec.json.encode(list(faults)).decode() if faults else None


def removed_since(connection: sqlite3.Connection, library_id: int, since: int, now: int) -> int:
    """Return how many items of a library were marked missing between two observed times.

    Accepted removals do not count. Former releases recorded by the wall clock when a person accepted them: a time
    later than ``now`` comes from a wrong clock and accepts nothing. Their passes without an observed time have
    ``started_at``: the observed clock started as Unix seconds.
    """
    query = (
        "SELECT ifnull(sum(r.removed), 0) FROM sync_runs AS r JOIN libraries AS l ON l.id = r.library_id"
        " WHERE r.library_id = ?1 AND ifnull(r.observed, r.started_at) >= ?2"
        " AND NOT ifnull(l.removals_accepted_at BETWEEN ifnull(r.observed, r.started_at) AND ?3, 0)"
    )
    ((removed,),) = connection.execute(query, (library_id, since, now))
    return int(removed)


_FIRST_BLOCKED = (
    "SELECT min(r.id) FROM sync_runs AS r JOIN libraries AS l ON l.id = r.library_id"
    " WHERE r.library_id = ?1 AND r.status = 'blocked' AND r.id > ifnull((SELECT max(f.id) FROM sync_runs AS f"
    " WHERE f.library_id = ?1 AND (f.kind, f.status, f.started_at) = ('full', 'ok', l.last_full_sync_at)), 0)"
)
"""The first pass held back since the last full listing. Ids show which came later, whatever happened to the clock."""


def blocked_since(connection: sqlite3.Connection, library_id: int) -> int | None:
    """Return the observed time of the first pass held back since the last full listing of a library."""
    query = f"SELECT ifnull(observed, started_at) FROM sync_runs WHERE id = ({_FIRST_BLOCKED})"
    row = connection.execute(query, (library_id,)).fetchone()
    return None if row is None else int(row[0])
