"""Items that are announced again and again although nothing differs, for example because of the requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MOST_IN_VAIN: Final = 3
"""Requests for an item in a row that may find nothing before the next hint at it waits."""

FIRST_WAIT_S: Final = 5.0
LONGEST_WAIT_S: Final = 60.0
"""Seconds between two requests for such an item; each further one in vain doubles the wait."""

FORGOTTEN_S: Final = 600.0
"""Seconds after a request in vain after which it no longer counts."""

_MOST_REMEMBERED: Final = 1_000


class _Vain(NamedTuple):
    times: int
    latest: float


class VainRequests:
    """Counts requests for announced items that found nothing; bounded.

    Where each request causes a notification, which causes a request, the two would go on for ever.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._vain: dict[str, _Vain] = {}

    def begin(self, rating_keys: Iterable[str]) -> None:
        """Count a request for these items, which is in vain until it finds something: hints come before its end."""
        now = self._monotonic()
        for key in rating_keys:
            before = self._vain.pop(key, None)
            if len(self._vain) >= _MOST_REMEMBERED:
                self._vain.clear()
            times = before.times if before is not None and before.latest + FORGOTTEN_S > now else 0
            self._vain[key] = _Vain(times + 1, now)

    def found(self, rating_keys: Iterable[str]) -> None:
        """Forget these items: the request for them has changed rows, or has failed."""
        for key in rating_keys:
            self._vain.pop(key, None)

    def wait(self, rating_key: str) -> float:
        """Return the seconds until a hint at an item may be followed; 0 for at once."""
        vain = self._vain.get(rating_key)
        if vain is None or vain.times < MOST_IN_VAIN:
            return 0.0
        wait: float = min(FIRST_WAIT_S * 2 ** min(vain.times - MOST_IN_VAIN, 10), LONGEST_WAIT_S)
        return max(0.0, vain.latest + wait - self._monotonic())
