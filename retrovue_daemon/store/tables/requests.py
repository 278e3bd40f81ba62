"""The rows of sync_requests, with which commands and other programs request passes from a running daemon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

KEPT_S = 90 * 24 * 60 * 60
"""Seconds that a finished request is kept."""

_LONGEST = 10_000
"""Bytes of options that are read; valid requests need less."""


class RequestRow(msgspec.Struct, frozen=True):
    """A waiting request; ``server_id`` and ``library_id`` are None if it concerns all of them.

    Any program may have written it: the ids may be invalid (``server``, ``owner`` or ``library_key`` is None then),
    ``kind`` and ``options`` may hold anything. ``options`` is None if the column is not a JSON object of reasonable
    size; ``owner`` is the server of the library, which may be a different one.
    """

    id: int
    server_id: int | None
    server: str | None
    library_id: int | None
    owner: str | None
    library_key: str | None
    kind: str
    options: dict[str, Any] | None


def add_request(connection: sqlite3.Connection, server_id: int | None, kind: str, options: Mapping[str, Any]) -> int:
    """Store a request for one server or all, and return its id."""
    query = "INSERT INTO sync_requests (server_id, kind, options) VALUES (?, ?, ?)"
    return connection.execute(query, (server_id, kind, json.dumps(options))).lastrowid or 0


def read_result(connection: sqlite3.Connection, request_id: int) -> tuple[int | None, str | None] | None:
    """Return when a request finished and its result so far, or None if the request was deleted."""
    query = "SELECT finished_at, result FROM sync_requests WHERE id = ?"
    row: tuple[int | None, str | None] | None = connection.execute(query, (request_id,)).fetchone()
    return row


def open_requests(connection: sqlite3.Connection) -> list[RequestRow]:
    """Return the unanswered requests, oldest first."""
    # As bytes: SQLite stores texts with invalid UTF-8, and Python would refuse the whole result.
    query = (
        "SELECT r.id, r.server_id, s.name, r.library_id, ls.name, l.library_key, CAST(substr(r.kind, 1, 20) AS BLOB),"
        f" CASE WHEN length(CAST(r.options AS BLOB)) <= {_LONGEST} THEN CAST(r.options AS BLOB) END"
        " FROM sync_requests AS r"
        " LEFT JOIN plex_servers AS s ON s.id = r.server_id LEFT JOIN libraries AS l ON l.id = r.library_id"
        " LEFT JOIN plex_servers AS ls ON ls.id = l.server_id WHERE r.finished_at IS NULL ORDER BY r.id"
    )
    found = connection.execute(query)
    return [
        RequestRow(
            row_id, server_id, server, library_id, owner, key, kind.decode("utf-8", "replace"), _object(options)
        )
        for row_id, server_id, server, library_id, owner, key, kind, options in found
    ]


def show_progress(connection: sqlite3.Connection, progress: Mapping[int, dict[str, Any]]) -> None:
    """Store the progress of requests by id, where the requesting programs read the result."""
    connection.executemany(
        "UPDATE sync_requests SET result = ? WHERE id = ? AND finished_at IS NULL",
        [(json.dumps(each), request_id) for request_id, each in progress.items()],
    )


def finish_request(
    connection: sqlite3.Connection, request_id: int, result: dict[str, Any], run_id: int | None, now: int
) -> None:
    """Store the result of a request, and delete requests that were answered long ago."""
    connection.execute(
        "UPDATE sync_requests SET result = ?, run_id = (SELECT id FROM sync_runs WHERE id = ?), finished_at = ?"
        " WHERE id = ? AND finished_at IS NULL",
        (json.dumps(result), run_id, now, request_id),
    )
    connection.execute("DELETE FROM sync_requests WHERE finished_at < ?", (now - KEPT_S,))


def _object(content: bytes | None) -> dict[str, Any] | None:
    if content is None:
        return None
    try:
        value = json.loads(content.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
