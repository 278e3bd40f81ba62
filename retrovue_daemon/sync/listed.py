"""What one listing has shown so far, and what of it could not be read or counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.sync import faults
from retrovue_daemon.sync.completeness import ListingLog
from retrovue_daemon.sync.seen import SeenIds

if TYPE_CHECKING:
    from retrovue_daemon.records import Kind


class Listed:
    """What one listing showed: the rows of its items, the keys of entries without a row, and its course."""

    def __init__(self) -> None:
        self.rows = SeenIds()
        self.altered = SeenIds()
        """Of those the ones that were not as they are stored: what shows one of them once more is written, too."""
        self.unstored: set[str] = set()
        self.waiting: set[str] = set()
        """Keys of episodes that are not written yet (``sync/key_conflicts.py``)."""
        self.unchanged = 0
        self.log = ListingLog()

    @property
    def doubt(self) -> str | None:
        """Why the listing cannot count as whole, or None."""
        return self.log.incomplete(self._distinct)

    @property
    def miscount(self) -> int:
        """How many items the server counts too many where it said one total all along, or too few (negative)."""
        if self.log.moved or self.log.expected is None:
            return 0
        return self.log.expected - self._distinct

    @property
    def _distinct(self) -> int:
        return len(self.rows) + len(self.unstored) + len(self.waiting)

    def shows_as(self, other: Listed) -> bool:
        """Return whether another listing showed the same items."""
        return self.rows == other.rows and self.unstored == other.unstored

    def faults(self, kind: Kind) -> tuple[str, ...]:
        """Return what of it could not be read or counted, in a form that can be compared."""
        counted = (faults.miscount(kind, self.miscount),) if self.miscount else ()
        keyless = faults.keyless(kind, self.log.keyless, self.log.keyless_more)
        return (*counted, *keyless, *faults.unreadable(kind, self.log.unreadable))

    @property
    def told_faults(self) -> list[str]:
        """What of it could not be read or counted, in words."""
        told = [self.doubt] if self.miscount and self.doubt is not None else []
        told += [faults.told_keyless(self.log.keyless, self.log.keyless_more)] if self.log.keyless else []
        return told + ([faults.told_unreadable(self.log.unreadable)] if self.log.unreadable else [])
