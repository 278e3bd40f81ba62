"""The columns that say what is wrong with a server or a library, since when, and when the next try is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.store.tables.outages import Outage, store_outage

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.errors import DaemonError

NOT_FOUND = "LibraryNotFound"
"""The kind of a problem: entries of ``libraries`` in the configuration that match no library of the server."""


class Problem(msgspec.Struct, frozen=True):
    """What is wrong; ``kind`` is the name of the error's class. Times are Unix seconds, None if unknown.

    ``next_try_at`` is also None if nothing is scheduled, as after a single ``sync``.
    """

    kind: str
    message: str
    hint: str | None = None
    since: int | None = None
    next_try_at: int | None = None

    @property
    def is_failure(self) -> bool:
        """Whether the server could not be used; otherwise only one of its settings has no effect."""
        return self.kind != NOT_FOUND

    @classmethod
    def of(cls, error: DaemonError, next_try_at: int | None = None) -> Problem:
        """Return the problem that an error describes."""
        return cls(error.reported_as, str(error), error.hint, next_try_at=next_try_at)


def store_server_problem(connection: sqlite3.Connection, server_id: int, problem: Problem | None, now: int) -> None:
    """Store what is wrong with a server, or that nothing is; only differences are written.

    A problem of the same kind as the stored one keeps its time of beginning. A failure that ends becomes an outage.
    """
    _end_outage(connection, server_id, problem, now)
    if problem is None:
        connection.execute(
            "UPDATE plex_servers SET last_error = NULL, last_error_type = NULL, last_error_hint = NULL,"
            " failing_since = NULL, next_try_at = NULL"
            " WHERE id = ? AND (last_error IS NOT NULL OR next_try_at IS NOT NULL)",
            (server_id,),
        )
        return
    connection.execute(
        "UPDATE plex_servers SET last_error = ?1, last_error_type = ?2, last_error_hint = ?3, next_try_at = ?4,"
        " failing_since = CASE WHEN last_error_type = ?2 THEN ifnull(failing_since, ?5) ELSE ?5 END"
        " WHERE id = ?6 AND (last_error, last_error_type, last_error_hint, next_try_at) IS NOT (?1, ?2, ?3, ?4)",
        (problem.message, problem.kind, problem.hint, problem.next_try_at, now, server_id),
    )


def _end_outage(connection: sqlite3.Connection, server_id: int, problem: Problem | None, now: int) -> None:
    """Record the stored failure of a server as past, unless ``problem`` is of the same kind."""
    query = "SELECT name, last_error_type, last_error, failing_since FROM plex_servers WHERE id = ?"
    for name, kind, message, since in connection.execute(query, (server_id,)).fetchall():
        if message is None or since is None or not Problem(kind or "", message).is_failure:
            continue
        if problem is None or problem.kind != kind:
            store_outage(connection, Outage(server_id, name, kind or "", message, since, max(since, now)))


def store_next_poll(connection: sqlite3.Connection, server_id: int, next_try_at: int) -> None:
    """Store when a server is polled next that can be used, but demanded a pause."""
    connection.execute("UPDATE plex_servers SET next_try_at = ? WHERE id = ?", (next_try_at, server_id))


def store_hint(connection: sqlite3.Connection, library_id: int, hint: str) -> None:
    """Store what to do about the removals that are held back in a library."""
    connection.execute(
        "UPDATE libraries SET last_error_hint = ? WHERE id = ? AND state = 'blocked'", (hint, library_id)
    )


def store_next_listing(connection: sqlite3.Connection, library_id: int, next_try_at: int | None) -> None:
    """Store when a library whose listing failed is listed again; None if nothing is scheduled."""
    connection.execute(
        "UPDATE libraries SET next_try_at = ? WHERE id = ? AND last_error IS NOT NULL", (next_try_at, library_id)
    )
