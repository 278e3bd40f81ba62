"""What the workers of all servers share, and which of them may claim a machine that several of them reach."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from retrovue_daemon.sources.plex.client import PlexClient
from retrovue_daemon.sync.target import PassContext
from retrovue_daemon.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import ServerSection, SyncSection
    from retrovue_daemon.service.slots import Slots
    from retrovue_daemon.sources.plex.body import BodyBudget
    from retrovue_daemon.sources.plex.retries import RetryPolicy
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.tables.observed_clock import ObservedClock
    from retrovue_daemon.sync.progress import ProgressBoard
    from retrovue_daemon.sync.skips import SkipLog
    from retrovue_daemon.sync.target import PassSettings


PATIENCE_S = 1.0
"""Seconds to wait for the servers before it at the first contact of a server: most respond by then."""


class WorkerContext(msgspec.Struct, frozen=True):
    """The parts of the daemon that every worker uses; a reload makes a new one."""

    database: Database
    settings: PassSettings
    timing: SyncSection
    board: ProgressBoard
    slots: Slots
    claims: Claims
    skips: SkipLog
    bodies: BodyBudget
    identifier: str
    retry: RetryPolicy
    clock: Clock
    observed: ObservedClock

    def client(self, server: ServerSection) -> PlexClient:
        """Return a client for a server, to be entered as a context."""
        return PlexClient(
            server,
            client_identifier=self.identifier,
            version=__version__,
            retry=self.retry,
            bodies=self.bodies,
            clock=self.clock,
        )

    def for_passes(self, client: PlexClient) -> PassContext:
        """Return what the passes over a server's libraries need; ``client`` is open."""
        return PassContext(client, self.database, self.settings, self.skips, self.clock.now, self.observed)


class Claims:
    """The machineIdentifiers with which the servers have answered, in the order of the configuration.

    If two entries are one machine, the first of the configuration gets it. At their first contact nothing else would
    decide which of two names that is: it would be a matter of chance.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._machines: dict[str, str | None] = {}
        self._answered: dict[str, asyncio.Event] = {}

    def order(self, names: Iterable[str]) -> None:
        """Set the names of all servers, the preferred one first."""
        listed = list(names)
        self._answered = {name: self._answered.get(name, asyncio.Event()) for name in listed}
        self._machines = {name: self._machines.get(name) for name in listed}

    def note(self, name: str, machine: str | None) -> None:
        """Record the machine that answered for a server.

        None means that the server cannot be used, so that another name may have its machine.
        """
        if name in self._answered:
            self._machines[name] = machine
            self._answered[name].set()

    async def preferred(self, name: str, machine: str) -> str | None:
        """Return the name of an earlier server that is the same machine; wait a moment for those not reached yet."""
        names = list(self._answered)
        earlier = names[: names.index(name)] if name in self._answered else []
        await self._wait_for([self._answered[each] for each in earlier if not self._answered[each].is_set()])
        return next((each for each in earlier if self._machines.get(each) == machine), None)

    async def _wait_for(self, answers: Iterable[asyncio.Event]) -> None:
        waits = [asyncio.create_task(answer.wait(), name="answer of an earlier server") for answer in answers]
        if not waits:
            return
        ends: list[asyncio.Future[Any]] = [
            asyncio.gather(*waits),
            asyncio.create_task(self._clock.sleep(PATIENCE_S), name="first contact"),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
