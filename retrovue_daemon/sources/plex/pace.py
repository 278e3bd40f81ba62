"""How fast pages are requested from a server: as fast as it responds with ease, and no faster.

A Plex server often runs in a living room. Its response times are watched: pages shrink if one takes long, and a
server that becomes much slower, because it is transcoding or scanning, gets one request at a time, with a pause after
each.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog

from retrovue_daemon.clock import Clock
from retrovue_daemon.errors import ServerTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SMALLEST_PAGE: Final = 25
"""Entries; a server that cannot send this few in time will not send fewer either."""

LONG_S: Final = 6.0
"""Seconds after which a page was too large, so that the next ones are halved. The timeout is much longer."""

SHORT_S: Final = 1.5
"""Seconds within which a page may be doubled again."""

PATIENCE: Final = 100
"""Consecutive fast pages needed to try a size again that timed out before."""

SLOW_S: Final = 1.0
"""Seconds within which no page counts as slow, however fast others were."""

SLOWER: Final = 4.0
"""The slowdown per entry, relative to the fastest pages, at which a server counts as busy with something else."""

TELLING: Final = 100
"""Entries from which on a page says something about the time per entry, not only about that per request."""

SHORTEST_REST_S: Final = 0.5
"""Seconds below which a pause is skipped."""

FORGETTING: Final = 1.02
"""The factor by which the fastest time grows with every page: servers change, and a single page may be lucky."""

FORGETTING_SLOWLY: Final = 1.001
"""The same while the server is slow: after 1,400 pages, an hour or more, this is its normal speed."""

LONGEST_REST_S: Final = 10.0

_log = structlog.get_logger(__name__)


class Pace:
    """The response times of one server, and their consequences."""

    def __init__(self, server: str, clock: Clock | None = None) -> None:
        self._server = server
        self._clock = clock or Clock()
        self._fastest: dict[str, float] = {}
        """Seconds per entry, by kind: a season takes a third of an episode with its files."""
        self._shrunk = 1
        self._short = 0
        """Consecutive full pages that arrived within SHORT_S since the size last changed."""
        self._patience = 1
        self._rest = 0.0
        self._alone = asyncio.Lock()

    @property
    def slow(self) -> bool:
        """Whether the server is much slower than before."""
        return self._rest > 0

    def page_size(self, most: int) -> int:
        """Return how many entries to request for the next page, at most ``most``."""
        return max(most // self._shrunk, min(most, SMALLEST_PAGE))

    def ahead(self, most: int) -> int:
        """Return how many pages may be requested before the first of them arrives, at most ``most``."""
        return 1 if self.slow else most

    def timed_out(self, asked: int, most: int) -> None:
        """Record that a page of ``asked`` entries timed out, of at most ``most``."""
        self._shrink(asked, most)
        self._patience = PATIENCE

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until the next page may be requested: at once or, if the server is slow, alone and after a pause.

        If the page times out, the server counts as slow from then on, because it may still be working on the
        response.
        """
        try:
            if not self.slow:
                yield
                return
            async with self._alone:
                await self._clock.sleep(self._rest)
                yield
        except ServerTimeout:
            self._judge(slow=True, entries=None, seconds=None)
            raise

    def arrived(self, kind: str, *, asked: int, most: int, entries: int, seconds: float) -> None:
        """Record how long a page of a kind took, as soon as its body has arrived.

        ``asked`` entries were requested, of at most ``most``; ``entries`` is the number that the page should have.
        """
        if seconds > LONG_S:
            self._shrink(asked, most)
        if entries >= TELLING:
            each = seconds / entries
            slow = seconds > SLOW_S and each > SLOWER * self._fastest.get(kind, each)
            self._judge(slow=slow, entries=entries, seconds=seconds)
        elif self.slow and seconds < self._rest:
            # One small response does not show that the server has recovered; a few do.
            self._rest /= 2
            if self._rest < SHORTEST_REST_S:
                self._judge(slow=False, entries=entries, seconds=seconds)

    def counted(self, kind: str, *, asked: int, most: int, entries: int, seconds: float) -> None:
        """Record how many ``entries`` such a page really has, once it was parsed.

        A page that is not full, such as a response to an update filter, says nothing about how large pages may be.
        """
        if seconds <= LONG_S and asked <= entries and asked <= self.page_size(most):
            self._short = self._short + 1 if seconds < SHORT_S else 0
            if self._short >= self._patience and self._shrunk > 1:
                self._shrunk //= 2
                self._short = 0
        if entries >= TELLING:
            each = seconds / entries
            forgetting = FORGETTING_SLOWLY if self.slow else FORGETTING
            self._fastest[kind] = min(each, self._fastest.get(kind, each) * forgetting)

    def _shrink(self, asked: int, most: int) -> None:
        """Halve the page size, once for all pages requested with the same size."""
        if SMALLEST_PAGE < asked <= self.page_size(most):
            self._shrunk *= 2
            self._short = 0

    def _judge(self, *, slow: bool, entries: int | None, seconds: float | None) -> None:
        """Set the pause, and log when pauses begin or end; ``seconds`` is None if the page did not arrive."""
        if slow != self.slow:
            details = {"server": self._server, "entries": entries, "seconds": seconds and round(seconds, 1)}
            if slow:
                _log.info("server.slow", **details)
            else:
                _log.info("server.fast_again", **details)
        longest = LONGEST_REST_S if seconds is None else min(seconds, LONGEST_REST_S)
        self._rest = longest if slow else 0.0
