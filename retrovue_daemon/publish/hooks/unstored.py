"""Events between the log and the database, at most so many per hook: one hook cannot cost another one its events."""

from __future__ import annotations

from collections import Counter, deque
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

from retrovue_daemon.store.tables.hook_events import MOST_WAITING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.store.tables.hook_events import HookEvent


class TakenEvents(NamedTuple):
    """Events to be stored, and how many older ones of each hook were dropped before."""

    events: Sequence[HookEvent]
    dropped: Mapping[str, int]


class UnstoredEvents:
    """Keeps events until they are stored. Any thread may add some.

    While the database cannot be written, the oldest events of a hook with too many are dropped and counted.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        # Adding an event may collect garbage, and a finalizer may log.
        self._lock = RLock()
        self._events: dict[str, deque[HookEvent]] = {}
        self._dropped: Counter[str] = Counter()

    def add(self, event: HookEvent) -> bool:
        """Keep an event; return whether it is the only one."""
        with self._lock:
            was_empty = not self._events
            self._append(event)
            return was_empty

    def take(self) -> TakenEvents | None:
        """Return all events, of each hook in their order, and keep them no longer; None if there are none."""
        with self._lock:
            if not self._events:
                return None
            taken = TakenEvents([event for some in self._events.values() for event in some], dict(self._dropped))
            self._events.clear()
            self._dropped.clear()
            return taken

    def put_back(self, taken: TakenEvents) -> None:
        """Keep events that could not be stored, before those that came meanwhile."""
        with self._lock:
            later = [event for some in self._events.values() for event in some]
            self._events.clear()
            self._dropped.update(taken.dropped)
            for event in (*taken.events, *later):
                self._append(event)

    def keep_only(self, hooks: Sequence[str]) -> None:
        """Forget the events of all hooks but these."""
        with self._lock:
            for name in self._events.keys() - set(hooks):
                del self._events[name], self._dropped[name]

    def _append(self, event: HookEvent) -> None:
        some = self._events.setdefault(event.hook, deque())
        some.append(event)
        if len(some) > self._most:
            some.popleft()
            self._dropped[event.hook] += 1
