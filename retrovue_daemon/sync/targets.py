"""Which library a pass is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrovue_daemon.plex.client import Listing
from retrovue_daemon.records import Kind

if TYPE_CHECKING:
    from retrovue_daemon.records import LibraryListing
    from retrovue_daemon.store.libraries import LibraryRow
    from retrovue_daemon.store.rows import Target

LISTINGS = {
    "movie": ((Kind.MOVIE, Listing.MOVIES),),
    "show": ((Kind.SHOW, Listing.SHOWS), (Kind.SEASON, Listing.SEASONS), (Kind.EPISODE, Listing.EPISODES)),
}
"""What to list of a library of each type, parents first: a child finds its parent's row already written."""


@dataclass(frozen=True, slots=True)
class LibraryTarget:
    """A library that is to be synced: its row, what the server said of it, and where its rows go."""

    server: str
    row: LibraryRow
    listing: LibraryListing
    target: Target
