"""How a server is asked for its pages: as fast as it likes to be asked, and no faster.

A Plex server is somebody's living room. Its answer times are watched: pages shrink where one takes long, and a server
that gets much slower than it was, because it transcodes or scans, is asked for one page at a time, with a rest after
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
"""Entries; a server that cannot send so few in time will not send fewer either."""

LONG_S: Final = 6.0
"""Seconds after which a page was too large: the next ones are half as large. The timeout is far away yet."""

SHORT_S: Final = 1.5
"""Seconds within which a page may be twice as large again."""

PATIENCE: Final = 100
"""Short pages in a row that it takes to try larger ones where such did not come in time before."""

SLOW_S: Final = 1.0
"""Seconds within which no page is slow, however fast others were."""

SLOWER: Final = 4.0
"""How many times as long as the fastest ones an entry takes on a server that is busy with something else."""

TELLING: Final = 100
"""Entries from which on a page says something about the time of an entry, and not only about that of a request."""

SHORTEST_REST_S: Final = 0.5
"""Seconds below which a rest is none."""

FORGETTING: Final = 1.02
"""By how much the fastest time is taken to be longer with every page: servers change, and one page may be lucky."""

FORGETTING_SLOWLY: Final = 1.001
"""The same while the server is slow: after 1,400 pages, an hour or more, that is what it is like."""

LONGEST_REST_S: Final = 10.0

_log = structlog.get_logger(__name__)


class Pace:
    """The answer times of one server, and what follows from them."""

    def __init__(self, server: str, clock: Clock | None = None) -> None:
        self._server = server
        self._clock = clock or Clock()
        self._fastest: dict[str, float] = {}
        """Seconds an entry, by what is listed: a season is a third of an episode with its files."""
        self._shrunk = 1
        self._short = 0
        """Full pages in a row that came within SHORT_S, since the size last changed."""
        self._patience = 1
        self._rest = 0.0
        self._alone = asyncio.Lock()

    @property
    def slow(self) -> bool:
        """Whether the server is much slower than it was."""
        return self._rest > 0

    def page_size(self, most: int) -> int:
        """Return how many entries the next page should have, where ``most`` are allowed."""
        return max(most // self._shrunk, min(most, SMALLEST_PAGE))

    def ahead(self, most: int) -> int:
        """Return how many pages may be asked for before the first of them is there, where ``most`` are allowed."""
        return 1 if self.slow else most

    def timed_out(self, asked: int, most: int) -> None:
        """Take in that a page of ``asked`` entries did not come in time, where ``most`` are allowed."""
        self._shrink(asked, most)
        self._patience = PATIENCE

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until the next page may be asked for: at once, or alone and after a rest where the server is slow.

        Where it does not come in time the server is slow from then on: it may still be working on the answer.
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
        """Take in how long a page of a kind took, as soon as its body is there.

        ``asked`` entries were asked for where ``most`` are allowed; ``entries`` are those that it should have.
        """
        if seconds > LONG_S:
            self._shrink(asked, most)
        if entries >= TELLING:
            each = seconds / entries
            slow = seconds > SLOW_S and each > SLOWER * self._fastest.get(kind, each)
            self._judge(slow=slow, entries=entries, seconds=seconds)
        elif self.slow and seconds < self._rest:
            # One small answer does not show that the server is well again; a few do.
            self._rest /= 2
            if self._rest < SHORTEST_REST_S:
                self._judge(slow=False, entries=entries, seconds=seconds)

    def counted(self, kind: str, *, asked: int, most: int, entries: int, seconds: float) -> None:
        """Take in how many ``entries`` such a page has indeed, once it was read.

        One that is not full, such as the answer to what has changed, says nothing of how large pages may be.
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
        """Halve the pages, once for all that were asked for in the same size."""
        if SMALLEST_PAGE < asked <= self.page_size(most):
            self._shrunk *= 2
            self._short = 0

    def _judge(self, *, slow: bool, entries: int | None, seconds: float | None) -> None:
        """Set the rest, and tell where it begins or ends; ``seconds`` is None where the page did not come."""
        if slow != self.slow:
            told = {"server": self._server, "entries": entries, "seconds": seconds and round(seconds, 1)}
            if slow:
                _log.info("server.slow", **told)
            else:
                _log.info("server.fast_again", **told)
        longest = LONGEST_REST_S if seconds is None else min(seconds, LONGEST_REST_S)
        self._rest = longest if slow else 0.0
