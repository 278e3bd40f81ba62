"""How much a receiver gets at a time: less after it refused content for its size or took too long, later more."""

from __future__ import annotations

from typing import Final

_MOST_NEEDED: Final = 64


class Portion:
    """The share of the most that is sent at a time.

    It is halved when a receiver cannot cope, and doubled after full portions were accepted: after one at first, as
    after an outage; after twice as many each time that the larger portion then failed.
    """

    def __init__(self) -> None:
        self._halvings = 0
        self._accepted = 0
        self._needed = 1
        self._has_grown = False

    def of(self, most: int) -> int:
        """Return how much to send instead of the most."""
        return max(1, most >> self._halvings)

    def accepted(self, *, is_full: bool) -> None:
        """Note that a portion was accepted; one that was not full proves nothing."""
        if not is_full or not self._halvings:
            return
        self._accepted += 1
        if self._accepted >= self._needed:
            self._halvings -= 1
            self._accepted, self._has_grown = 0, True

    def failed(self, size: int, limit: int) -> bool:
        """Note that so many may have been too many, while ``limit`` were allowed; return whether fewer come next."""
        if size <= 1:
            return False
        if self._has_grown:
            self._needed = min(2 * self._needed, _MOST_NEEDED)
        self._accepted, self._has_grown = 0, False
        while limit >= size:
            self._halvings += 1
            limit >>= 1
        return True
