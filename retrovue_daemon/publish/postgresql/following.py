"""One step of following the mirror: fill the target if it has to be, otherwise apply the next entries of the feed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from retrovue_daemon.publish.postgresql.copying import (
    analyze_all,
    copy_all,
    delete_all,
    replace_changed,
    snapshot,
    store_state,
)
from retrovue_daemon.publish.postgresql.target import TargetState, refuse_other_writers
from retrovue_daemon.store.feed.published import count_published
from retrovue_daemon.store.feed.reading import batches_since, feed_state

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from retrovue_daemon.publish.postgresql.patience import PatientConnection
    from retrovue_daemon.store.feed.reading import FeedState
    from retrovue_daemon.store.feed.recording import ChangeKind

IDS_AT_ONCE: Final = 4_000
"""Ids per transaction, so that a long backlog needs neither much memory nor a long view of the mirror."""

ENTRIES_AT_ONCE: Final = 500

MANY_ROWS: Final = 5_000
"""Rows of one transaction after which PostgreSQL's statistics are collected again."""


class Step(NamedTuple):
    """The state after a step; ``rows`` were written, ``filled`` if by a complete fill."""

    state: TargetState
    rows: int
    filled: bool
    is_current: bool


def follow(
    target: PatientConnection,
    mirror: sqlite3.Connection,
    origin: str,
    mirror_id: str,
    state: TargetState | None,
    check: Callable[[int], None],
    *,
    anew: bool = False,
    begin: Callable[[int], None] = lambda _: None,
) -> Step:
    """Write what the target lacks, at most one transaction of it; the entries of a ``seq`` always together.

    Rows and position are committed together, so every change takes effect exactly once. Rows may be newer than the
    position: the entries that follow name these, too. While the target is waited for, no view of the mirror is open,
    except during COPY. ``check`` is called with the number of rows now and then, and may raise. With ``anew``, all
    rows are replaced in any case. Before all rows are copied, ``begin`` is called with their number.
    """
    with snapshot(mirror):
        feed = feed_state(mirror)
        leads_on = not anew and state is not None and _leads_on(state, mirror_id, feed)
        seq, changed = _next_entries(mirror, state.seq) if leads_on and state is not None else (0, {})
    if not leads_on or state is None:
        return _fill(target, mirror, origin, mirror_id, state, check, begin)
    if not changed:
        return Step(state, 0, filled=False, is_current=True)
    after = TargetState(mirror_id, feed.feed_id, seq)
    with target.transaction():
        refuse_other_writers(target, origin, state)
        rows = replace_changed(target, mirror, origin, changed, check)
        if rows >= MANY_ROWS:
            # The statistics are those of a small mirror if it was published during its first sync.
            analyze_all(target)
        store_state(target, origin, after)
    return Step(after, rows, filled=False, is_current=seq >= feed.last_seq)


def _fill(
    target: PatientConnection,
    mirror: sqlite3.Connection,
    origin: str,
    mirror_id: str,
    state: TargetState | None,
    check: Callable[[int], None],
    begin: Callable[[int], None],
) -> Step:
    with target.transaction():
        refuse_other_writers(target, origin, state)
        delete_all(target, origin)
        with snapshot(mirror), target.hurrying():
            feed = feed_state(mirror)
            begin(count_published(mirror))
            rows = copy_all(target, mirror, origin, check)
        analyze_all(target)
        after = TargetState(mirror_id, feed.feed_id, feed.last_seq)
        store_state(target, origin, after)
    return Step(after, rows, filled=True, is_current=True)


def _next_entries(mirror: sqlite3.Connection, last: int) -> tuple[int, dict[ChangeKind, set[int]]]:
    """Return what the next entries after a position name, and the position of the last of these entries."""
    changed: dict[ChangeKind, set[int]] = defaultdict(set)
    count = 0
    for batch in batches_since(mirror, last, ENTRIES_AT_ONCE):
        if count and count + len(batch.ids) > IDS_AT_ONCE:
            break
        changed[batch.kind].update(batch.ids)
        last, count = batch.seq, count + len(batch.ids)
    return last, changed


def _leads_on(state: TargetState, mirror_id: str, feed: FeedState) -> bool:
    """Return whether the feed has everything that happened after a state of the target."""
    is_same = (state.mirror_id, state.feed_id) == (mirror_id, feed.feed_id)
    return is_same and feed.floor <= state.seq <= feed.last_seq
