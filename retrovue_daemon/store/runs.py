"""The end of a pass: its row in sync_runs, and the library's marks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import aiosqlite

RunKind: TypeAlias = Literal["full", "quick", "events", "show"]
RunStatus: TypeAlias = Literal["ok", "incomplete", "blocked", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Run:
    """One pass as sync_runs keeps it. Each item counts once, as added, updated, restored or unchanged."""

    server_id: int
    library_id: int
    kind: RunKind
    started_at: int
    finished_at: int
    status: RunStatus
    listed: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    restored: int = 0
    skipped: int = 0
    pages: int = 0
    bytes: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """What a complete listing proves about a library; read before the listing began."""

    content_changed_at: int | None
    watermark: int | None


async def record_run(connection: aiosqlite.Connection, run: Run, marks: Marks | None) -> int:
    """Write a finished pass and return its id; ``marks`` move only where the listing was complete."""
    values = asdict(run)
    query = f"INSERT INTO sync_runs ({', '.join(values)}) VALUES ({', '.join('?' * len(values))}) RETURNING id"
    ((run_id,),) = await connection.execute_fetchall(query, tuple(values.values()))
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
