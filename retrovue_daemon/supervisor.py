"""When and how many: one worker per server, and a bounded number of passes over all of them."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrovue_daemon.store.state import client_identifier
from retrovue_daemon.sync.mapping import follow_mappings
from retrovue_daemon.sync.skips import SkipLog
from retrovue_daemon.worker import EVERYTHING, ServerWorker, Workplace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrovue_daemon.config import SyncSection
    from retrovue_daemon.plex.retries import RetryPolicy
    from retrovue_daemon.progress import ProgressBoard
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.sync.targets import PassSettings
    from retrovue_daemon.worker import ActiveServer, Selection, ServerReport


@dataclass(slots=True)
class Supervisor:
    """Runs passes for a fixed set of servers; the daemon composes it and owns what it is given."""

    database: Database
    servers: Sequence[ActiveServer]
    settings: PassSettings
    timing: SyncSection
    board: ProgressBoard
    retry: RetryPolicy
    now: Callable[[], int] = lambda: int(time.time())

    async def sync_once(self, selection: Selection = EVERYTHING) -> list[ServerReport]:
        """Do one round of all servers, side by side; return a report of each, in their order."""
        workers = await self._workers()
        async with asyncio.TaskGroup() as group:
            rounds = [
                group.create_task(_one_round(worker, selection), name=f"server {worker.name}") for worker in workers
            ]
        return [task.result() for task in rounds]

    async def run(self) -> None:
        """Sync every server again and again, each by its own schedule, until cancelled."""
        workers = await self._workers()
        async with asyncio.TaskGroup() as group:
            # Also with nobody to ask: a service that ends at once would only be started again and again.
            group.create_task(asyncio.Event().wait(), name="until cancelled")
            for worker in workers:
                group.create_task(_many_rounds(worker, self.timing.interval), name=f"server {worker.name}")

    async def _workers(self) -> list[ServerWorker]:
        """Make the workers, after stored local paths have followed the mappings: that needs no server."""
        for server in self.servers:
            await follow_mappings(self.database, server.section.name, server.server_id)
        workplace = Workplace(
            database=self.database,
            settings=self.settings,
            board=self.board,
            slots=asyncio.Semaphore(self.timing.concurrency),
            skips=SkipLog(),
            identifier=await self.database.writer.write(client_identifier),
            retry=self.retry,
            interval=self.timing.interval,
            full_interval=self.timing.full_interval,
            retention=self.timing.retention,
            now=self.now,
        )
        return [ServerWorker(server, workplace) for server in self.servers]


async def _one_round(worker: ServerWorker, selection: Selection) -> ServerReport:
    """Do one round over a session of its own."""
    try:
        async with worker.client() as client:
            return await worker.look(client, selection)
    except Exception as error:  # noqa: BLE001 -- contained, see ServerWorker
        return worker.failed(error)


async def _many_rounds(worker: ServerWorker, interval: float) -> None:
    """Do the same again and again, until cancelled, over one session as long as that is usable."""
    while True:
        try:
            async with worker.client() as client:
                while True:
                    await worker.look(client)
                    await _pause(interval)
        except Exception as error:  # noqa: BLE001 -- likewise
            worker.failed(error)
            await _pause(interval)


async def _pause(interval: float) -> None:
    # Jitter keeps the servers of one host from being asked at the same moment for ever.
    await asyncio.sleep(interval * random.uniform(0.9, 1.1))  # noqa: S311 -- no secret
