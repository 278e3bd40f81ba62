"""What publishers store about themselves in ``daemon_state``: this mirror's identity, and how far each one is."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    import sqlite3

_MAKE: Final = "INSERT INTO daemon_state (key, value) VALUES ('mirror_id', ?) ON CONFLICT DO NOTHING"
_READ: Final = "SELECT value FROM daemon_state WHERE key = ?"
_STORE: Final = (
    "INSERT INTO daemon_state (key, value) VALUES ('postgresql', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)

_REQUEST: Final = (
    "INSERT INTO daemon_state (key, value) VALUES ('postgresql_resync', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_BEHIND: Final = "SELECT ifnull(sum(json_array_length(ids)), 0), min(at) FROM change_batches WHERE seq > ?"


class PublishReport(msgspec.Struct, frozen=True):
    """How publishing to PostgreSQL is going, at the Unix time ``at``; ``seq`` is None before the first fill.

    ``error`` and its ``hint`` are those of trouble that began at ``since``, and never have credentials. While all
    rows are copied, ``copied`` of ``to_copy`` rows were sent.
    """

    schema: str
    origin: str
    seq: int | None = None
    at: int = 0
    error: str | None = None
    hint: str | None = None
    since: int | None = None
    copied: int | None = None
    to_copy: int | None = None


class ResyncRequest(msgspec.Struct, frozen=True):
    """A request to replace all published rows, also those of another mirror if ``take_over``."""

    id: str
    take_over: bool = False


class PublishState(NamedTuple):
    """The last report; ``behind`` changes were not published then, the oldest of them made ``behind_s`` seconds ago.

    Both are None before the first fill. ``resync`` says that a fill was requested and has not ended yet.
    """

    report: PublishReport
    behind: int | None
    behind_s: int | None
    resync: bool


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


def forget_report(connection: sqlite3.Connection) -> None:
    """Delete the report, because nothing is published any more."""
    connection.execute("DELETE FROM daemon_state WHERE key = 'postgresql'")


def request_resync(connection: sqlite3.Connection, *, take_over: bool) -> None:
    """Let the publisher of the daemon fill the target again, now or after its next start."""
    request = ResyncRequest(str(uuid.uuid4()), take_over)
    connection.execute(_REQUEST, (msgspec.json.encode(request).decode(),))


def requested_resync(connection: sqlite3.Connection) -> ResyncRequest | None:
    """Return the request that waits, if any."""
    row = connection.execute(_READ, ("postgresql_resync",)).fetchone()
    if row is None:
        return None
    try:
        return msgspec.json.decode(row[0], type=ResyncRequest)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def end_resync(connection: sqlite3.Connection, request: ResyncRequest) -> None:
    """Delete a request, unless another one has replaced it."""
    if requested_resync(connection) == request:
        connection.execute("DELETE FROM daemon_state WHERE key = 'postgresql_resync'")


def publish_state(connection: sqlite3.Connection, now: float) -> PublishState | None:
    """Return how publishing is going, None if nothing was ever published."""
    report = read_report(connection)
    if report is None:
        return None
    resync = requested_resync(connection) is not None
    if report.seq is None:
        return PublishState(report, None, None, resync)
    ((behind, since),) = connection.execute(_BEHIND, (report.seq,))
    return PublishState(report, behind, 0 if since is None else max(0, int(now) - since), resync)


def read_report(connection: sqlite3.Connection) -> PublishReport | None:
    """Return the last report, None if nothing was ever published, or if it is not readable."""
    row = connection.execute(_READ, ("postgresql",)).fetchone()
    if row is None:
        return None
    try:
        return msgspec.json.decode(row[0], type=PublishReport)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
