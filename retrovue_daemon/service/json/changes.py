"""A change, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.store.feed.recording import ChangeKind, ChangeOp

if TYPE_CHECKING:
    from retrovue_daemon.store.named_changes import FeedChange


class ChangeJson(msgspec.Struct, frozen=True):
    """One changed row as it is now: a deleted one has no title, server, library or path.

    ``rest`` is how many changes with the same ``seq`` follow.
    """

    seq: int
    at: int
    op: ChangeOp
    kind: ChangeKind
    id: int
    title: str | None
    server: str | None
    library: str | None
    file_path: str | None
    rest: int


def change_json(change: FeedChange) -> ChangeJson:
    """Return a change."""
    return ChangeJson(*change)
