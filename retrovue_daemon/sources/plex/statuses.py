"""What a status says about a server that is there, but cannot respond now."""

from __future__ import annotations

import email.utils
import time
from typing import Final

LONGEST_BACKOFF: Final = 300.0

_PASSING: Final = frozenset({408, 429})
_NOT_IMPLEMENTED: Final = 501
_SERVER_ERRORS: Final = 500


def is_passing(status: int) -> bool:
    """Return whether the same request may succeed later: 408, 429 or 5xx, except 501."""
    return status in _PASSING or (status >= _SERVER_ERRORS and status != _NOT_IMPLEMENTED)


def retry_after(value: str | None) -> float | None:
    """Return ``Retry-After``, seconds or a date (RFC 9110, 10.2.3), as seconds from now, at most LONGEST_BACKOFF."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    # NaN is not equal to itself.
    return min(max(seconds, 0.0), LONGEST_BACKOFF) if seconds == seconds else None  # noqa: PLR0124
