"""The limit on passes that read from servers at the same time."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType

    from retrovue_daemon.clock import Clock

T = TypeVar("T")

ADMIT_S = 1.0
"""Seconds between two calls of `Slots.admit`: time alone can free slots."""

FIRST_LOOK_S = 1.0
"""Seconds that a slot is reserved for a server that has not been reached yet: most respond by then."""

STALL_S = 2.0
"""Seconds without a response after which others may use a slot: waiting costs no more than a connection."""

TURN_S = 30.0
"""Seconds after which a pass offers its slot to the others between two responses: a large library takes hours."""


class Slots:
    """A bounded number of slots for the passes of all servers; no server can take the last slots from the others.

    - A pass whose server does not respond lends its slot to the others, and needs a free one when the response
      arrives.
    - A pass that has held its slot for a while offers it to those that wait.
    - A server that already has a slot gets another only if one remains for each server that has none and may soon
      need one: a server that was reached last time, or is polled for the first time.
    - A server whose last pass timed out, or that has lent a slot, is a suspect. It holds one slot at most, all
      suspects hold half of the slots at most, and none is reserved for them.
    - If slots are scarce, servers that have had none yet are first. Then suspects and others take turns; of each,
      the server that has waited longest since its last slot is next.

    The number can change while slots are held: holders keep theirs.
    """

    def __init__(self, number: int, clock: Clock) -> None:
        self._number = number
        self._clock = clock
        self._servers: dict[str, _Server] = {}
        self._held: set[PassSlot] = set()
        self._given = 0
        self._last_given = {False: 0, True: 0}
        """The number of the slot last given to a suspect (True) and to another server (False), in order of giving."""

    @property
    def held(self) -> int:
        """The number of slots that are held and not lent."""
        return len(self._held)

    def share(self, number: int, servers: Iterable[str]) -> None:
        """Set the number of slots, and the servers for which slots are reserved."""
        first_look = self._clock.monotonic() + FIRST_LOOK_S
        self._number = number
        names = list(servers)
        for name in names:
            server = self._servers.setdefault(name, _Server())
            if server.reserved_until is None:
                server.reserved_until = first_look
        for name in self._servers.keys() - {*names}:
            self._servers[name].reserved_until = None
            self._drop_if_unused(name)
        self.admit()

    def keep(self, server: str) -> None:
        """Reserve a slot for a server from now on, because it was reached."""
        self._reserve(server, math.inf)

    def give_up(self, server: str) -> None:
        """Reserve no slot for a server that was not reached, until it is."""
        self._reserve(server, -math.inf)
        self.admit()

    def note_pass(self, server: str, *, timed_out: bool) -> None:
        """Record whether a server's last pass timed out."""
        if server in self._servers:
            self._servers[server].timed_out = timed_out
            self.admit()

    def slot_for(self, server: str) -> PassSlot:
        """Return a slot for one pass of a server."""
        return PassSlot(self, server, self._clock)

    def admit(self) -> None:
        """Assign free slots. Call this every `ADMIT_S` too: reservations expire, and servers stop responding."""
        now = self._clock.monotonic()
        for slot in [slot for slot in self._held if slot.has_stalled(now)]:
            self._lend(slot)
        while (chosen := self._next(now)) is not None:
            self._given += 1
            chosen.last_given = self._last_given[chosen.is_suspect] = self._given
            self._held.add(chosen.give(now))

    # -- for slots --------------------------------------------------------------------------------------------------

    def queue(self, slot: PassSlot) -> None:
        """Let a new pass wait for a slot."""
        self._servers.setdefault(slot.server, _Server()).waiting.append(slot)
        self.admit()

    def queue_again(self, slot: PassSlot) -> None:
        """Let a pass that had a slot wait for one again, before the new passes of its server."""
        self._remove(slot).waiting.appendleft(slot)
        self.admit()

    def leave(self, slot: PassSlot) -> None:
        """Forget a slot whose pass is over."""
        self._remove(slot)
        self._drop_if_unused(slot.server)
        self.admit()

    def lend(self, slot: PassSlot) -> None:
        """Lend a slot to others until its pass waits for one again."""
        if slot in self._held:
            self._lend(slot)
            self.admit()

    def is_held(self, slot: PassSlot) -> bool:
        """Return whether a slot is held and not lent."""
        return slot in self._held

    @property
    def are_scarce(self) -> bool:
        """Whether a pass waits for a slot."""
        return any(server.waiting for server in self._servers.values())

    # -- the rules --------------------------------------------------------------------------------------------------

    def _next(self, now: float) -> _Server | None:
        """Return the server whose first waiting pass gets a slot now, if any."""
        free = self._number - self.held
        if free <= 0 or not self.are_scarce:
            return None
        reserved = sum(server.needs_reserved_slot(now) for server in self._servers.values())
        suspects = sum(self._servers[slot.server].is_suspect for slot in self._held)
        room_for_suspects = suspects < max(1, self._number // 2)
        ready = [
            server
            for server in self._servers.values()
            if server.waiting
            and (
                room_for_suspects and server.may_try(self._number)
                if server.is_suspect
                else free > reserved or not server.holding
            )
        ]
        return min(ready, key=self._order, default=None)

    def _order(self, server: _Server) -> tuple[bool, int, int]:
        """Return a value by which servers are sorted; the smallest is next."""
        return server.last_given > 0, self._last_given[server.is_suspect], server.last_given

    def _lend(self, slot: PassSlot) -> None:
        self._held.remove(slot)
        self._servers[slot.server].lend(slot)

    def _remove(self, slot: PassSlot) -> _Server:
        """Remove a slot, whatever its pass is doing, and return its server."""
        self._held.discard(slot)
        server = self._servers[slot.server]
        server.remove(slot)
        return server

    def _reserve(self, name: str, until: float) -> None:
        server = self._servers.get(name)
        if server is not None and server.reserved_until is not None:
            server.reserved_until = until

    def _drop_if_unused(self, name: str) -> None:
        server = self._servers[name]
        if server.reserved_until is None and not (server.waiting or server.holding or server.lending):
            del self._servers[name]


class _Server(msgspec.Struct, eq=False):
    """The slots of one server.

    ``reserved_until`` is None if the server is not configured. ``last_given`` is the number of its last slot.
    """

    reserved_until: float | None = None
    timed_out: bool = False
    last_given: int = 0
    waiting: deque[PassSlot] = msgspec.field(default_factory=deque)
    holding: set[PassSlot] = msgspec.field(default_factory=set)
    lending: set[PassSlot] = msgspec.field(default_factory=set)

    @property
    def is_suspect(self) -> bool:
        """Whether its last pass timed out, or it does not respond just now."""
        return self.timed_out or bool(self.lending)

    def may_try(self, most: int) -> bool:
        """Return whether it may have a slot as a suspect; with ``most`` slots lent, it may start no other pass."""
        return not self.holding and (len(self.lending) < most or self.waiting[0].is_resumed)

    def needs_reserved_slot(self, now: float) -> bool:
        """Return whether a slot is reserved for it that it does not hold."""
        is_reserved = self.reserved_until is not None and self.reserved_until > now
        return is_reserved and not self.holding and not self.is_suspect

    def lend(self, slot: PassSlot) -> None:
        """Lend a slot that it holds."""
        self.holding.remove(slot)
        self.lending.add(slot)

    def give(self, now: float) -> PassSlot:
        """Give a slot to the first pass that waits, and return it."""
        slot = self.waiting.popleft()
        self.holding.add(slot)
        slot.begin(now)
        return slot

    def remove(self, slot: PassSlot) -> None:
        """Remove a slot, whatever its pass is doing."""
        self.holding.discard(slot)
        self.lending.discard(slot)
        if slot in self.waiting:
            self.waiting.remove(slot)


class PassSlot:
    """The slot of one pass: an async context manager that waits for it and holds it during the block."""

    def __init__(self, slots: Slots, server: str, clock: Clock) -> None:
        self.server = server
        self.is_resumed = False
        """Whether the pass had a slot before."""
        self._slots = slots
        self._clock = clock
        self._turn: asyncio.Future[None] | None = None
        self._began = 0.0
        self._asked_at: float | None = None
        self._is_slow = False

    async def __aenter__(self) -> Self:
        try:
            await self._wait(self._slots.queue)
        except BaseException:
            self._slots.leave(self)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._slots.leave(self)

    async def wait_for(self, response: Awaitable[T]) -> T:
        """Return a server's response, with the slot: if it was lent, or others need it, wait for one again.

        After a slow response, the slot is lent at once. So a slow server needs its slots only to process responses.
        """
        asked_at = self._asked_at = self._clock.monotonic()
        if self._is_slow:
            self._slots.lend(self)
        try:
            result = await response
        finally:
            self._asked_at = None
            self._is_slow = self._clock.monotonic() - asked_at >= STALL_S
        had_its_turn = self._clock.monotonic() - self._began >= TURN_S
        if not self._slots.is_held(self) or (had_its_turn and self._slots.are_scarce):
            await self._wait(self._slots.queue_again)
        return result

    def has_stalled(self, now: float) -> bool:
        """Return whether the pass has waited for a response for too long."""
        return self._asked_at is not None and now - self._asked_at >= STALL_S

    def begin(self, now: float) -> None:
        """Let the pass continue, because it has the slot now."""
        self._began = now
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    async def _wait(self, queue: Callable[[PassSlot], None]) -> None:
        self._turn = asyncio.get_running_loop().create_future()
        queue(self)
        await self._turn
        self._turn, self.is_resumed = None, True
