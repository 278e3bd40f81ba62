"""Syncs that another program requests of the running daemon."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from retrovue_daemon.store.items.wanting import pending_by_library
from tests.chaos import promises
from tests.chaos.processes import PATIENCE_S, Gone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.processes import Service

LOOK_S = 0.05


async def sync_fully(service: Service, database: Path) -> None:
    """Request a full sync of everything and wait for it, and for its details; passes that faults began end first."""
    signals = len(service.of("sync.requested"))
    service.process.send_signal(signal.SIGUSR1)
    await service.wait(lambda: len(service.of("sync.requested")) > signals, "take SIGUSR1")
    request = request_sync(database)
    await service.wait(lambda: service.end_of(request), "finish an undisturbed full sync")
    done = service.end_of(request)
    if done is None or done.get("exit_code") != 0:
        passes = service.of("sync.finished", *promises.TROUBLE)[-6:]
        raise Gone(f"an undisturbed full sync ended {str(done)[:300]}: {str(passes)[:1500]}")
    await _details_read(service, database)


async def _details_read(service: Service, database: Path) -> None:
    """Wait until the daemon has read, by itself, the details of all items that want them."""
    until = time.monotonic() + PATIENCE_S
    while pending := _pending(database):
        if not service.is_alive:
            raise Gone("the daemon ended while it read details")
        if time.monotonic() > until:
            lines = service.of("details.finished", "details.interrupted")[-6:]
            raise Gone(f"details of {pending} items were not read within {PATIENCE_S:.0f} s: {str(lines)[:1500]}")
        await asyncio.sleep(LOOK_S)


def _pending(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=20)) as connection:
        return sum(pending_by_library(connection).values())


def request_sync(database: Path) -> int | None:
    """Request a full sync of everything, as another program does."""
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        return connection.execute("INSERT INTO sync_requests (kind) VALUES ('full')").lastrowid
