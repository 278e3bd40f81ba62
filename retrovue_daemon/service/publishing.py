"""What the running daemon publishes: started with it, changed by a reload, stopped before the database is closed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from retrovue_daemon.publish.hooks.hooks import Hooks
from retrovue_daemon.publish.postgresql.publication import Publication

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import Config
    from retrovue_daemon.logs.redaction import Redactor
    from retrovue_daemon.logs.subscriptions import Subscriptions
    from retrovue_daemon.store.database import Database


class Publishers:
    """All that follows the change feed or the log on behalf of other programs. Passes never wait for it."""

    def __init__(self, database: Database, subscriptions: Subscriptions, redactor: Redactor, clock: Clock) -> None:
        self._hooks = Hooks(database, subscriptions, redactor, clock)
        self._postgresql = Publication(database, redactor, clock)

    async def start(self, config: Config) -> None:
        """Begin to publish."""
        self._postgresql.apply(config.postgresql)
        await self._hooks.apply(config.hooks)

    async def reload(self, config: Config) -> None:
        """Publish as a new configuration says; what it does not change is not disturbed."""
        self._postgresql.apply(config.postgresql)
        await self._hooks.apply(config.hooks)

    async def stop(self) -> None:
        """End within seconds; what was not published is published after the next start."""
        await asyncio.gather(self._hooks.stop(), self._postgresql.stop())


@asynccontextmanager
async def publishing(publishers: Publishers, config: Config) -> AsyncIterator[Publishers]:
    """Publish as long as the block runs."""
    try:
        await publishers.start(config)
        yield publishers
    finally:
        await publishers.stop()
