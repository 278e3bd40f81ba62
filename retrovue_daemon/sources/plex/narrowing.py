"""One entry that spoils its page: the search for it within the page that failed.

A server that cannot build one entry answers every request whose page holds it with an error, a broken body or
nothing. The page is asked for in halves, down to the entry that cannot be had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import AnswerBrokeOff, BadAnswer, RequestRefused, ServerBusy, ServerTimeout

if TYPE_CHECKING:
    from retrovue_daemon.errors import PlexError

MOST_UNREADABLE: Final = 50
"""Entries of one listing that are skipped; a listing with more is in trouble as a whole."""

MOST_IN_A_ROW: Final = 20
"""Entries without a good page in between: then the server is in trouble, and not an entry."""

MOST_TIMEOUTS_IN_A_ROW: Final = 2
"""The same where the server does not answer at all: each costs a whole timeout."""

LONGEST_S: Final = 600.0
"""Seconds of one listing that failing tries may take."""

_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_UNAVAILABLE: Final = 503


def may_be_one_entry(error: PlexError) -> bool:
    """Return whether a request for fewer entries may succeed where this one failed.

    Not where the server as a whole says no: connection refused, token refused, busy, starting, redirecting.
    """
    if isinstance(error, ServerBusy):
        return error.status >= _SERVER_ERROR and error.status != _UNAVAILABLE and error.retry_after is None
    if isinstance(error, RequestRefused):
        return error.status == _NOT_FOUND
    return isinstance(error, BadAnswer | ServerTimeout | AnswerBrokeOff)


class Narrowing:
    """The search for the bad entries of one listing: which size to ask for next, and when to give up.

    ``failed`` takes in each failure and ``succeeded`` each page that came, both with the position behind it.
    """

    def __init__(self) -> None:
        self.end = 0
        """Position behind the page that failed: the search is over when the reader comes there."""
        self._bad_end: int | None = None
        """An entry before this position is bad; None where no bad one is known of."""
        self._size = 1
        self._in_a_row = 0
        self._skipped = 0
        self._lost_s = 0.0
        self._cause: PlexError | None = None
        self._timed_out = False

    def covers(self, start: int) -> bool:
        """Return whether the position lies in a page that failed."""
        return start < self.end

    def size(self, start: int, total: int | None) -> int:
        """Return how many entries to ask for from ``start`` on."""
        end = self.end if total is None else max(min(self.end, total), start + 1)
        if self._bad_end is not None:
            return max(1, (min(self._bad_end, end) - start) // 2)
        return max(1, min(self._size, end - start))

    def tries(self, size: int) -> int | None:
        """Return how often to try for so many entries; None for as often as usual, before an entry is given up."""
        return None if size == 1 and not self._timed_out and self._in_a_row == 0 else 1

    def failed(self, error: PlexError, *, start: int, size: int, seconds: float) -> bool:
        """Take in a failure; return whether the entry at ``start`` is to be skipped.

        Raises the error that the trouble began with, where there is too much of it.
        """
        cause = self._cause = self._cause or error
        self._lost_s += seconds
        self._timed_out = isinstance(error, ServerTimeout)
        self.end = max(self.end, start + size)
        self._bad_end = start + size
        if self._lost_s > LONGEST_S:
            raise cause
        if size > 1:
            return False
        self._bad_end = None
        self._size = 1
        self._in_a_row += 1
        self._skipped += 1
        in_a_row = MOST_TIMEOUTS_IN_A_ROW if self._timed_out else MOST_IN_A_ROW
        if self._in_a_row > in_a_row or self._skipped > MOST_UNREADABLE:
            raise cause
        return True

    def succeeded(self, start: int) -> None:
        """Take in that a page came, and that the reader is now at ``start``."""
        self._in_a_row = 0
        self._cause = None
        self._timed_out = False
        self._size *= 2
        if self._bad_end is not None and start >= self._bad_end:
            self._bad_end = None
