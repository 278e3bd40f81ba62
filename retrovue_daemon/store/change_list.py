"""Entries of the change feed as people look at them: the newest first, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from retrovue_daemon.store.feed.reading import batches_before, feed_state
from retrovue_daemon.store.named_changes import name_changes

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.store.feed.reading import FeedState
    from retrovue_daemon.store.feed.recording import ChangeKind, ChangeOp
    from retrovue_daemon.store.named_changes import FeedChange

MOST_NAMED: Final = 5
"""Rows of an entry that are named; entries of a first sync have a thousand each."""


class ChangeEntry(NamedTuple):
    """One entry: the same happened to a ``number`` of rows of one kind, of which the first are named."""

    seq: int
    at: int
    op: ChangeOp
    kind: ChangeKind
    number: int
    changes: list[FeedChange]

    @property
    def others(self) -> int:
        """How many rows are not named."""
        return self.number - len(self.changes)


class ChangePage(NamedTuple):
    """Some entries, the newest first. Older ones come before entry ``before``; None if there are none."""

    state: FeedState
    entries: list[ChangeEntry]
    before: int | None


def change_page(
    connection: sqlite3.Connection,
    before: int | None,
    limit: int,
    *,
    kind: str | None = None,
    op: str | None = None,
) -> ChangePage:
    """Return the newest entries, or those before an entry, of all kinds and operations or of one."""
    batches = batches_before(connection, before, limit + 1, kind=kind, op=op)
    shown = batches[:limit]
    named: dict[int, list[FeedChange]] = {batch.seq: [] for batch in shown}
    for change in name_changes(connection, [batch._replace(ids=batch.ids[:MOST_NAMED]) for batch in shown]):
        named[change.seq].append(change)
    entries = [
        ChangeEntry(batch.seq, batch.at, batch.op, batch.kind, len(batch.ids), named[batch.seq]) for batch in shown
    ]
    return ChangePage(feed_state(connection), entries, shown[-1].seq if len(batches) > limit else None)
