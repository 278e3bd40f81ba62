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

    async def wait_for(self, event: asyncio.Event, seconds: float | None, name: str) -> None:
        """Wait until an event is set, or until so many seconds have passed; None waits for the event alone.

        The task that sleeps has the given name.
        """
        waits: list[asyncio.Task[object]] = [asyncio.create_task(event.wait(), name=f"{name}: event")]
        if seconds is not None:
            waits.append(asyncio.create_task(self.sleep(seconds), name=name))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
