"""The line between a simulated server and its clients."""

from __future__ import annotations

import asyncio


class Link:
    """A line that carries so many bytes a second, one answer after the other."""

    def __init__(self) -> None:
        self.free_at = 0.0
        """When it has carried all that was given to it, by the event loop's clock."""

    async def carry(self, size: int, bandwidth: float) -> None:
        """Wait until an answer of this many bytes would have come through."""
        now = asyncio.get_running_loop().time()
        self.free_at = max(self.free_at, now) + size / bandwidth
        await asyncio.sleep(self.free_at - now)
