"""Log events that hooks have not delivered yet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from retrovue_daemon.store.tables.hooks import store_delivery

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

MOST_WAITING: Final = 1_000
"""Events that wait for each hook at most; older ones are dropped and counted."""


class HookEvent(NamedTuple):
    """An event for a hook; ``at`` is in Unix seconds, ``fields`` are the keys of the log line, without secrets."""

    hook: str
    at: int
    event: str
    level: str
    fields: dict[str, Any]


class WaitingEvents(NamedTuple):
    """The oldest events of a hook, the id of the last of them, and how many were dropped before."""

    events: list[dict[str, Any]]
    last_id: int
    dropped: int


def store_events(
    connection: sqlite3.Connection, events: Sequence[HookEvent], dropped_before: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Store events until they are delivered; those for hooks that are gone are ignored.

    ``dropped_before`` counts older events of hooks that were dropped because they could not be stored. Return how
    many each hook has lost, now and before, because too many waited.
    """
    lost: dict[str, int] = {}
    known = {name for (name,) in connection.execute("SELECT name FROM hooks")}
    wanted = [event for event in events if event.hook in known]
    connection.executemany(
        "INSERT INTO hook_events (hook, at, event, level, fields) VALUES (?, ?, ?, ?, ?)",
        [(each.hook, each.at, each.event, each.level, json.dumps(each.fields)) for each in wanted],
    )
    for name in {event.hook for event in wanted}:
        dropped = connection.execute(
            "DELETE FROM hook_events WHERE hook = ?1 AND id <="
            " (SELECT id FROM hook_events WHERE hook = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            (name, MOST_WAITING),
        ).rowcount
        dropped += (dropped_before or {}).get(name, 0)
        if dropped:
            connection.execute("UPDATE hooks SET events_dropped = events_dropped + ? WHERE name = ?", (dropped, name))
            lost[name] = dropped
    return lost


def waiting_events(connection: sqlite3.Connection, name: str, limit: int) -> WaitingEvents:
    """Return the oldest events that a hook has not delivered, as it sends them."""
    query = "SELECT id, at, event, level, fields FROM hook_events WHERE hook = ? ORDER BY id LIMIT ?"
    rows = connection.execute(query, (name, limit)).fetchall()
    events = [
        json.loads(fields) | {"id": row_id, "at": at, "event": event, "level": level}
        for row_id, at, event, level, fields in rows
    ]
    row = connection.execute("SELECT events_dropped FROM hooks WHERE name = ?", (name,)).fetchone()
    return WaitingEvents(events, rows[-1][0] if rows else 0, 0 if row is None else row[0])


def delete_delivered(connection: sqlite3.Connection, name: str, waiting: WaitingEvents, now: int) -> None:
    """Store that a hook delivered these events."""
    deleted = connection.execute(
        "DELETE FROM hook_events WHERE hook = ? AND id <= ?", (name, waiting.last_id)
    ).rowcount
    # Those that were dropped while they were on their way did arrive.
    settled = waiting.dropped + len(waiting.events) - deleted
    connection.execute("UPDATE hooks SET events_dropped = max(events_dropped - ?, 0) WHERE name = ?", (settled, name))
    store_delivery(connection, name, None, now)
