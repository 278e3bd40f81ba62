"""The results of one listing so far, including what could not be read or counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.sync import faults
from retrovue_daemon.sync.completeness import ListingLog
from retrovue_daemon.sync.seen import SeenIds

if TYPE_CHECKING:
    from retrovue_daemon.records import Kind


class Listed:
    """The results of one listing: the rows of its items, the keys of entries without a row, and its log."""

    def __init__(self) -> None:
        self.rows = SeenIds()
        self.altered = SeenIds()
        """The rows that differed from what is stored: if one is listed again, it is written again."""
        self.unstored: set[str] = set()
        self.waiting: set[str] = set()
        """Keys of episodes that are not yet written (``sync/key_conflicts.py``)."""
        self.kept: dict[int, set[str]] = {}
        """Rows that keep their values because their items arrived damaged, with the keys of the items' parents."""
        self.unchanged = 0
        self.log = ListingLog()

    @property
    def doubt(self) -> str | None:
        """Why the listing is not complete, or None."""
        return self.log.incomplete(self._distinct)

    @property
    def miscount(self) -> int:
        """How far the server's total, if it never changed, exceeds the listed items (negative: falls short)."""
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
        """Return what could not be read or counted, in a comparable form."""
        counted = (faults.miscount(kind, self.miscount),) if self.miscount else ()
        keyless = faults.keyless(kind, self.log.keyless, self.log.keyless_more)
        return (*counted, *keyless, *faults.unreadable(kind, self.log.unreadable))

    @property
    def described_faults(self) -> list[str]:
        """What could not be read or counted, in words."""
        described = [self.doubt] if self.miscount and self.doubt is not None else []
        described += [faults.describe_keyless(self.log.keyless, self.log.keyless_more)] if self.log.keyless else []
        return described + ([faults.describe_unreadable(self.log.unreadable)] if self.log.unreadable else [])
