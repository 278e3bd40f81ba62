"""The next changes for a reader of the feed that takes a limited number at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from retrovue_daemon.store.connection import read_transaction
from retrovue_daemon.store.feed.reading import batches_since, feed_state
from retrovue_daemon.store.named_changes import name_changes

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.store.feed.reading import ChangeBatch
    from retrovue_daemon.store.named_changes import FeedChange

MOST_CHANGES: Final = 1_000
"""Changes at a time: as many as one entry of the feed may have, because entries are not divided."""


class NextChanges(NamedTuple):
    """The changes after a position, up to entry ``last_seq``; ``more`` says that others follow.

    With ``resync``, the reader must read everything anew, and goes on after ``last_seq``.
    """

    feed_id: str
    changes: list[FeedChange]
    last_seq: int
    resync: bool = False
    more: bool = False


def next_changes(
    connection: sqlite3.Connection, feed_id: str, seq: int, limit: int = MOST_CHANGES
) -> NextChanges | None:
    """Return the changes after a position in the feed of this id; None if there are none.

    They are as many as stay below the limit, but one entry at least.
    """
    with read_transaction(connection):
        state = feed_state(connection)
        if state.feed_id != feed_id or not state.floor <= seq <= state.last_seq:
            return NextChanges(state.feed_id, [], state.last_seq, resync=True)
        batches = _limited(batches_since(connection, seq), limit)
        if not batches:
            return None
        last = batches[-1].seq
        return NextChanges(feed_id, name_changes(connection, batches), last, more=last < state.last_seq)


def has_changes(connection: sqlite3.Connection, feed_id: str, seq: int) -> bool:
    """Return whether there is anything after a position."""
    state = feed_state(connection)
    return (state.feed_id, state.last_seq) != (feed_id, seq)


def _limited(batches: list[ChangeBatch], limit: int) -> list[ChangeBatch]:
    rows = 0
    for number, batch in enumerate(batches):
        rows += len(batch.ids)
        if number and rows > limit:
            return batches[:number]
    return batches
