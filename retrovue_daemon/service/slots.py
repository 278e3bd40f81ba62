"""The limit on passes that read from servers at the same time."""

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
"""Seconds that a slot is reserved for a server that has not been reached yet: most respond by then."""


class Slots:
    """A bounded number of slots for the passes of all servers; no server can take the last slots from the others.

    A server that hangs may hold its slots for minutes. So a server that already has a slot gets another only if one
    remains for each server that has none and may soon need one: a server that was reached last time, or is polled for
    the first time. No slot is reserved for an unreachable server. If slots are scarce, the server that has waited
    longest since its last slot is next. The number can change while slots are held: holders keep theirs.
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
        """Set the number of slots, and the servers for which slots are reserved."""
        first_look = self._clock.monotonic() + FIRST_LOOK_S
        self._number = number
        self._kept_until = {server: self._kept_until.get(server, first_look) for server in servers}
        self._last_given = {server: self._last_given.get(server, 0) for server in self._kept_until}
        self.admit()

    def keep(self, server: str) -> None:
        """Reserve a slot for a server from now on, because it was reached."""
        if server in self._kept_until:
            self._kept_until[server] = math.inf

    def give_up(self, server: str) -> None:
        """Reserve no slot for a server that was not reached, until it is."""
        if server in self._kept_until:
            self._kept_until[server] = -math.inf
            self.admit()

    @asynccontextmanager
    async def of(self, server: str) -> AsyncIterator[None]:
        """Wait for a slot and hold it during the block."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = server
        self.admit()
        try:
            await turn
            yield
        finally:
            # Not waiting any more: a slot was assigned, even if the task was cancelled at that very moment.
            if self._waiting.pop(turn, None) is None:
                self._taken -= Counter((server,))
            self.admit()

    def admit(self) -> None:
        """Assign free slots. Call this regularly too, because reservations expire."""
        while (turn := self._next()) is not None:
            server = self._waiting.pop(turn)
            self._taken[server] += 1
            self._given += 1
            self._last_given[server] = self._given
            turn.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        """Return the next waiter: the first one of the server that got a slot least recently."""
        first: dict[str, asyncio.Future[None]] = {}
        for turn, server in self._waiting.items():
            if not turn.done() and server not in first:
                first[server] = turn
        free, kept = self._number - self._taken.total(), self._kept()
        ready = [server for server in first if free > (kept if self._taken[server] else 0)]
        return first[min(ready, key=lambda server: self._last_given.get(server, 0))] if ready else None

    def _kept(self) -> int:
        """Return the number of servers without a slot for which one is reserved."""
        now = self._clock.monotonic()
        return sum(until > now and not self._taken[server] for server, until in self._kept_until.items())
