"""Requesting a sync from the daemon that holds a database, through that database."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import TYPE_CHECKING, Any

from retrovue_daemon.errors import DaemonGone, DatabaseUnusable
from retrovue_daemon.service.roster import choose_active
from retrovue_daemon.store.connection import connected
from retrovue_daemon.store.damaged_texts import error_name
from retrovue_daemon.store.file.lock import holder
from retrovue_daemon.store.file.visits import explained
from retrovue_daemon.store.tables.requests import add_request, read_result
from retrovue_daemon.store.tables.servers import read_servers
from retrovue_daemon.sync.progress import LibraryProgress, Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from retrovue_daemon.service.selection import Selection
    from retrovue_daemon.store.connection import Connection
    from retrovue_daemon.sync.progress import ProgressBoard

POLL_S = 0.2
BUSY_S = 30.0


async def request_sync(
    path: Path,
    selection: Selection,
    server: str | None,
    board: ProgressBoard,
    *,
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> dict[str, Any]:
    """Put a request into the database at ``path``, show its progress on the board, and return its result.

    The result is a summary (``summary`` in ``service/report.py``); ``error`` in it means that nothing was synced.
    ``pause`` waits the given number of seconds between two queries. If it raises, or if this call is cancelled, the
    wait ends, but the daemon continues the sync.
    Raises UnknownServer, DaemonGone or another StoreError: DatabaseHeld if another program keeps the database locked.
    """
    try:
        async with connected(_address(path), uri=True, timeout=BUSY_S) as connection:
            request_id = await connection.run(add_sync_request, selection, server)
            await connection.commit()
            while (result := await _result(connection, request_id, board)) is None:
                if holder(path).held is False:
                    return await _last_word(connection, request_id, board, path)
                await pause(POLL_S)
            return result
    except sqlite3.Error as error:
        if error_name(error).startswith("SQLITE_CANTOPEN"):
            raise DatabaseUnusable(path, str(error), hint="check that this user may write to it") from error
        raise explained(path, error) from error


def _address(path: Path) -> str:
    """Return a URI that opens an existing database for writing; a plain path would create a missing one."""
    return f"{path.absolute().as_uri()}?mode=rw"


def add_sync_request(connection: sqlite3.Connection, selection: Selection, server: str | None) -> int:
    """Store a request, which the daemon serves within a second or two, and return its id. Raise UnknownServer."""
    server_id = None
    if server is not None:
        active = [row for row in read_servers(connection) if row.is_active]
        (chosen,) = choose_active(active, server)
        server_id = chosen.id
    options: dict[str, Any] = {name: getattr(selection, name) for name in ("full", "accept_removals", "details")}
    if selection.library is not None:
        options["library"] = selection.library
    if selection.show is not None:
        options["show"], options["year"] = selection.show
    kind = "show" if selection.show else "full" if selection.full else "quick"
    return add_request(connection, server_id, kind, options)


async def _last_word(connection: Connection, request_id: int, board: ProgressBoard, path: Path) -> dict[str, Any]:
    """Return the result that a daemon stored just before it ended. Raises DaemonGone if there is none."""
    result = await _result(connection, request_id, board)
    if result is None:
        raise DaemonGone(path)
    return result


async def _result(connection: Connection, request_id: int, board: ProgressBoard) -> dict[str, Any] | None:
    """Return the result of a request, or None while the request runs; its progress is then shown on the board."""
    row = await connection.run(read_result, request_id)
    if row is None:
        return _without_result("another program deleted the request", "try again")
    finished_at, text = row
    stored = _object(text)
    if finished_at is None:
        if (progress := _progress(stored.get("progress"))) is not None:
            board.mirror(progress)
        return None
    if not isinstance(stored.get("exit_code"), int) or not isinstance(stored.get("servers"), list):
        return _without_result(
            "another program wrote a result that is not a summary", "check sync_runs to see what was synced"
        )
    # The daemon stores progress once a second but the result at once, so the last progress may be missing.
    total = board.latest.libraries_total or sum(len(server["libraries"]) for server in stored["servers"])
    board.mirror(Progress(total, total))
    return stored


def _without_result(message: str, hint: str) -> dict[str, Any]:
    return {"exit_code": 1, "servers": [], "error": {"message": message, "hint": hint}}


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _progress(stored: Any) -> Progress | None:
    """Return the stored progress, or None if it has another form: the daemon may be of another release."""
    try:
        running = tuple(LibraryProgress(**one) for one in stored["running"])
        details = {name: stored.get(name, 0) for name in ("details_read", "details_total")}
        return Progress(stored["libraries_done"], stored["libraries_total"], running, **details)
    except (KeyError, TypeError):
        return None
