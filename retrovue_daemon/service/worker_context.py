"""What the workers of all servers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.sources.plex.client import PlexClient
from retrovue_daemon.version import __version__

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import ServerSection, SyncSection
    from retrovue_daemon.service.claims import Claims
    from retrovue_daemon.service.slots import Slots
    from retrovue_daemon.sources.plex.body import BodyBudget
    from retrovue_daemon.sources.plex.retries import RetryPolicy
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.tables.observed_clock import ObservedClock
    from retrovue_daemon.sync.progress import ProgressBoard
    from retrovue_daemon.sync.skips import SkipLog
    from retrovue_daemon.sync.target import PassSettings


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
