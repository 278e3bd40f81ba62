"""What one listing showed, and whether it was complete: decided from the counts made while it was read."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.sync import faults
from retrovue_daemon.sync.faults import LONGEST_TITLE, Unreadable, comes_before, mark_of, merged_gaps
from retrovue_daemon.sync.seen import SeenIds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.records import Kind, Page, Skipped

MOST_KEYLESS = 1_000
"""The number of entries without a rating key that are kept per listing; further ones are only counted."""


class ListingLog(msgspec.Struct):
    """Observations made while one listing was read."""

    pages: int = 0
    entries: int = 0
    items: int = 0
    skipped: int = 0
    bytes: int = 0
    keyless: list[Skipped] = msgspec.field(default_factory=list)
    """The entries without a rating key; of many, those with the lowest marks."""
    keyless_more: int = 0
    """How many more there were: memory use stays bounded whatever a server sends."""
    unreadable: list[Unreadable] = msgspec.field(default_factory=list)
    first_skipped: Skipped | None = None
    """The first entry that was skipped although the server sent it."""
    first_total: int | None = None
    last_total: int | None = None
    ended_empty: bool = False
    last_key: str | None = None
    """Rating key of the last item of the last page that had one."""
    is_sorted: bool = True
    """Whether the pages are sorted by rating key, as requested."""

    def note(self, page: Page) -> None:
        """Record the next page."""
        if page.total is not None:  # a server need not repeat the total on each page
            if self.first_total is None:
                self.first_total = self.last_total = page.total
            elif self.last_total == self.first_total:
                self.last_total = page.total  # only the first change is reported
        if page.unreadable is not None:
            self.unreadable.append(Unreadable(page.offset, self.last_key, page.unreadable))
            self.entries += 1
            self.skipped += 1
            return
        if page.items:
            if self.unreadable and self.unreadable[-1].after is None:
                for entry in self.unreadable:
                    entry.after = entry.after or page.items[0].rating_key
            first, last = page.items[0].rating_key, page.items[-1].rating_key
            self.is_sorted = self.is_sorted and comes_before(self.last_key, first) and comes_before(first, last)
            self.last_key = last
        self.pages += 1
        self.entries += page.entries
        self.items += len(page.items)
        self.skipped += len(page.skipped)
        self.bytes += page.size
        self.ended_empty = page.entries == 0
        if page.skipped:
            self.first_skipped = self.first_skipped or page.skipped[0]
            keyless = [skipped for skipped in page.skipped if skipped.rating_key is None]
            self.keyless += keyless
            if len(self.keyless) > MOST_KEYLESS:
                # The same ones in whatever order the server sends them: they are compared with the next listing's.
                self.keyless_more += len(self.keyless) - MOST_KEYLESS
                self.keyless = heapq.nsmallest(MOST_KEYLESS, self.keyless, key=mark_of)

    def without_unread(self, keys: Mapping[int, str]) -> list[int]:
        """Return the ids of those rows, given with their keys, whose items cannot be entries that are unreadable.

        Listings are sorted by key, so such an entry is an item whose key is between those of its neighbours.
        """
        if not self.unreadable:
            return list(keys)
        if not self.is_sorted:
            return []
        gaps = merged_gaps(self.unreadable)
        starts = [start for start, _ in gaps]

        def may_be_unread(key: str) -> bool:
            if not key.isdecimal():
                return True
            number = int(key)
            at = bisect_right(starts, number) - 1
            return at >= 0 and number <= gaps[at][1]

        return [row_id for row_id, key in keys.items() if not may_be_unread(key)]

    @property
    def nothing_read(self) -> str | None:
        """What is wrong with a listing of which every entry was skipped, or None."""
        if self.items or self.first_skipped is None:
            return None
        title, reason = self.first_skipped.title, self.first_skipped.reason
        of = f" of {title[:LONGEST_TITLE]!r}" if title else ""
        return f"none of its entries can be read; the reason for the first{of}: {reason}"

    @property
    def moved(self) -> bool:
        """Whether the total changed during the listing: items were added or removed, and positions shifted."""
        return self.last_total != self.first_total

    @property
    def expected(self) -> int | None:
        """The number of items with a key according to the server; None if it reports no total."""
        if self.first_total is None:
            return None
        return self.first_total - len(self.keyless) - self.keyless_more - len(self.unreadable)

    def incomplete(self, distinct: int) -> str | None:
        """Return why the listing is not complete, or None; ``distinct`` is its number of distinct rating keys.

        Entries without a key, or that the server cannot send, do not count as items here: see ``sync/faults.py``.
        """
        if self.moved:
            return f"the total changed from {self.first_total} to {self.last_total} during the listing"
        if self.first_total is None:
            return None if self.ended_empty else "the server reported no total, and the last page was not empty"
        expected = self.expected
        if distinct != expected:
            return f"{distinct} items were listed, but the server reports {expected}"
        return None


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
