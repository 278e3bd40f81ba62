"""The rows of sync_requests, by which commands and other programs ask a running daemon for a pass."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiosqlite

KEPT_S = 90 * 24 * 60 * 60
"""Seconds that a finished request is kept."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request that waits; ``server`` and ``library_key`` are None where it is about all of them.

    ``options`` may hold ``library`` (a title or key), ``show`` and ``year``, ``full`` and ``accept_removals``; of
    other keys and of values of other types nothing is made.
    """

    id: int
    server: str | None
    library_key: str | None
    kind: str
    options: dict[str, Any]


async def open_requests(connection: aiosqlite.Connection) -> list[RequestRow]:
    """Return the requests that nobody has answered, oldest first."""
    query = (
        "SELECT r.id, s.name, ls.name, l.library_key, r.kind, r.options FROM sync_requests AS r"
        " LEFT JOIN plex_servers AS s ON s.id = r.server_id LEFT JOIN libraries AS l ON l.id = r.library_id"
        " LEFT JOIN plex_servers AS ls ON ls.id = l.server_id WHERE r.finished_at IS NULL ORDER BY r.id"
    )
    return [
        RequestRow(row_id, server or owner, key, kind, _object(options))
        for row_id, server, owner, key, kind, options in await connection.execute_fetchall(query)
    ]


async def show_progress(connection: aiosqlite.Connection, request_id: int, progress: dict[str, Any]) -> None:
    """Say how far a request is, where who made it looks for its result."""
    await connection.execute(
        "UPDATE sync_requests SET result = ? WHERE id = ? AND finished_at IS NULL", (json.dumps(progress), request_id)
    )


async def finish_request(
    connection: aiosqlite.Connection, request_id: int, result: dict[str, Any], run_id: int | None, now: int
) -> None:
    """Answer a request, and forget those that were answered long ago."""
    await connection.execute(
        "UPDATE sync_requests SET result = ?, run_id = (SELECT id FROM sync_runs WHERE id = ?), finished_at = ?"
        " WHERE id = ?",
        (json.dumps(result), run_id, now, request_id),
    )
    await connection.execute("DELETE FROM sync_requests WHERE finished_at < ?", (now - KEPT_S,))


def _object(text: str) -> dict[str, Any]:
    """Read what another program wrote; what is no JSON object says nothing."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
