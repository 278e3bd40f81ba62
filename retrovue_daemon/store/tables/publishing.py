"""What publishers store about themselves in ``daemon_state``: this mirror's identity, and how far each one is."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import sqlite3

_MAKE: Final = "INSERT INTO daemon_state (key, value) VALUES ('mirror_id', ?) ON CONFLICT DO NOTHING"
_READ: Final = "SELECT value FROM daemon_state WHERE key = ?"
_STORE: Final = (
    "INSERT INTO daemon_state (key, value) VALUES ('postgresql', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class PublishReport(msgspec.Struct, frozen=True):
    """How publishing to PostgreSQL is going, at the Unix time ``at``; ``seq`` is None before the first fill.

    ``error`` and its ``hint`` are those of trouble that began at ``since``, and never have credentials.
    """

    schema: str
    origin: str
    seq: int | None = None
    at: int = 0
    error: str | None = None
    hint: str | None = None
    since: int | None = None


def mirror_id(connection: sqlite3.Connection) -> str:
    """Return this database's own id, made once and kept, also by restored copies. Call this from the writer."""
    connection.execute(_MAKE, (str(uuid.uuid4()),))
    ((found,),) = connection.execute(_READ, ("mirror_id",))
    return str(found)


def read_mirror_id(connection: sqlite3.Connection) -> str | None:
    """Return the same, None if it was not made yet."""
    row = connection.execute(_READ, ("mirror_id",)).fetchone()
    return None if row is None else str(row[0])


def store_report(connection: sqlite3.Connection, report: PublishReport) -> None:
    """Store how publishing is going."""
    connection.execute(_STORE, (msgspec.json.encode(report).decode(),))


def read_report(connection: sqlite3.Connection) -> PublishReport | None:
    """Return the last report, None if nothing was ever published, or if it is not readable."""
    row = connection.execute(_READ, ("postgresql",)).fetchone()
    if row is None:
        return None
    try:
        return msgspec.json.decode(row[0], type=PublishReport)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
