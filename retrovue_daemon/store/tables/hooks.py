"""How far each hook has come, and what is wrong with it. Only the daemon writes these rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from retrovue_daemon.store.feed.reading import feed_state

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

_PRESENT = (
    "UPDATE hooks SET feed_id = (SELECT feed_id FROM feed_state), seq = (SELECT last_seq FROM feed_state)"
    " WHERE name = ? AND feed_id IS NULL"
)


class Position(NamedTuple):
    """The last change that a hook has delivered."""

    feed_id: str
    seq: int


class StoredHook(msgspec.Struct, frozen=True):
    """A hook of the running or the last daemon. Times are Unix seconds.

    ``seq`` is the last delivered entry of the feed, ``behind`` the number of changes after it; both are None if the
    hook is not subscribed to changes. ``events`` wait, ``events_dropped`` were dropped because too many waited.
    """

    name: str
    seq: int | None
    behind: int | None
    reads_anew: bool
    events: int
    events_dropped: int
    delivered_at: int | None
    failing_since: int | None
    last_error: str | None
    next_try_at: int | None


def keep_hooks(connection: sqlite3.Connection, hooks: Mapping[str, bool]) -> None:
    """Keep the rows of these hooks, whose value says whether they get changes; new ones begin at the present."""
    stored = {name for (name,) in connection.execute("SELECT name FROM hooks")}
    connection.executemany("DELETE FROM hooks WHERE name = ?", [(name,) for name in stored - hooks.keys()])
    for name, wants_changes in hooks.items():
        connection.execute("INSERT INTO hooks (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
        leave = "UPDATE hooks SET feed_id = NULL, seq = NULL WHERE name = ?"
        connection.execute(_PRESENT if wants_changes else leave, (name,))


def position_of(connection: sqlite3.Connection, name: str) -> Position | None:
    """Return how far a hook has come in the change feed; None if it gets no changes."""
    query = "SELECT feed_id, seq FROM hooks WHERE name = ? AND feed_id IS NOT NULL"
    row = connection.execute(query, (name,)).fetchone()
    return None if row is None else Position(*row)


def store_delivery(connection: sqlite3.Connection, name: str, position: Position | None, now: int) -> None:
    """Store that a hook delivered the changes up to a position, or events if that is None."""
    connection.execute(
        "UPDATE hooks SET feed_id = ifnull(?1, feed_id), seq = ifnull(?2, seq), delivered_at = ?3,"
        " failing_since = NULL, last_error = NULL, next_try_at = NULL WHERE name = ?4",
        (*(position or (None, None)), now, name),
    )


def store_failure(connection: sqlite3.Connection, name: str, error: str, since: int, next_try_at: int) -> None:
    """Store why a hook fails, since when, and when it is tried again."""
    connection.execute(
        "UPDATE hooks SET last_error = ?, failing_since = ?, next_try_at = ? WHERE name = ?",
        (error, since, next_try_at, name),
    )


def store_recovery(connection: sqlite3.Connection, name: str) -> None:
    """Store that a hook fails no more, although it has not delivered anything."""
    connection.execute(
        "UPDATE hooks SET failing_since = NULL, last_error = NULL, next_try_at = NULL WHERE name = ?", (name,)
    )


def failing_since(connection: sqlite3.Connection, name: str) -> int | None:
    """Return since when a hook fails, also across restarts; None if it does not."""
    row = connection.execute("SELECT failing_since FROM hooks WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def read_hooks(connection: sqlite3.Connection) -> list[StoredHook]:
    """Return all hooks, in the order of their names."""
    state = feed_state(connection)
    query = (
        "SELECT name, seq, feed_id, (SELECT count(*) FROM hook_events AS e WHERE e.hook = h.name), events_dropped,"
        " delivered_at, failing_since, last_error, next_try_at FROM hooks AS h ORDER BY name"
    )
    found = []
    for name, seq, feed_id, events, *rest in connection.execute(query).fetchall():
        reads_anew = feed_id is not None and (feed_id != state.feed_id or not state.floor <= seq <= state.last_seq)
        behind = None if feed_id is None else _entries_after(connection, state.floor if reads_anew else seq)
        found.append(StoredHook(name, seq, behind, reads_anew, events, *rest))
    return found


def _entries_after(connection: sqlite3.Connection, seq: int) -> int:
    query = "SELECT ifnull(sum(json_array_length(ids)), 0) FROM change_batches WHERE seq > ?"
    ((rows,),) = connection.execute(query, (seq,))
    return int(rows)
