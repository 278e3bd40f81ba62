"""What of a listing could not be read or counted, as values that can be compared with those of the listing before.

A fault is a short text without positions, which shift. The same faults a second time are how the server is.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from retrovue_daemon.records import Kind, Skipped

_LONGEST_TITLE = 100


class Unreadable(msgspec.Struct):
    """An entry that the server cannot send: its position, and the rating keys of the entries around it."""

    position: int
    before: str | None
    reason: str
    after: str | None = None

    def may_be(self, rating_key: str) -> bool:
        """Return whether the entry may be the item with this key: listings are sorted by it."""
        if not rating_key.isdecimal():
            return True
        return comes_before(self.before, rating_key) and comes_before(rating_key, self.after)


def comes_before(one: str | None, other: str | None) -> bool:
    """Return whether a rating key may stand before, or at, another one where a listing is sorted by them."""
    return one is None or other is None or (one.isdecimal() and other.isdecimal() and int(one) <= int(other))


def miscount(kind: Kind, number: int) -> str:
    """Return the fault of a total that is ``number`` too high, or too low (negative)."""
    return f"{kind} {number:+}"


def cut_short(kind: Kind, number: int) -> str:
    """Return the fault of a listing without a total that lacks ``number`` items that the server has."""
    return f"{kind} lists {number} fewer than it has"


def keyless(kind: Kind, entries: Iterable[Skipped], more: int = 0) -> tuple[str, ...]:
    """Return the faults of entries without a rating key, each known by its title and by what is wrong with it.

    ``more`` of them are only counted.
    """
    marks = (blake2b(repr((each.title, each.reason)).encode(), digest_size=6).hexdigest() for each in entries)
    counted = (f"{kind} keyless, {more} more",) if more else ()
    return (*_numbered(f"{kind} keyless {mark}" for mark in sorted(marks)), *counted)


def unreadable(kind: Kind, entries: Iterable[Unreadable]) -> tuple[str, ...]:
    """Return the faults of entries that the server cannot send, each known by its neighbours."""
    places = (f"{kind} unreadable between {each.before} and {each.after}" for each in entries)
    return tuple(_numbered(places))


def told_unreadable(entries: list[Unreadable]) -> str:
    """Say in words which entries the server cannot send."""
    first = entries[0]
    where = f"the server cannot send the entry at position {first.position}"
    if first.before is not None:
        where += f", after the item with rating key {first.before}"
    elif first.after is not None:
        where += f", before the item with rating key {first.after}"
    more = f" (and {len(entries) - 1} more)" if len(entries) > 1 else ""
    return f"{where}: {first.reason}{more}"


def told_keyless(entries: list[Skipped], more: int = 0) -> str:
    """Say in words which entries have no rating key; a title is cut where it is no title any more."""
    number = len(entries) + more
    title = f", such as {entries[0].title[:_LONGEST_TITLE]!r}" if entries[0].title else ""
    return f"{number} {'entries have' if number > 1 else 'entry has'} no rating key{title}"


def _numbered(texts: Iterable[str]) -> Iterator[str]:
    """Make texts that come more than once different: one more of them is another fault."""
    times: dict[str, int] = {}
    for text in texts:
        times[text] = times.get(text, 0) + 1
        yield text if times[text] == 1 else f"{text} ({times[text]})"


def unreadable_parent(kind: Kind, rating_key: str) -> str:
    """Return the fault of a show or season that no listing showed and that cannot be read by its key."""
    return f"{kind} unreadable by key {rating_key}"
