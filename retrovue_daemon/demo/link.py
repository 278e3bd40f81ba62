"""The network line between a simulated server and its clients."""

from __future__ import annotations

import asyncio


class Link:
    """A line that carries a fixed number of bytes per second, one response after another."""

    def __init__(self) -> None:
        self.free_at = 0.0
        """When everything handed to it will have been carried, on the event loop's clock."""

    async def carry(self, size: int, bandwidth: float) -> None:
        """Wait until a response of this many bytes would have arrived."""
        now = asyncio.get_running_loop().time()
        self.free_at = max(self.free_at, now) + size / bandwidth
        await asyncio.sleep(self.free_at - now)
