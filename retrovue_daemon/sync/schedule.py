"""Which kind of pass a library is due for, and when one that failed is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.records import LibraryListing
    from retrovue_daemon.store.tables.libraries import LibraryRow

LONGEST_BACKOFF_S = 3600.0
"""Seconds; a library that could not be listed completely is tried again at least so often."""


class Plan(msgspec.Struct, frozen=True):
    """The pass to do; ``settled`` says that nothing more is due for the library."""

    kind: Literal["full", "quick"]
    settled: bool = True


def full_is_due(row: LibraryRow, listing: LibraryListing, *, now: int, full_interval: float) -> bool:
    """Tell whether a library must be listed from beginning to end.

    That is so where it never was, where the last pass left something to be read again, where the server's marks of it
    are others than before its last complete listing (unequal is enough: a restored server counts backwards), and once
    ``full_interval`` seconds have passed, because not every change moves a mark.
    """
    if row.last_full_sync_at is None or row.state != "active" or row.list_again:
        return True
    if listing.content_changed_at is not None or row.content_changed_at is not None:
        if row.content_changed_at != listing.content_changed_at:
            return True
    elif (row.section_updated_at, row.scanned_at) != (listing.updated_at, listing.scanned_at):
        return True
    # A clock that was set back makes the last time lie ahead: then it says nothing.
    return not 0 <= now - row.last_full_sync_at < full_interval


class Backoff:
    """When libraries whose listing did not end well may be listed again: the wait doubles from try to try.

    ``first`` is the first wait. Times are seconds of a clock that does not jump (``time.monotonic``).
    """

    def __init__(self, first: float) -> None:
        self.first = first
        self._failures: dict[int, int] = {}
        self._not_before: dict[int, float] = {}

    def ready(self, library_id: int, clock: float) -> bool:
        """Tell whether a library may be listed now."""
        return clock >= self._not_before.get(library_id, clock)

    def failed(self, library_id: int, clock: float) -> None:
        """Count a listing that did not end well."""
        failures = self._failures[library_id] = self._failures.get(library_id, 0) + 1
        # The first wait is a little shorter than the interval, so that the next look is not missed by a hair.
        wait = min(self.first * 2 ** (min(failures, 30) - 1), max(LONGEST_BACKOFF_S, self.first)) - self.first / 5
        self._not_before[library_id] = clock + wait

    def succeeded(self, library_id: int) -> None:
        """Forget what failed before."""
        self._failures.pop(library_id, None)
        self._not_before.pop(library_id, None)
