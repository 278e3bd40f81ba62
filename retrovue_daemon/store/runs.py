"""The end of a pass: its row in sync_runs, and the library's marks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import aiosqlite

RunKind: TypeAlias = Literal["full", "quick", "events", "show"]
RunStatus: TypeAlias = Literal["ok", "incomplete", "blocked", "failed", "cancelled"]


KEPT_S = 90 * 24 * 60 * 60
"""Seconds that the record of a pass is kept."""


@dataclass(slots=True)
class Counts:
    """What a pass has done so far; each item counts once, as added, updated, restored or unchanged."""

    listed: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    restored: int = 0
    skipped: int = 0
    pages: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One pass as sync_runs keeps it."""

    server_id: int
    library_id: int
    kind: RunKind
    started_at: int
    finished_at: int
    status: RunStatus
    counts: Counts
    error: str | None = None

    def values(self) -> dict[str, str | int | None]:
        """Return the columns of its row."""
        values = asdict(self)
        return {**values.pop("counts"), **values}


@dataclass(frozen=True, slots=True)
class Marks:
    """What a complete listing proves about a library; read before the listing began."""

    content_changed_at: int | None
    watermark: int | None


async def record_run(connection: aiosqlite.Connection, run: Run, marks: Marks | None) -> int:
    """Write a finished pass and return its id; ``marks`` move only where the listing was complete."""
    values = run.values()
    query = f"INSERT INTO sync_runs ({', '.join(values)}) VALUES ({', '.join('?' * len(values))}) RETURNING id"
    ((run_id,),) = await connection.execute_fetchall(query, tuple(values.values()))
    await connection.execute(
        "DELETE FROM sync_runs WHERE library_id = ? AND started_at < ?", (run.library_id, run.started_at - KEPT_S)
    )
    if marks is not None:
        await connection.execute(
            "UPDATE libraries SET state = 'active', content_changed_at = ?, watermark = ?, last_full_sync_at = ?,"
            " last_sync_at = ?, last_error = NULL WHERE id = ?",
            (marks.content_changed_at, marks.watermark, run.started_at, run.finished_at, run.library_id),
        )
    elif run.status != "cancelled":
        await connection.execute(
            "UPDATE libraries SET state = CASE ? WHEN 'blocked' THEN 'blocked' ELSE state END, last_error = ?"
            " WHERE id = ?",
            (run.status, run.error, run.library_id),
        )
    return int(run_id)
