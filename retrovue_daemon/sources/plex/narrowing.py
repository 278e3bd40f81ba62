"""Finding the one entry that spoils a page, or the one item that spoils a request for several.

If a server cannot build an entry, every request whose page contains it fails: with an error, a broken body, or no
response. The page is requested in halves, down to the entry that cannot be fetched. So are items that are requested
by their keys.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import AnswerBrokeOff, BadAnswer, RequestRefused, ServerBusy, ServerTimeout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from retrovue_daemon.errors import PlexError

MOST_UNREADABLE: Final = 50
"""Skipped entries per listing; with more, the listing as a whole is assumed to fail."""

MOST_IN_A_ROW: Final = 20
"""Skipped entries without a good page in between; with more, the server is assumed to fail, not an entry."""

MOST_TIMEOUTS_IN_A_ROW: Final = 2
"""The same for a server that does not respond at all, because each entry costs a whole timeout."""

LONGEST_S: Final = 600.0
"""Seconds per listing that failing attempts may take."""

_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_UNAVAILABLE: Final = 503


def may_be_one_entry(error: PlexError) -> bool:
    """Return whether a request for fewer entries may succeed where this one failed.

    It cannot if the server as a whole refuses: connection or token refused, busy, starting, redirecting.
    """
    if isinstance(error, ServerBusy):
        return error.status >= _SERVER_ERROR and error.status != _UNAVAILABLE and error.retry_after is None
    if isinstance(error, RequestRefused):
        return error.status == _NOT_FOUND
    return isinstance(error, BadAnswer | ServerTimeout | AnswerBrokeOff)


class Narrowing:
    """The search for the bad entries of one listing: the next size to request, and when to give up.

    Call ``failed`` for each failure and ``succeeded`` for each page received, both with the position after it.
    """

    def __init__(self) -> None:
        self.end = 0
        """Position after the failed page: the search ends when the reader gets there."""
        self._bad_end: int | None = None
        """An entry before this position is bad; None if no bad entry is known."""
        self._size = 1
        self._in_a_row = 0
        self._skipped = 0
        self._lost_s = 0.0
        self._cause: PlexError | None = None
        self._timed_out = False

    def covers(self, start: int) -> bool:
        """Return whether the position is in a failed page."""
        return start < self.end

    def size(self, start: int, total: int | None) -> int:
        """Return how many entries to request from ``start`` on."""
        end = self.end if total is None else max(min(self.end, total), start + 1)
        if self._bad_end is not None:
            return max(1, (min(self._bad_end, end) - start) // 2)
        return max(1, min(self._size, end - start))

    def tries(self, size: int) -> int | None:
        """Return how often to try for this many entries; None for the usual number, before an entry is given up."""
        return None if size == 1 and not self._timed_out and self._in_a_row == 0 else 1

    def failed(self, error: PlexError, *, start: int, size: int, seconds: float) -> bool:
        """Record a failure; return whether to skip the entry at ``start``.

        Raise the first error of the series if there are too many failures.
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
        """Record that a page arrived and that the reader is now at ``start``."""
        self._in_a_row = 0
        self._cause = None
        self._timed_out = False
        self._size *= 2
        if self._bad_end is not None and start >= self._bad_end:
            self._bad_end = None


class Halving:
    """The requests for items by their keys: iterating over it yields the keys to request next.

    Call ``failed`` for each failure and ``succeeded`` for each response.
    """

    def __init__(self, requests: Iterable[Sequence[str]]) -> None:
        self.in_a_row = 0
        """The single items that failed, without a response in between."""
        self.cause: PlexError | None = None
        """The first failure."""
        self._waiting = deque(requests)

    def __iter__(self) -> Iterator[Sequence[str]]:
        while self._waiting:
            yield self._waiting.popleft()

    @property
    def rest(self) -> list[str]:
        """The keys that were not requested yet."""
        return [key for keys in self._waiting for key in keys]

    def tries(self, keys: Sequence[str]) -> int | None:
        """Return how often to try; None for the usual number, before the first failure and for a single item."""
        return 1 if self.cause is not None and len(keys) > 1 else None

    def failed(self, keys: Sequence[str], error: PlexError) -> bool:
        """Record a failure; return whether it was that of a single item. If not, its halves are next."""
        self.cause = self.cause or error
        if len(keys) > 1:
            self.halve(keys)
            return False
        self.in_a_row += 1
        return True

    def halve(self, keys: Sequence[str]) -> None:
        """Request these keys in two halves next."""
        middle = len(keys) // 2
        self._waiting.extendleft([keys[middle:], keys[:middle]])

    def succeeded(self, absent: Sequence[str] = ()) -> None:
        """Record a response; the keys that are ``absent`` from it are requested next."""
        self.in_a_row = 0
        if absent:
            self._waiting.appendleft(absent)
