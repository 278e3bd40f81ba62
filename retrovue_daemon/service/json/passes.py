"""A pass, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

if TYPE_CHECKING:
    from retrovue_daemon.store.overview import PassRecord


class PassJson(msgspec.Struct, frozen=True, kw_only=True):
    """A pass over one library. Counts that an older database does not have are not there."""

    run_id: int
    server: str
    library: str | None
    kind: str
    status: str
    started_at: int
    finished_at: int | None
    duration_s: int | None
    listed: int | UnsetType = UNSET
    added: int | UnsetType = UNSET
    updated: int | UnsetType = UNSET
    unchanged: int | UnsetType = UNSET
    removed: int | UnsetType = UNSET
    restored: int | UnsetType = UNSET
    moved: int | UnsetType = UNSET
    skipped: int | UnsetType = UNSET
    pages: int | UnsetType = UNSET
    bytes: int | UnsetType = UNSET
    error: str | None


def pass_json(done: PassRecord) -> PassJson:
    """Return a pass."""
    return PassJson(
        run_id=done.id,
        server=done.server,
        library=done.library,
        kind=done.kind,
        status=done.status,
        started_at=done.started_at,
        finished_at=done.finished_at,
        duration_s=None if done.finished_at is None else done.finished_at - done.started_at,
        error=done.error,
        **done.counts,
    )
