"""The items that were requested a moment ago: what the server announces because of that is ignored."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.clock import Clock

ECHO_S: Final = 30.0
"""Seconds after a request for an item during which the server's check of that item is taken for its effect."""

_ITEMS: Final = "/library/metadata/"
_PICTURES: Final = ("thumb/", "art/")
"""Below an item: a request for them makes no server check the item."""
_MOST: Final = 20_000


class RequestedItems:
    """The rating keys of single items that were requested within the last ``ECHO_S`` seconds; bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: dict[str, float] = {}
        """Times by rating key, the oldest first."""

    @contextmanager
    def during(self, path: str) -> Iterator[None]:
        """Note the items of a request for this path, at its beginning and at its end."""
        ids, _, below = path.removeprefix(_ITEMS).partition("/")
        keys = ids.split(",") if path.startswith(_ITEMS) and not below.startswith(_PICTURES) else []
        self._note(keys)
        try:
            yield
        finally:
            self._note(keys)

    def __contains__(self, rating_key: str) -> bool:
        """Return whether an item was requested a moment ago."""
        return self._latest.get(rating_key, float("-inf")) + ECHO_S > self._clock.monotonic()

    def _note(self, rating_keys: list[str]) -> None:
        now = self._clock.monotonic()
        for key in rating_keys:
            self._latest.pop(key, None)
            self._latest[key] = now
        while self._latest:
            oldest = next(iter(self._latest))
            if self._latest[oldest] + ECHO_S > now and len(self._latest) <= _MOST:
                break
            del self._latest[oldest]
