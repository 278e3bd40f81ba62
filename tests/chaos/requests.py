"""Syncs that another program requests of the running daemon."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.chaos import promises
from tests.chaos.processes import Gone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.processes import Service


async def sync_fully(service: Service, database: Path) -> None:
    """Request a full sync of everything and wait for it; passes that faults began end first."""
    signals = len(service.of("sync.requested"))
    service.process.send_signal(signal.SIGUSR1)
    await service.wait(lambda: len(service.of("sync.requested")) > signals, "take SIGUSR1")
    request = request_sync(database)
    await service.wait(lambda: service.end_of(request), "finish an undisturbed full sync")
    done = service.end_of(request)
    if done is None or done.get("exit_code") != 0:
        passes = service.of("sync.finished", *promises.TROUBLE)[-6:]
        raise Gone(f"an undisturbed full sync ended {str(done)[:300]}: {str(passes)[:1500]}")


def request_sync(database: Path) -> int | None:
    """Request a full sync of everything, as another program does."""
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        return connection.execute("INSERT INTO sync_requests (kind) VALUES ('full')").lastrowid
