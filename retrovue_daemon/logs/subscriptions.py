"""Log events for programs: passed on before any log level is applied, and without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

Take: TypeAlias = Callable[[str, str, dict[str, Any]], None]
"""Gets the name of an event, its level and its keys. It is called in the thread that logs, and must not log."""


class Subscriptions:
    """Who gets which events of this process. There is one subscriber at most."""

    def __init__(self) -> None:
        self._events: frozenset[str] = frozenset()
        self._take: Take | None = None

    def follow(self, events: Iterable[str], take: Take) -> None:
        """Pass these events on from now on, instead of the earlier ones."""
        self._events, self._take = frozenset(events), take

    def stop(self) -> None:
        """Pass nothing on any more."""
        self._events, self._take = frozenset(), None

    def wants(self, event: object) -> bool:
        """Return whether an event is to be passed on."""
        return event in self._events

    def pass_on(self, event: str, level: str, keys: dict[str, Any]) -> None:
        """Pass an event on; its keys must be free of secrets."""
        # Another thread may stop it at any moment.
        take = self._take
        if take is not None:
            take(event, level, keys)
