"""The log line of one request, at level debug: what an operator compares with the server's own log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import structlog

from retrovue_daemon.errors import PlexError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.sources.plex.body import BodyShare

log = structlog.get_logger()


class RequestLine:
    """A context that logs a request when it ends, even if it fails or is cancelled.

    ``status`` is to be set when the response begins; ``share`` knows how much of the body has been received. No
    header is logged, and the token is in no path or parameter.
    """

    def __init__(
        self,
        server: str,
        path: str,
        params: Mapping[str, str] | None,
        share: BodyShare,
        clock: Clock,
    ) -> None:
        self.status: int | None = None
        self._server = server
        self._path = path
        self._params = params
        self._share = share
        self._clock = clock
        self._began = clock.monotonic()

    @property
    def seconds(self) -> float:
        """The time since the request began."""
        return self._clock.monotonic() - self._began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        log.debug(
            "http.request",
            server=self._server,
            path=self._path,
            query=dict(self._params or {}),
            status=self.status,
            bytes=self._share.received,
            duration_s=round(self.seconds, 3),
            error=_words(error),
        )


def _words(error: BaseException | None) -> str | None:
    """Return an error in words; of a foreign one only the type, because its text may hold the request's headers."""
    if error is None:
        return None
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return str(error) if isinstance(error, PlexError) else type(error).__name__
