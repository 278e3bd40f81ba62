"""How fast pages are requested from a server: as fast as it responds with ease, and no faster.

A Plex server often runs in a living room. Its response times are watched: pages shrink if one takes long, and a
server that becomes much slower, because it is transcoding or scanning, gets one request at a time, with a pause after
each. If only one listing does not respond, because of a library on a sleeping disk, that concerns this listing alone:
the requests of such listings are sent one at a time, so that the others always have a place.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
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

MOST_STUCK: Final = 1000
"""Listings that are remembered because a page timed out; there may be one for each show."""

_log = structlog.get_logger(__name__)


class _Stuck(msgspec.Struct):
    """A listing of which a page timed out, until its pages have their usual size again.

    ``short`` is as in `Pace`. ``waits`` says that no page has arrived in time since.
    """

    shrunk: int = 1
    short: int = 0
    waits: bool = True


class Asked(NamedTuple):
    """The request of a page: the path of its listing, the kind and number of entries, and the largest number."""

    listing: str
    kind: str
    entries: int
    most: int


class Pace:
    """The response times of one server, and their consequences.

    ``listing`` is the path of a listing; "" stands for requests of single items.
    """

    def __init__(self, server: str, clock: Clock | None = None) -> None:
        self._server = server
        self._clock = clock or Clock()
        self._fastest: dict[str, float] = {}
        """Seconds per entry, by kind: a season takes a third of an episode with its files."""
        self._shrunk = 1
        self._short = 0
        """Consecutive full pages that arrived within SHORT_S since the size last changed."""
        self._rest = 0.0
        self._alone = asyncio.Lock()
        self._arrived = 0
        """The number of pages that have arrived."""
        self._timed_out_in: str | None = None
        """The listing whose timeout made the server count as slow, if one did."""
        self._stuck: dict[str, _Stuck] = {}
        self._stuck_alone = asyncio.Lock()

    @property
    def slow(self) -> bool:
        """Whether the server is much slower than before."""
        return self._rest > 0

    def page_size(self, most: int, listing: str = "") -> int:
        """Return how many entries to request for the next page, at most ``most``."""
        stuck = self._stuck.get(listing)
        shrunk = self._shrunk if stuck is None else self._shrunk * stuck.shrunk
        return max(most // shrunk, min(most, SMALLEST_PAGE))

    def ahead(self, most: int, listing: str = "") -> int:
        """Return how many pages may be requested before the first of them arrives, at most ``most``."""
        return 1 if self.slow or self._waits(listing) else most

    def timed_out(self, asked: int, most: int, listing: str = "") -> None:
        """Record that a page of ``asked`` entries timed out, of at most ``most``."""
        stuck = self._stuck.setdefault(listing, _Stuck())
        stuck.short, stuck.waits = 0, True
        if SMALLEST_PAGE < asked <= self.page_size(most, listing):
            stuck.shrunk *= 2
        while len(self._stuck) > MOST_STUCK:
            del self._stuck[next(iter(self._stuck))]

    @asynccontextmanager
    async def detour(self, listing: str) -> AsyncIterator[None]:
        """Wait, if the last page of a listing timed out, until no other such listing has a request.

        Enter this before the request takes one of the server's places, which it may hold until it times out again.
        """
        if not self._waits(listing):
            yield
            return
        async with self._stuck_alone:
            await self._clock.sleep(LONGEST_REST_S)
            yield

    @asynccontextmanager
    async def turn(self, listing: str = "") -> AsyncIterator[None]:
        """Wait until the next page may be requested: at once or, if the server is slow, alone and after a pause.

        If the page times out, the server counts as slow from then on, because it may still be working on the
        response; not if it has sent pages of other listings meanwhile.
        """
        before = self._arrived
        # Pages of other listings than the one that timed out show whether the server is slow or only that one.
        shows = bool(listing and self._timed_out_in) and listing != self._timed_out_in
        try:
            if not self.slow or self._waits(listing) or shows:
                yield
                return
            async with self._alone:
                await self._clock.sleep(self._rest)
                before = self._arrived
                yield
        except ServerTimeout:
            if self._arrived == before:
                self._judge(slow=True, entries=None, seconds=None)
                self._timed_out_in = listing
            raise

    def arrived(self, asked: Asked, *, entries: int, seconds: float) -> None:
        """Record how long a page took, as soon as its body has arrived; ``entries`` is the number it should have."""
        self._arrived += 1
        stuck = self._stuck.get(asked.listing)
        if seconds > LONG_S:
            self._shrink(asked)
        elif stuck is not None:
            stuck.waits = False
        if self._timed_out_in not in {None, asked.listing} and seconds <= LONG_S:
            # Not the server was slow, but that listing.
            self._judge(slow=False, entries=entries, seconds=seconds)
        if entries >= TELLING:
            each = seconds / entries
            slow = seconds > SLOW_S and each > SLOWER * self._fastest.get(asked.kind, each)
            self._judge(slow=slow, entries=entries, seconds=seconds)
        elif self.slow and seconds < self._rest:
            # One small response does not show that the server has recovered; a few do.
            self._rest /= 2
            if self._rest < SHORTEST_REST_S:
                self._judge(slow=False, entries=entries, seconds=seconds)

    def counted(self, asked: Asked, *, entries: int, seconds: float) -> None:
        """Record how many ``entries`` such a page really has, once it was parsed.

        A page that is not full, such as a response to an update filter, says nothing about how large pages may be.
        """
        if seconds <= LONG_S and asked.entries <= entries and asked.entries <= self._largest(asked):
            self._grow(asked.listing, is_short=seconds < SHORT_S)
        if entries >= TELLING:
            each = seconds / entries
            forgetting = FORGETTING_SLOWLY if self.slow else FORGETTING
            self._fastest[asked.kind] = min(each, self._fastest.get(asked.kind, each) * forgetting)

    def _largest(self, asked: Asked) -> int:
        return self.page_size(asked.most, asked.listing)

    def _waits(self, listing: str) -> bool:
        stuck = self._stuck.get(listing)
        return stuck is not None and stuck.waits

    def _shrink(self, asked: Asked) -> None:
        """Halve the page size, once for all pages requested with the same size."""
        if SMALLEST_PAGE < asked.entries <= self._largest(asked):
            self._shrunk *= 2
            self._short = 0

    def _grow(self, listing: str, *, is_short: bool) -> None:
        """Count a full page, and double the page size after enough short ones."""
        stuck = self._stuck.get(listing)
        if stuck is not None:
            stuck.short = stuck.short + 1 if is_short else 0
            if stuck.short >= PATIENCE:
                stuck.shrunk, stuck.short = stuck.shrunk // 2, 0
                if stuck.shrunk <= 1:
                    del self._stuck[listing]
            return
        self._short = self._short + 1 if is_short else 0
        if self._short and self._shrunk > 1:
            self._shrunk //= 2
            self._short = 0

    def _judge(self, *, slow: bool, entries: int | None, seconds: float | None) -> None:
        """Set the pause, and log when pauses begin or end; ``seconds`` is None if the page did not arrive."""
        if slow != self.slow:
            details = {"server": self._server, "entries": entries, "seconds": seconds and round(seconds, 1)}
            if slow:
                _log.info("server.slow", **details)
            else:
                _log.info("server.fast_again", **details)
        self._timed_out_in = None
        longest = LONGEST_REST_S if seconds is None else min(seconds, LONGEST_REST_S)
        self._rest = longest if slow else 0.0
