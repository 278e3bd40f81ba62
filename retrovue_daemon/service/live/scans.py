"""The status text that a scan is complete: it names no library, and mostly repeats what an activity has said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SAME_SCAN_S: Final = 5.0
"""Seconds between the end of a scan's activity and its status text, whichever comes first."""


class ScanTexts:
    """Finds the status texts that stand for a scan of which nothing else is known."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._ended = float("-inf")
        self._text: float | None = None

    def activity_ended(self) -> None:
        """Record that the activity of a scan has ended, which says more than a status text."""
        self._ended, self._text = self._monotonic(), None

    def heard(self) -> None:
        """Record a status text."""
        now = self._monotonic()
        if self._text is None and self._ended + SAME_SCAN_S <= now:
            self._text = now

    @property
    def due(self) -> float | None:
        """When to take the latest text for a scan of its own; None if there is none."""
        return None if self._text is None else self._text + SAME_SCAN_S

    def take(self) -> bool:
        """Return whether only a status text reported a scan, and forget that scan."""
        is_due = self.due is not None and self.due <= self._monotonic()
        if is_due:
            self._text = None
        return is_due
