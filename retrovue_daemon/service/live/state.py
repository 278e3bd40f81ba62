"""Whether a server is live: a value, and where it is logged, stored and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from retrovue_daemon.store.tables.live import LiveState, store_live

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.errors import DaemonError
    from retrovue_daemon.sources.plex.notifications import Channel
    from retrovue_daemon.store.database import Database

log = structlog.get_logger()

NOT_OWNERS = "the token is not the owner's"

STORE_S = 600
"""Seconds between two times that the last frame is stored, as long as nothing else changes."""


class LiveStatus:
    """The newest state of one server; ``changed`` is called when it begins or ceases to be live."""

    def __init__(self, server: str, database: Database, clock: Clock, changed: Callable[[], None]) -> None:
        self.latest = LiveState(is_live=False, since=clock.now())
        self.server_id = 0
        self.dropped = 0
        """Frames and entries that could not be read."""
        self._server = server
        self._database = database
        self._clock = clock
        self._changed = changed
        self._stored: LiveState | None = None
        self._stored_id = 0

    def begin(self, channel: Channel, *, is_owner: bool | None) -> None:
        """Record that the server is live, and log it."""
        now = self._clock.now()
        self._set(
            replace(
                self.latest,
                is_live=True,
                since=now,
                channel=channel,
                reason=None,
                hint=None,
                is_off=False,
                is_owner=is_owner,
            )
        )
        whose = "the server does not say whether the token is the owner's" if is_owner is None else NOT_OWNERS
        hint = {} if is_owner else {"hint": f"{whose}, so the interval of polls stays as it is"}
        log.info("server.live", server=self._server, channel=channel, **hint)

    def end(self, error: DaemonError | None) -> bool:
        """Record that the server is not live, and log why when that begins; None if notifications are off.

        Return whether that has begun now.
        """
        reason, hint = ("notifications are off", None) if error is None else (str(error), error.hint)
        if not self.latest.is_live and self.latest.reason is not None and (error is None) == self.latest.is_off:
            self.latest = replace(self.latest, reason=reason, hint=hint)  # the newest one, without another line
            return False
        self._set(
            replace(
                self.latest,
                is_live=False,
                since=self._clock.now(),
                channel=None,
                reason=reason,
                hint=hint,
                is_off=error is None,
            )
        )
        level = "debug" if error is None else "warning"
        getattr(log, level)("server.not_live", server=self._server, reason=reason, hint=hint)
        return True

    def turned_on(self) -> None:
        """Record that a configuration turned notifications on: they are not off, and nothing has failed yet."""
        if self.latest.is_off:
            self._set(replace(self.latest, is_off=False, reason=None, since=self._clock.now()))

    def heard(self) -> None:
        """Record that a frame arrived."""
        self.latest = replace(self.latest, last_frame_at=self._clock.now())

    def announced(self, *, is_silent: bool) -> None:
        """Record that the server announces something, or that it should have."""
        if is_silent != self.latest.is_silent:
            self._set(replace(self.latest, is_silent=is_silent))

    def applied(self, delay_s: float) -> None:
        """Record the seconds from the first hint to the rows."""
        self.latest = replace(self.latest, delay_ms=round(delay_s * 1000))

    async def store(self, *, now: bool = False) -> None:
        """Store the state if it is worth a write. Raise StoreError."""
        state, stored = self.latest, self._stored
        if not self.server_id or (state == stored and self.server_id == self._stored_id):
            return
        is_news = (
            now
            or stored is None
            or self.server_id != self._stored_id
            or (state.is_live, state.reason, state.since) != (stored.is_live, stored.reason, stored.since)
            or state.is_silent != stored.is_silent
            or (state.last_frame_at or 0) - (stored.last_frame_at or 0) >= STORE_S
        )
        if is_news:
            server_id = self.server_id
            await self._database.writer.run(store_live, server_id, state)
            self._stored, self._stored_id = state, server_id

    def _set(self, state: LiveState) -> None:
        self.latest = state
        self._changed()
