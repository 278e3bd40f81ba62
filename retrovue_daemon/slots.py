"""How many passes look at once, over all servers."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable


class Slots:
    """A bounded number of places for the passes of all servers; of those, no server takes the others' last ones.

    A server that hangs may keep its places for minutes. So one that already has a place gets another only if one is
    left for each server that has none. The number can change while places are in use: who is in stays in.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._servers: frozenset[str] = frozenset()
        self._taken: Counter[str] = Counter()
        self._waiting: dict[asyncio.Future[None], str] = {}

    def share(self, number: int, servers: Iterable[str]) -> None:
        """Let so many in at once, and keep places for these servers, from now on."""
        self._number, self._servers = number, frozenset(servers)
        self._admit()

    @asynccontextmanager
    async def of(self, server: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it as long as the block lasts."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = server
        self._admit()
        try:
            await turn
            yield
        finally:
            # Cancelled while it waited, or at the very moment at which it was let in.
            if self._waiting.pop(turn, None) is None:
                self._taken -= Counter((server,))
            self._admit()

    def _admit(self) -> None:
        """Let in whoever may, in the order of their coming."""
        for turn, server in list(self._waiting.items()):
            if not turn.done() and self._has_place(server):
                del self._waiting[turn]
                self._taken[server] += 1
                turn.set_result(None)

    def _has_place(self, server: str) -> bool:
        free = self._number - self._taken.total()
        kept = sum(not self._taken[other] for other in self._servers if other != server)
        return free > (kept if self._taken[server] else 0)
