"""How many passes look at once, over all servers."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from retrovue_daemon.clock import Clock

FIRST_LOOK_S = 1.0
"""Seconds that a place is kept for a server that was not reached yet: most are by then."""


class Slots:
    """A bounded number of places for the passes of all servers; of those, no server takes the others' last ones.

    A server that hangs may keep its places for minutes. So one that already has a place gets another only if one is
    left for each server that has none and may soon want one: that was reached the last time, or is looked at for the
    first. Nothing is kept for a server that cannot be reached. Where places are short, the server is next that has
    not got one for the longest time. The number can change while places are in use: who is in stays in.
    """

    def __init__(self, number: int, clock: Clock) -> None:
        self._number = number
        self._clock = clock
        self._kept_until: dict[str, float] = {}
        self._taken: Counter[str] = Counter()
        self._waiting: dict[asyncio.Future[None], str] = {}
        self._given = 0
        self._last_given: dict[str, int] = {}

    def share(self, number: int, servers: Iterable[str]) -> None:
        """Let so many in at once, and keep places for no other servers than these, from now on."""
        first_look = self._clock.monotonic() + FIRST_LOOK_S
        self._number = number
        self._kept_until = {server: self._kept_until.get(server, first_look) for server in servers}
        self._last_given = {server: self._last_given.get(server, 0) for server in self._kept_until}
        self.admit()

    def keep(self, server: str) -> None:
        """Keep a place for a server from now on, because it was reached."""
        if server in self._kept_until:
            self._kept_until[server] = math.inf

    def give_up(self, server: str) -> None:
        """Keep none for a server that was not, until it is."""
        if server in self._kept_until:
            self._kept_until[server] = -math.inf
            self.admit()

    @asynccontextmanager
    async def of(self, server: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it as long as the block lasts."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = server
        self.admit()
        try:
            await turn
            yield
        finally:
            # Cancelled while it waited, or at the very moment at which it was let in.
            if self._waiting.pop(turn, None) is None:
                self._taken -= Counter((server,))
            self.admit()

    def admit(self) -> None:
        """Let in whoever may; to be called also now and then, because places are kept for a time only."""
        while (turn := self._next()) is not None:
            server = self._waiting.pop(turn)
            self._taken[server] += 1
            self._given += 1
            self._last_given[server] = self._given
            turn.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        """Return whose turn it is: of the server that got a place least recently, who came first."""
        first: dict[str, asyncio.Future[None]] = {}
        for turn, server in self._waiting.items():
            if not turn.done() and server not in first:
                first[server] = turn
        free, kept = self._number - self._taken.total(), self._kept()
        ready = [server for server in first if free > (kept if self._taken[server] else 0)]
        return first[min(ready, key=lambda server: self._last_given.get(server, 0))] if ready else None

    def _kept(self) -> int:
        """Return how many servers have no place and have one kept."""
        now = self._clock.monotonic()
        return sum(until > now and not self._taken[server] for server, until in self._kept_until.items())
