"""A daemon that follows a simulated server's notifications, with a clock that only the test moves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.conftest import table
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.service.conftest import Service
    from tests.support.servers import MeasuredPlex


class Live:
    """A daemon that follows a server."""

    def __init__(self, service: Service, plex: MeasuredPlex) -> None:
        self.service = service
        self.plex = plex
        self._read = 0
        self._unread = 0
        self._news = asyncio.Event()
        self._made = asyncio.Event()
        connection = service.supervisor.workers["home"].live._connection
        self._heard, connection._heard = connection._heard, self._hear
        self._connected, connection._connected = connection._connected, self._connect

    def _hear(self) -> None:
        self._read += 1
        self._heard()
        self._news.set()

    def _connect(self) -> None:
        self._read = self._unread = 0
        self._connected()
        self._made.set()
        self._news.set()

    async def after(self, seconds: float) -> None:
        """Let the daemon receive what was sent, then let time pass until nothing is due any more."""
        await self.heard()
        clock = self.service.clock
        end = clock.time + seconds
        while True:
            await self.rest()
            due = [until for sleeper, until in clock._sleepers.values() if sleeper == "live due home"]
            if not due or min(due) > end:
                break
            clock.advance(min(due) - clock.time)
        clock.advance(end - clock.time)
        await self.rest()

    async def heard(self) -> None:
        """Wait until the daemon has read every frame that was sent since the test began."""
        await self.plex.notifications.flushed()
        async with asyncio.timeout(PATIENCE_S):
            while self._read < sum(each.sent for each in self.plex.notifications.connections) - self._unread:
                self._news.clear()
                await self._news.wait()

    async def reconnected(self) -> None:
        """Let the lost connection be made again, however often that has to be tried, and what follows be done."""
        clock = self.service.clock
        self._made.clear()
        while not self._made.is_set():
            await clock.wake("notifications home")
            waits = [asyncio.create_task(self._made.wait()), asyncio.create_task(clock.asleep("notifications home"))]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        await self.rest()

    def begin(self) -> None:
        """Count the frames from now on; none is on its way."""
        self._read, self._unread = 0, sum(each.sent for each in self.plex.notifications.connections)

    async def rest(self) -> None:
        """Wait until the daemon waits for the next frame or time, and no poll or pass runs."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await asyncio.sleep(0.002)
                worker = self.service.supervisor.workers["home"]
                names = {task.get_name() for task in asyncio.all_tasks()}
                waits = {"interval home: event"}
                if worker.server.section.notifications:
                    waits.add("live due home: event")
                is_idle = waits <= names and worker._schedule.due_in
                sleeps = {sleeper for sleeper, _ in self.service.clock._sleepers.values()}
                timers = (
                    {"interval home"} if worker.live._pending.due_in is None else {"interval home", "live due home"}
                )
                if is_idle and timers <= sleeps and not worker._running and not worker._jobs:
                    return


async def seen(events, event: str, number: int = 1, **keys: object) -> dict:
    """Wait for so many lines of an event, whether or not lines behind them were read; return the first."""
    while len(events.of(event, **keys)) < number:
        await events.next(event, **keys)
    return events.of(event, **keys)[0]


@pytest.fixture
def follow(serve, config, events) -> Callable[..., Awaitable[Live]]:
    """Run a daemon that follows a server until it has listed everything and is live; keys are those of its table."""

    async def start(
        plex: MeasuredPlex, sync: dict[str, object] | None = None, *, listings: int | None = None, **keys: Any
    ) -> Live:
        service = await serve(
            config(table(plex, notifications=True, **keys), **({} if sync is None else {"sync": sync}))
        )
        await events.count(listings or len(plex.world.libraries), "sync.finished", kind="full")
        await seen(events, "server.live")
        one = Live(service, plex)
        await one.rest()
        one.begin()
        plex.requests.clear()
        return one

    return start


@pytest.fixture
async def live(follow, plex) -> Live:
    return await follow(plex)
