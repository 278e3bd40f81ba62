"""Hints that wait to be followed: collected until a server is quiet, bounded, and dropped in a flood."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from retrovue_daemon.records import (
    Changed,
    CollectionChanged,
    LibraryBusy,
    LibrarySettled,
    Refreshed,
    Removed,
    ScanCompleted,
)
from retrovue_daemon.service.live.scans import ScanTexts
from retrovue_daemon.service.live.vain import VainRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from retrovue_daemon.records import Hint

QUIET_S: Final = 2.0
"""Seconds without a further hint at an item after which the waiting ones are followed."""

IMPATIENT_S: Final = 3.0
"""Seconds that a hint waits at most, if the server has not been quiet for no more than a minute."""

LONGEST_S: Final = 15.0
"""Seconds that a hint waits at most, however long the server has not been quiet: then it has enough to do."""

PATIENCE: Final = 1 / 20
"""The share of the time since the server was last quiet that a hint waits between these limits."""

YOUNG_S: Final = 1.0
"""Seconds that each item waits at least: servers repeat their last frame, and may still write what they announced."""

UNSETTLED_S: Final = 60.0
"""Seconds after which an item is read although the server has not said that it is finished."""

SETTLE_S: Final = 30.0
"""Seconds without a hint at a library after which it is looked at once more: a scan's end is not the last change."""

LOOK_GAP_S: Final = 30.0
"""Seconds between two looks at a library because of scans that ended."""

PAUSE: Final = 5
"""How many times as long as a library's passes lasted nothing looks at it because of another scan."""

BROWSED_S: Final = 60.0
"""Seconds between two requests for an item that a user opened in Plex."""

MOST_PENDING: Final = 500
"""Items of a library that may wait; with more, the whole library is listed instead."""

MOST_FRAMES: Final = 2_000
FLOOD_S: Final = 10.0
"""More frames than that in so many seconds are a flood."""

MOST_LIBRARIES: Final = 1_000
_MOST_BROWSED: Final = 1_000


class ItemsDue(NamedTuple):
    """Items to request; ``library`` is the key of their library, None if unknown. ``since`` is the first hint.

    Without a library, ``unplaced`` are those that are worth a request even if no row has their key: they may be new.
    """

    library: str | None
    rating_keys: tuple[str, ...]
    since: float
    unplaced: frozenset[str] = frozenset()


class LibraryDue(NamedTuple):
    """A library to look at, or None for all; ``full`` means to list it completely."""

    library: str | None
    full: bool


class _Ready(NamedTuple):
    """When the first hint at an item came, and when the one by which it is finished; whether it may be a new item."""

    since: float
    finished: float
    may_be_new: bool


class _Library(msgspec.Struct):
    """What waits for one library. Times are seconds of the monotonic clock."""

    ready: dict[str, _Ready] = msgspec.field(default_factory=dict)
    """Rating keys of items to request."""
    unsettled: dict[str, float] = msgspec.field(default_factory=dict)
    """Rating keys of items that the server still works on, with the time of the first hint."""
    later: dict[str, float] = msgspec.field(default_factory=dict)
    """Rating keys of items to request again, and when."""
    last: float = 0.0
    looked: float = float("-inf")
    gap: float = LOOK_GAP_S
    """Seconds between two looks."""
    look: bool = False
    look_again: bool = False
    full: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.ready or self.unsettled or self.later or self.look or self.look_again or self.full)

    def drop_items(self) -> None:
        self.ready.clear()
        self.unsettled.clear()
        self.later.clear()
        self.full = True


class PendingHints:
    """The hints of one server that were not followed yet. The caller takes what is due; nothing is started here."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.floods = 0
        """How often hints were dropped because there were too many."""
        self.vain = VainRequests(monotonic)
        self._monotonic = monotonic
        self._libraries: dict[str | None, _Library] = {}
        self._frames: deque[float] = deque(maxlen=MOST_FRAMES + 1)
        self._last_item = float("-inf")
        self._restless_since = 0.0
        self._browsed: dict[str, float] = {}
        self._markers: set[str | None] = set()
        self._texts = ScanTexts(monotonic)

    def note_frame(self) -> None:
        """Count a frame; in a flood, drop the items that wait, and list their libraries instead."""
        now = self._monotonic()
        self._frames.append(now)
        if len(self._frames) > MOST_FRAMES and now - self._frames[0] <= FLOOD_S:
            self._frames.clear()
            for library in self._libraries.values():
                if library.ready or library.unsettled or library.later:
                    self._flood(library)

    def add(self, hints: Iterable[Hint]) -> None:
        """Add the hints of a frame."""
        for hint in hints:
            if isinstance(hint, Changed):
                self._add_item(hint.library, hint.rating_key, settled=hint.settled, may_be_new=True)
            elif isinstance(hint, Removed):
                self._add_item(hint.library, hint.rating_key)
            elif isinstance(hint, Refreshed):
                if hint.likely or self._is_first_visit(hint.rating_key):
                    self._add_item(None, hint.rating_key)
            elif isinstance(hint, LibraryBusy):
                if hint.library in self._libraries:
                    self._libraries[hint.library].last = self._monotonic()
            elif isinstance(hint, ScanCompleted):
                self._texts.heard()
            elif isinstance(hint, LibrarySettled | CollectionChanged):
                if isinstance(hint, LibrarySettled):
                    self._texts.activity_ended()
                self._look(hint.library)
            elif len(self._markers) < MOST_LIBRARIES:
                self._markers.add(hint.library)

    def add_items(self, library: str | None, rating_keys: Iterable[str], *, seconds: float = 0.0) -> None:
        """Add items to be requested again, not before so many seconds."""
        for key in rating_keys:
            if seconds:
                waiting = self._library(library)
                waiting.later[key] = self._monotonic() + seconds
                self._check(waiting)
            else:
                self._add_item(library, key)

    def look_again(self, library: str) -> None:
        """Look at a library once it is quiet."""
        self._library(library).look_again = True

    def note_passes(self, library: str, seconds: float) -> None:
        """Take looks at a library the less often the longer its passes last: each scan may list all of it."""
        if library in self._libraries:
            self._libraries[library].gap = max(LOOK_GAP_S, PAUSE * seconds)
        if None in self._libraries:  # all of them
            self._libraries[None].gap = max(self._libraries[None].gap, PAUSE * seconds)

    def take_markers(self) -> set[str | None]:
        """Return the libraries of whose items markers were made, None for any, and forget them."""
        taken, self._markers = self._markers, set()
        return taken

    def clear(self) -> None:
        """Drop everything, because the whole server is polled."""
        self._libraries.clear()
        self._texts = ScanTexts(self._monotonic)

    def due(self) -> list[ItemsDue | LibraryDue]:
        """Return what is due now, and forget it: hints that come while it is followed wait anew."""
        return list(self._take_due(self._monotonic()))

    def _look(self, library: str | None) -> None:
        """Look at a library at once, and again once it is quiet."""
        waiting = self._library(library)
        waiting.look = waiting.look_again = True

    def _take_due(self, now: float) -> Iterator[ItemsDue | LibraryDue]:
        if self._texts.take():
            self._look(None)
        for key, library in list(self._libraries.items()):
            for keys, seconds in ((library.unsettled, UNSETTLED_S), (library.later, 0.0)):
                for each in [one for one, since in keys.items() if since + seconds <= now]:
                    since = keys.pop(each)
                    library.ready.setdefault(each, _Ready(since, min(since, now - QUIET_S), may_be_new=True))
            if library.ready and self._items_at(library) <= now:
                taken = [each for each, ready in library.ready.items() if ready.finished + YOUNG_S <= now]
                unplaced = frozenset(each for each in taken if key is None and library.ready[each].may_be_new)
                # An item that is looked at again has the time of that look.
                since = min(now, *(library.ready.pop(each).since for each in taken))
                yield ItemsDue(key, tuple(taken), since, unplaced)
            yield from self._looks_due(key, library, now)
            if library.is_empty and library.looked + library.gap <= now:
                del self._libraries[key]

    @property
    def due_in(self) -> float | None:
        """Seconds until something is due; None if nothing waits."""
        times = [time for library in self._libraries.values() for time in self._times(library)]
        times += [] if self._texts.due is None else [self._texts.due]
        return max(0.0, min(times) - self._monotonic()) if times else None

    # -- one library ------------------------------------------------------------------------------------------------

    def _library(self, key: str | None) -> _Library:
        if key not in self._libraries and len(self._libraries) >= MOST_LIBRARIES:
            key = None  # keys without end can only be invented
        library = self._libraries.setdefault(key, _Library())
        library.last = self._monotonic()
        return library

    def _add_item(
        self, library_key: str | None, rating_key: str, *, settled: bool = True, may_be_new: bool = False
    ) -> None:
        library, now = self._library(library_key), self._monotonic()
        if library.full:
            return
        if may_be_new and settled and (wait := self.vain.wait(rating_key)):
            library.unsettled.pop(rating_key, None)
            library.later.setdefault(rating_key, now + wait)
        elif settled:
            since = library.unsettled.pop(rating_key, now)
            ready = library.ready.get(rating_key, _Ready(since, now, may_be_new))
            library.ready[rating_key] = ready._replace(may_be_new=may_be_new or ready.may_be_new)
            if now - self._last_item >= QUIET_S:
                self._restless_since = now
            self._last_item = now
        elif rating_key not in library.ready:
            library.unsettled.setdefault(rating_key, now)
        self._check(library)

    def _check(self, library: _Library) -> None:
        if len(library.ready) + len(library.unsettled) + len(library.later) > MOST_PENDING:
            self._flood(library)

    def _flood(self, library: _Library) -> None:
        library.drop_items()
        self.floods += 1

    def _is_first_visit(self, rating_key: str) -> bool:
        now = self._monotonic()
        if self._browsed.get(rating_key, float("-inf")) + BROWSED_S > now:
            return False
        if len(self._browsed) >= _MOST_BROWSED:
            self._browsed.clear()
        self._browsed[rating_key] = now
        return True

    def _items_at(self, library: _Library) -> float:
        """Return when items are due: when the server is quiet, or when the first one has waited long enough."""
        first = min(ready.finished for ready in library.ready.values())
        patience = (first - self._restless_since) * PATIENCE
        return min(self._last_item + QUIET_S, first + min(max(IMPATIENT_S, patience), LONGEST_S))

    def _looks_due(self, key: str | None, library: _Library, now: float) -> Iterator[LibraryDue]:
        if library.full and max(library.last + SETTLE_S, library.looked + library.gap) <= now:
            library.full = library.look = library.look_again = False
            library.looked = now
            yield LibraryDue(key, full=True)
        if library.look and library.looked + library.gap <= now:
            library.look = False
            library.looked = now
            yield LibraryDue(key, full=False)
        elif library.look_again and not library.look and library.last + SETTLE_S <= now:
            library.look_again = False
            library.looked = now
            yield LibraryDue(key, full=False)

    def _times(self, library: _Library) -> Iterator[float]:
        if library.ready:
            yield self._items_at(library)
        if library.unsettled:
            yield min(library.unsettled.values()) + UNSETTLED_S
        if library.later:
            yield min(library.later.values())
        if library.full:
            yield max(library.last + SETTLE_S, library.looked + library.gap)
        if library.look_again and not library.look:
            yield library.last + SETTLE_S
        if library.look:
            yield library.looked + library.gap
