"""Past outages: when a server could not be used, until when, and why; one JSON text in ``daemon_state``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import sqlite3

KEPT: Final = 50
"""Outages kept per server: one that fails and recovers all day must not displace those of other servers."""

KEPT_S: Final = 90 * 24 * 60 * 60
"""Seconds that an outage is kept, as the record of a pass."""

_READ = "SELECT value FROM daemon_state WHERE key = 'outages'"
_STORE = (
    "INSERT INTO daemon_state (key, value) VALUES ('outages', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class Outage(msgspec.Struct, frozen=True):
    """A failure of a server that has ended, with the server's name at that time. Times are Unix seconds.

    ``type`` and ``message`` are those of the error. An outage also ends when the server begins to fail for another
    reason.
    """

    server_id: int
    server: str
    type: str
    message: str
    since: int
    until: int


def read_outages(connection: sqlite3.Connection) -> list[Outage]:
    """Return the past outages of all servers, oldest first; none if another program wrote the text."""
    row = connection.execute(_READ).fetchone()
    if row is None:
        return []
    try:
        return msgspec.convert(json.loads(row[0]), list[Outage])
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors, too
        return []


def store_outage(connection: sqlite3.Connection, ended: Outage) -> None:
    """Store an outage that has ended, and drop old ones."""
    kept = [each for each in read_outages(connection) if each.until > ended.until - KEPT_S]
    own = [each for each in kept if each.server_id == ended.server_id]
    dropped = {id(each) for each in own[: max(0, len(own) + 1 - KEPT)]}
    _store(connection, [*(each for each in kept if id(each) not in dropped), ended])


def forget_outages(connection: sqlite3.Connection, server_id: int) -> None:
    """Drop the outages of a server that is deleted: another one may get its id."""
    stored = read_outages(connection)
    kept = [each for each in stored if each.server_id != server_id]
    if len(kept) < len(stored):
        _store(connection, kept)


def _store(connection: sqlite3.Connection, stored: list[Outage]) -> None:
    # As ASCII: a message may hold bytes that are no text, which msgspec does not write.
    connection.execute(_STORE, (json.dumps(msgspec.to_builtins(stored)),))
