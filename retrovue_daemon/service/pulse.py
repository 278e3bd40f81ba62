"""Whether the writer is alive: it responds to a ping through its queue."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from retrovue_daemon.errors import StoreError

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock
    from retrovue_daemon.store.writer import Writer

LONGEST_PING_S = 60.0
"""The longest time in seconds for one step of the writer; each attempt to get another program's lock is one."""


class Pulse:
    """Pings the writer, one ping at a time.

    Until it responds, the writer counts as alive for a minute after its last step, because each piece of work in the
    queue may have to wait for another program's lock.
    """

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock
        self._lived_at = clock.monotonic()
        self._steps = writer.steps
        self._ping = self._begin()

    def is_felt(self) -> bool:
        """Return whether the writer is alive; if it has responded, the next ping begins."""
        if self._ping.done() or self._writer.steps != self._steps:
            self._lived_at, self._steps = self._clock.monotonic(), self._writer.steps
        if self._ping.done():
            self._ping = self._begin()
        return self._clock.monotonic() - self._lived_at < LONGEST_PING_S

    async def stop(self) -> None:
        """End the ping under way."""
        self._ping.cancel()
        await asyncio.gather(self._ping, return_exceptions=True)

    def _begin(self) -> asyncio.Task[None]:
        return asyncio.create_task(self._respond(), name="ping of the writer")

    async def _respond(self) -> None:
        # A writer that could not get the lock still responds; whether it has ended is checked elsewhere.
        with suppress(StoreError):
            await self._writer.catch_up()
