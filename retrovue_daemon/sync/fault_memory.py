"""The faults of a library's latest doubtful listings, and which faults therefore count as permanent.

A new fault may be gone the next time, so the library is listed again. A fault that repeats is a property of the
server. So are faults that change at each listing: otherwise such a library would be listed completely at each
interval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

MOST_DOUBTFUL = 3
"""Listings in a row that may end in doubt before the next one waits until ``full_interval`` has passed."""

_MOST_KEPT = 1_000
"""Faults kept in addition to those of the latest listing."""


class FaultMemory(msgspec.Struct, frozen=True):
    """The faults of the latest listings that ended in doubt, the oldest first (``libraries.fault``)."""

    listings: tuple[tuple[str, ...], ...] = ()

    @property
    def all(self) -> frozenset[str]:
        """All remembered faults."""
        return frozenset(fault for faults in self.listings for fault in faults)

    def knows(self, faults: Collection[str]) -> bool:
        """Return whether all these faults occurred before."""
        return self.all.issuperset(faults)

    def settles(self, faults: Collection[str]) -> bool:
        """Return whether another listing would not decide these faults: they repeat, or change each time."""
        return len(self.listings) + 1 >= MOST_DOUBTFUL or self.knows(faults)

    def after(self, faults: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """Return what to remember after a listing with these faults; without any, nothing is."""
        if not faults:
            return ()
        if self.knows(faults):
            others = sorted(self.all.difference(faults))
            return ((*faults, *others[:_MOST_KEPT]),)
        return (*self.listings, tuple(faults))[-MOST_DOUBTFUL:]
