"""Whether servers are live: one JSON text in ``daemon_state``, written by the running daemon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import sqlite3

_READ = "SELECT value FROM daemon_state WHERE key = 'live'"
_STORE = (
    "INSERT INTO daemon_state (key, value) VALUES ('live', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class LiveState(msgspec.Struct, frozen=True):
    """Whether a server announces its changes to the daemon. Times are Unix seconds.

    ``channel`` is ``websocket`` or ``event stream``. If the server is not live, ``reason`` says why, and ``hint``
    what to do; without a reason, the first connection is being made. ``is_off`` means that the configuration says so.
    ``delay_ms`` is the latest time from a first notification to the rows. ``is_silent`` means that polls have found
    what the server should have announced, and that it has announced nothing at all.
    """

    is_live: bool
    since: int
    channel: str | None = None
    reason: str | None = None
    is_off: bool = False
    is_owner: bool | None = None
    last_frame_at: int | None = None
    delay_ms: int | None = None
    hint: str | None = None
    is_silent: bool = False

    @property
    def may_stretch(self) -> bool:
        """Whether polls may become rare: only if the server announces what happens, and to its owner everything."""
        return self.is_live and self.is_owner is True and not self.is_silent


def read_live(connection: sqlite3.Connection) -> dict[int, LiveState]:
    """Return the states by the servers' ids; none if another program wrote the text."""
    row = connection.execute(_READ).fetchone()
    if row is None:
        return {}
    try:
        return msgspec.convert(json.loads(row[0]), dict[int, LiveState], strict=False)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors, too
        return {}


def forget_live(connection: sqlite3.Connection) -> None:
    """Forget the states of all servers: those of an earlier daemon, or of a restored copy."""
    connection.execute("DELETE FROM daemon_state WHERE key = 'live'")


def store_live(connection: sqlite3.Connection, server_id: int, state: LiveState) -> None:
    """Store the state of a server, and drop those of servers that are gone."""
    known = {row_id for (row_id,) in connection.execute("SELECT id FROM plex_servers")}
    states = {each: old for each, old in read_live(connection).items() if each in known} | {server_id: state}
    # As ASCII: a reason may hold bytes that are no text, which msgspec does not write.
    connection.execute(_STORE, (json.dumps(msgspec.to_builtins(states, str_keys=True)),))
