"""How publishing to PostgreSQL is going, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.store.tables.publishing import PublishState


class PublishingJson(msgspec.Struct, frozen=True):
    """How publishing to PostgreSQL is going; ``seq`` is the last published entry of the change feed."""

    schema: str
    origin: str
    seq: int | None
    changes_behind: int | None
    seconds_behind: int | None
    resync: bool
    copied: int | None
    to_copy: int | None
    error: str | None
    hint: str | None
    failing_since: int | None
    reported_at: int


def publishing_json(state: PublishState | None) -> PublishingJson | None:
    """Return how publishing is going, if anything was ever published."""
    if state is None:
        return None
    report = state.report
    return PublishingJson(
        schema=report.schema,
        origin=report.origin,
        seq=report.seq,
        changes_behind=state.behind,
        seconds_behind=state.behind_s,
        resync=state.resync,
        copied=report.copied,
        to_copy=report.to_copy,
        error=report.error,
        hint=report.hint,
        failing_since=report.since,
        reported_at=report.at,
    )
