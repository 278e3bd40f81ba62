"""How many passes look at once, over all servers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Slots:
    """A semaphore whose size can change while it is in use: who is in stays in."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._free = asyncio.Semaphore(number)
        self._owed = 0

    def resize(self, number: int) -> None:
        """Let more in at once, or fewer, from now on."""
        more = number - self._number
        self._number = number
        paid = min(max(more, 0), self._owed)
        self._owed += max(-more, 0) - paid
        for _ in range(max(more, 0) - paid):
            self._free.release()

    async def __aenter__(self) -> Self:
        await self._free.acquire()
        while self._owed:
            self._owed -= 1
            await self._free.acquire()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._owed:
            self._owed -= 1
        else:
            self._free.release()
