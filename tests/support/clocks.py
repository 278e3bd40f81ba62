"""Clocks that stand until a test moves them."""

from __future__ import annotations

import asyncio

from retrovue_daemon.clock import Clock
from tests.support.patience import PATIENCE_S


class FakeClock(Clock):
    """A clock on which no time passes but what a test lets pass. Wall time is apart: it can be set."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.wall = 1_800_000_000
        self._sleepers: dict[asyncio.Future[None], tuple[str, float]] = {}
        self._fallen_asleep = asyncio.Event()

    def now(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers[woken] = task.get_name(), self.time + seconds
        self._fallen_asleep.set()
        try:
            await woken
        finally:
            del self._sleepers[woken]

    async def asleep(self, name: str) -> float:
        """Wait until the task of that name sleeps, and give the time at which it will wake up."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for woken, (sleeper, until) in self._sleepers.items():
                    if sleeper == name and not woken.done():
                        return until
                self._fallen_asleep.clear()
                await self._fallen_asleep.wait()

    def advance(self, seconds: float) -> None:
        self.time += seconds
        for woken, (_, until) in self._sleepers.items():
            if until <= self.time and not woken.done():
                woken.set_result(None)

    async def wake(self, name: str) -> None:
        """Let the time pass until the task of that name wakes up."""
        self.advance(max(0.0, await self.asleep(name) - self.time))

    async def tick(self, name: str = "supervisor") -> None:
        """Let the task of that name wake up, do its work and fall asleep again."""
        await self.wake(name)
        await self.asleep(name)


class SetClock(Clock):
    """A clock whose system time the test sets; ``lived`` moves the monotonic clock alone."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000
        self.lived = 0.0

    def now(self) -> int:
        return self.seconds

    def monotonic(self) -> float:
        return super().monotonic() + self.lived
