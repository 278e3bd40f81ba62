"""Whether a server is live, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.store.tables.live import LiveState


class LiveJson(msgspec.Struct, frozen=True):
    """Whether a server announces its changes, by which channel, or why it is only polled."""

    is_live: bool
    is_off: bool
    channel: str | None
    since: int
    reason: str | None
    hint: str | None
    is_owner: bool | None
    is_silent: bool
    last_notification_at: int | None
    latest_delay_s: float | None


def live_json(state: LiveState | None) -> LiveJson | None:
    """Return whether a server is live, if that is known."""
    if state is None:
        return None
    return LiveJson(
        is_live=state.is_live,
        is_off=state.is_off,
        channel=state.channel,
        since=state.since,
        reason=state.reason,
        hint=state.hint,
        is_owner=state.is_owner,
        is_silent=state.is_silent,
        last_notification_at=state.last_frame_at,
        latest_delay_s=None if state.delay_ms is None else state.delay_ms / 1000,
    )
