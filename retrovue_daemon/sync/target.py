"""The library that a pass syncs, and the context it works in, with the slot that it holds while it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.sources.plex.client import Listing
from retrovue_daemon.sync.faults import FaultMemory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from retrovue_daemon.records import LibraryListing
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.items.rows import Target
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.observed_clock import ObservedClock
    from retrovue_daemon.sync.rounds import Round
    from retrovue_daemon.sync.skips import SkipLog

T = TypeVar("T")


class Slot(Protocol):
    """A slot of a pass; an async context manager that waits for the slot and holds it during the block."""

    async def __aenter__(self) -> object:
        """Wait for the slot."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release it."""

    async def wait_for(self, response: Awaitable[T]) -> T:
        """Return a server's response. If it takes long, other passes may use the slot until it arrives."""


class Unlimited:
    """A slot that is always free."""

    async def __aenter__(self) -> None:
        """Take it."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave it."""

    async def wait_for(self, response: Awaitable[T]) -> T:
        """Return a server's response."""
        return await response


UNLIMITED: Final = Unlimited()


LISTINGS = {
    "movie": ((Kind.MOVIE, Listing.MOVIES),),
    "show": ((Kind.SHOW, Listing.SHOWS), (Kind.SEASON, Listing.SEASONS), (Kind.EPISODE, Listing.EPISODES)),
}
"""The listings per library type, parents first: a parent's row is written before its children's."""


class LibraryTarget(msgspec.Struct, frozen=True):
    """A library to sync: its row, the server's entry, the target of its item rows, and the round.

    ``former`` are its earlier titles that no other library of the server has now.
    """

    server: str
    row: StoredLibrary
    listing: LibraryListing
    target: Target
    round: Round
    former: tuple[str, ...] = ()

    @property
    def listings(self) -> tuple[tuple[Kind, Listing], ...]:
        """The kinds of its items and their listings, parents first."""
        return LISTINGS[self.row.kind]

    @property
    def faults(self) -> FaultMemory:
        """The faults of its latest listings."""
        return FaultMemory(self.row.fault)


class PassSettings(msgspec.Struct, frozen=True):
    """The settings of a pass; ``max_removed`` is a fraction."""

    page_size: int
    batch_size: int
    max_removed: float
    accept_removals: bool = False


class PassContext(msgspec.Struct, frozen=True):
    """What the passes over one server share; ``now`` returns Unix seconds, ``observed`` the observed time.

    Each pass has a ``slot`` of its own.
    """

    client: PlexClient
    database: Database
    settings: PassSettings
    skips: SkipLog
    now: Callable[[], int]
    observed: ObservedClock
    slot: Slot = UNLIMITED
