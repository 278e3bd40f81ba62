"""Which responses are spoiled at random, and by which kind of fault."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from retrovue_daemon.demo.faults.disturbance import Disturbance
from retrovue_daemon.demo.faults.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from retrovue_daemon.demo.faults.spec import FaultSpec

START = "X-Plex-Container-Start"


class RandomFaults:
    """Spoils a share of the responses.

    The choice for a request depends on the seed, on its path and page, and on how often these were requested before,
    but not on the order in which different requests arrive: the same seed repeats the same faults.
    """

    def __init__(self, spec: FaultSpec) -> None:
        self.spec = spec
        self.counts: Counter[str] = Counter()
        """How often each kind was applied."""
        self._requests: Counter[str] = Counter()
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Spoil nothing from now on, and release the responses that wait."""
        self._ended.set()

    def choose(self, request: web.Request) -> tuple[str, random.Random] | None:
        """Return the kind of fault for a request and the random numbers for it, or None if it is not spoiled."""
        if not fnmatchcase(request.path, self.spec.paths):
            return None
        start = request.headers.get(START) or request.query.get(START)
        what = f"{request.path} {start}"
        self._requests[what] += 1
        chooser = random.Random(f"{self.spec.seed} {what} {self._requests[what]}")  # noqa: S311  # guards nothing
        is_over = self.spec.times is not None and self.counts.total() >= self.spec.times
        if is_over or self._ended.is_set() or chooser.random() >= self.spec.rate:
            return None
        kinds = [name for name in self.spec.kinds if KINDS[name].fits(request.path)]
        return (chooser.choice(kinds), chooser) if kinds else None

    async def spoil(
        self, request: web.Request, response: web.Response, keep: Callable[[int], None]
    ) -> web.StreamResponse:
        """Return the response as sent; `keep` makes an item one at which the server always fails."""
        chosen = self.choose(request)
        if chosen is None:
            return response
        name, chooser = chosen
        self.counts[name] += 1
        steady = random.Random(f"{self.spec.seed} {request.path}")  # noqa: S311  # guards nothing
        return await KINDS[name].spoil(Disturbance(request, response, chooser, steady, self._ended, keep))
