"""The time, in one place, so that tests can move it."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """The system's clock. Schedules use ``monotonic``, which does not jump when the system time is set."""

    def now(self) -> int:
        """Return Unix seconds (UTC)."""
        return int(time.time())

    def monotonic(self) -> float:
        """Return seconds from some beginning."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
