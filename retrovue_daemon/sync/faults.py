"""Faults: what could not be read or counted in a listing, as values to compare with the previous listing's.

A fault is a short text without positions, because those shift. A new fault may be gone the next time, so the library
is listed again. A fault that repeats is a property of the server. So are faults that change at each listing:
otherwise such a library would be listed completely at each interval.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from retrovue_daemon.records import Kind, Skipped

LONGEST_TITLE = 100
"""Characters of a title that are shown."""

_MOST_DAMAGED = 1_000
"""The number of damaged items that are each a fault; further ones are only counted."""


class Unreadable(msgspec.Struct):
    """An entry that the server cannot send: its position, and the rating keys of the entries around it."""

    position: int
    before: str | None
    reason: str
    after: str | None = None

    @property
    def gap(self) -> tuple[float, float]:
        """The lowest and the highest rating key that it may have in a sorted listing, whose keys are numbers."""
        return (
            -math.inf if self.before is None else int(self.before),
            math.inf if self.after is None else int(self.after),
        )


def merged_gaps(entries: Iterable[Unreadable]) -> list[tuple[float, float]]:
    """Return the gaps of all entries in order; those that touch are one."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted({entry.gap for entry in entries}):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def comes_before(one: str | None, other: str | None) -> bool:
    """Return whether a rating key may come before another, or equal it, in a listing sorted by key."""
    return one is None or other is None or (one.isdecimal() and other.isdecimal() and int(one) <= int(other))


def miscount(kind: Kind, number: int) -> str:
    """Return the fault of a total that is too high by ``number`` (negative: too low)."""
    return f"{kind} {number:+}"


def cut_short(kind: Kind, number: int) -> str:
    """Return the fault of a listing without a total that lacks ``number`` of the server's items."""
    return f"{kind} lists {number} fewer than it has"


def mark_of(entry: Skipped) -> str:
    """Return what identifies an entry without a rating key."""
    return blake2b(repr((entry.title, entry.reason)).encode(), digest_size=6).hexdigest()


def keyless(kind: Kind, entries: Iterable[Skipped], more: int = 0) -> tuple[str, ...]:
    """Return the faults of entries without a rating key, each identified by its title and reason.

    ``more`` is the number of entries that were only counted.
    """
    marks = map(mark_of, entries)
    counted = (f"{kind} keyless, {more} more",) if more else ()
    return (*_numbered(f"{kind} keyless {mark}" for mark in sorted(marks)), *counted)


def damaged(items: Mapping[tuple[Kind, str], int]) -> tuple[str, ...]:
    """Return the faults of items that arrived damaged so many times, by kind and rating key."""
    texts = sorted(f"{kind} damaged {key} ({times})" for (kind, key), times in items.items())
    more = (f"damaged, {len(texts) - _MOST_DAMAGED} more",) if len(texts) > _MOST_DAMAGED else ()
    return (*texts[:_MOST_DAMAGED], *more)


def unreadable(kind: Kind, entries: Iterable[Unreadable]) -> tuple[str, ...]:
    """Return the faults of entries that the server cannot send, each identified by its neighbours."""
    places = (f"{kind} unreadable between {each.before} and {each.after}" for each in entries)
    return tuple(_numbered(places))


def describe_unreadable(entries: list[Unreadable]) -> str:
    """Describe the entries that the server cannot send."""
    first = entries[0]
    where = f"the server cannot send the entry at position {first.position}"
    if first.before is not None:
        where += f", after the item with rating key {first.before}"
    elif first.after is not None:
        where += f", before the item with rating key {first.after}"
    more = f" (and {len(entries) - 1} more)" if len(entries) > 1 else ""
    return f"{where}: {first.reason}{more}"


def describe_keyless(entries: list[Skipped], more: int = 0) -> str:
    """Describe the entries without a rating key; an overlong title is cut."""
    number = len(entries) + more
    title = f", such as {entries[0].title[:LONGEST_TITLE]!r}" if entries[0].title else ""
    return f"{number} {'entries have' if number > 1 else 'entry has'} no rating key{title}"


def _numbered(texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts, numbering repeated ones: each repetition is a fault of its own."""
    times: dict[str, int] = {}
    for text in texts:
        times[text] = times.get(text, 0) + 1
        yield text if times[text] == 1 else f"{text} ({times[text]})"


def unreadable_parent(kind: Kind, rating_key: str) -> str:
    """Return the fault of a show or season that was not listed and cannot be read by its key."""
    return f"{kind} unreadable by key {rating_key}"


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
