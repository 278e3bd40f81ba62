"""Reading the change feed: its state, and the entries after a position."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.store.feed.recording import ChangeKind, ChangeOp


class FeedState(NamedTuple):
    """What a reader checks first: it must read everything anew for another ``feed_id``, or from below ``floor``."""

    feed_id: str
    floor: int
    last_seq: int


class ChangeBatch(NamedTuple):
    """One entry: what happened to these rows of one kind. ``at`` is in Unix seconds.

    ``run_id`` is that of the pass that made the change, once it has ended.
    """

    seq: int
    at: int
    run_id: int | None
    kind: ChangeKind
    op: ChangeOp
    ids: list[int]


_IDS = msgspec.json.Decoder(list[int])


def feed_state(connection: sqlite3.Connection) -> FeedState:
    """Return the state of the feed."""
    (row,) = connection.execute("SELECT feed_id, floor, last_seq FROM feed_state")
    return FeedState(*row)


def batches_since(connection: sqlite3.Connection, last: int, limit: int = 100) -> list[ChangeBatch]:
    """Return the next entries after a position, at most ``limit``, of up to 1,000 rows each."""
    return _batches(connection, "WHERE seq > ? ORDER BY seq LIMIT ?", (last, limit))


def batches_before(
    connection: sqlite3.Connection, before: int | None, limit: int, *, kind: str | None = None, op: str | None = None
) -> list[ChangeBatch]:
    """Return the newest entries, or the newest ones before an entry, newest first; of one kind or operation if given.

    Where few entries match, many are looked at.
    """
    which = (
        "WHERE (?1 IS NULL OR seq < ?1)"
        " AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR op = ?3) ORDER BY seq DESC LIMIT ?4"
    )
    return _batches(connection, which, (before, kind, op, limit))


def _batches(connection: sqlite3.Connection, which: str, values: tuple[int | str | None, ...]) -> list[ChangeBatch]:
    query = f"SELECT seq, at, run_id, kind, op, ids FROM change_batches {which}"
    return [
        ChangeBatch(seq, at, run_id, kind, op, _IDS.decode(ids))
        for seq, at, run_id, kind, op, ids in connection.execute(query, values)
    ]


def position_at(connection: sqlite3.Connection, time: int) -> int:
    """Return the position from which all entries follow that were written at a time or later."""
    query = "SELECT min(seq) - 1 FROM change_batches WHERE at >= ?"
    ((position,),) = connection.execute(query, (time,))
    return feed_state(connection).last_seq if position is None else int(position)
