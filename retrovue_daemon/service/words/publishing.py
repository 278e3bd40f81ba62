"""How publishing to PostgreSQL is going: as a text, and as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.units import moment, plural

if TYPE_CHECKING:
    from retrovue_daemon.store.tables.publishing import PublishState


def publish_lines(state: PublishState | None) -> list[str]:
    """Return lines about PostgreSQL for `status`; none if nothing was ever published."""
    if state is None:
        return []
    lines = [f"postgres  {state.report.schema}: {publish_text(state)}"]
    return [*lines, f"          hint: {state.report.hint}"] if state.report.hint else lines


def publish_text(state: PublishState) -> str:
    """Return how far publishing has come, and why it fails."""
    report, parts = state.report, []
    if report.error is not None:
        parts.append(f"fails since {moment(report.since)}: {report.error}")
    if report.copied is not None and report.to_copy is not None:
        parts.append(f"all rows are being copied: {report.copied:,} of {report.to_copy:,}")
    elif state.resync:
        parts.append("all rows are about to be copied again")
    if report.seq is None:
        parts.append("not filled yet")
    elif state.behind:
        oldest = plural(state.behind_s or 0, "second")
        parts.append(f"{plural(state.behind, 'change')} behind, the oldest is {oldest} old")
    else:
        parts.append("up to date")
    return "; ".join(parts)
