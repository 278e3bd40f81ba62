"""One step of following the mirror: fill the target if it has to be, otherwise apply the next entries of the feed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from retrovue_daemon.publish.postgresql.copying import replace_all, replace_changed, store_state
from retrovue_daemon.publish.postgresql.target import TargetState, refuse_other_writers
from retrovue_daemon.store.feed.reading import batches_since, feed_state

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    import psycopg

    from retrovue_daemon.store.feed.reading import FeedState
    from retrovue_daemon.store.feed.recording import ChangeKind

IDS_AT_ONCE: Final = 4_000
"""Ids per transaction, so that a long backlog needs neither much memory nor a long view of the mirror."""

ENTRIES_AT_ONCE: Final = 500


class Step(NamedTuple):
    """The state after a step; ``rows`` were written, ``filled`` if by a complete fill."""

    state: TargetState
    rows: int
    filled: bool
    is_current: bool


def follow(
    target: psycopg.Connection,
    mirror: sqlite3.Connection,
    origin: str,
    mirror_id: str,
    state: TargetState | None,
    check: Callable[[int], None],
    *,
    anew: bool = False,
) -> Step:
    """Write what the target lacks, at most one transaction of it; the entries of a ``seq`` always together.

    Rows and position are those of one state of the mirror, and are committed together, so every change takes effect
    exactly once. ``check`` is called with the number of rows now and then, and may raise. With ``anew``, all rows are
    replaced in any case.
    """
    mirror.execute("BEGIN")
    try:
        feed = feed_state(mirror)
        if anew or state is None or not _leads_on(state, mirror_id, feed):
            after = TargetState(mirror_id, feed.feed_id, feed.last_seq)
            with target.transaction():
                refuse_other_writers(target, origin, state)
                rows = replace_all(target, mirror, origin, check)
                store_state(target, origin, after)
            return Step(after, rows, filled=True, is_current=True)
        changed: dict[ChangeKind, set[int]] = defaultdict(set)
        seq, count = state.seq, 0
        batches = batches_since(mirror, state.seq, ENTRIES_AT_ONCE)
        for batch in batches:
            if count and count + len(batch.ids) > IDS_AT_ONCE:
                break
            changed[batch.kind].update(batch.ids)
            seq, count = batch.seq, count + len(batch.ids)
        if seq == state.seq:
            return Step(state, 0, filled=False, is_current=True)
        after = TargetState(mirror_id, feed.feed_id, seq)
        with target.transaction():
            refuse_other_writers(target, origin, state)
            rows = replace_changed(target, mirror, origin, changed, check)
            store_state(target, origin, after)
        return Step(after, rows, filled=False, is_current=seq >= feed.last_seq)
    finally:
        mirror.execute("ROLLBACK")


def _leads_on(state: TargetState, mirror_id: str, feed: FeedState) -> bool:
    """Return whether the feed has everything that happened after a state of the target."""
    is_same = (state.mirror_id, state.feed_id) == (mirror_id, feed.feed_id)
    return is_same and feed.floor <= state.seq <= feed.last_seq
