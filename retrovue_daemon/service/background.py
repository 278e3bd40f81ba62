"""What the daemon runs beside the sync without knowing what it is: the page."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import Config
    from retrovue_daemon.logs.redaction import Redactor
    from retrovue_daemon.service.supervisor import Supervisor


class DaemonParts(msgspec.Struct, frozen=True):
    """The parts of the running daemon that a background service uses; the supervisor has the database."""

    supervisor: Supervisor
    redactor: Redactor
    clock: Clock


class BackgroundService(Protocol):
    """A service that runs as long as the database is open. Passes never wait for it."""

    async def start(self, parts: DaemonParts) -> None:
        """Begin to work, before the supervisor runs. Raise DaemonError if that is impossible: the daemon ends."""

    async def reload(self, config: Config) -> None:
        """Follow a new configuration, which the supervisor has already applied."""

    async def stop(self) -> None:
        """End within two seconds; after a restore of the database, the service is started again."""


@asynccontextmanager
async def in_background(service: BackgroundService | None, parts: DaemonParts) -> AsyncIterator[None]:
    """Run a service, if there is one, as long as the block runs."""
    if service is None:
        yield
        return
    try:
        await service.start(parts)
        yield
    finally:
        await service.stop()
