"""Simulated Plex servers in a process of their own, controlled by JSON lines: requests on stdin, responses on stdout.

    python -m benchmarks.server '{"servers": 1, "libraries": 1, "shows": 200, "episodes": 100, "season": 22}'

The first line states their addresses and the size of their content. The process ends when its input ends.

| request | response |
|---|---|
| {"do": "stats"} | requests, bytes of bodies, time of the first (CLOCK_MONOTONIC), the most at once at one server |
| {"do": "forget"} | {}; counting starts again |
| {"do": "set", "latency": 0.05, "always_xml": true} | {}; the given quirks are set |
| {"do": "change"} | the number of changed episodes: every hundredth |
| {"do": "change_one"} | one announced change: when, the episode's key, its title (null: deleted) |
| {"do": "listeners"} | the number of open connections for notifications |
| {"do": "flood", "frames": 10000} | {}; so many notifications were sent at once |
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import signal
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from retrovue_daemon.demo import SimulatedPlex, World, generated_library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp.typedefs import Handler

EVERY = 100
"""Which episodes are changed: one per cent."""


@dataclass(slots=True)
class Traffic:
    """The requests to all servers."""

    requests: int = 0
    bytes: int = 0
    first_at: float | None = None
    most_at_once: int = 0


class CountedPlex(SimulatedPlex):
    """A simulated server that counts its requests."""

    def __init__(self, world: World, **options: Any) -> None:
        super().__init__(world, **options)
        self.traffic = Traffic()
        self._under_way = 0

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.traffic.first_at is None:
            self.traffic.first_at = time.monotonic()
        self.traffic.requests += 1
        self._under_way += 1
        self.traffic.most_at_once = max(self.traffic.most_at_once, self._under_way)
        try:
            response = await super()._record(request, handler)
            # A request is in progress until its body is sent; afterwards aiohttp finds this finished.
            await response.prepare(request)
            await response.write_eof()
        finally:
            self._under_way -= 1
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            self.traffic.bytes += len(response.body)
        # The list of requests is for tests; here it would only grow.
        self.requests.clear()
        return response


class Servers:
    """All servers of one process, and the commands on them."""

    def __init__(self, plexes: list[CountedPlex]) -> None:
        self._plexes = plexes
        self._changed = 0
        self._single = self._single_changes()

    def describe(self) -> dict[str, Any]:
        """Return where the servers are, and how much they list."""
        worlds = [plex.world for plex in self._plexes]
        return {
            "servers": [{"url": plex.url, "token": plex.token} for plex in self._plexes],
            "items": sum(len(world.items) for world in worlds),
            "shows": sum(len(list(world.shows())) for world in worlds),
            "seasons": sum(len(list(world.seasons())) for world in worlds),
            "episodes": sum(len(list(world.episodes())) for world in worlds),
        }

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Execute a command."""
        match asked.pop("do"):
            case "stats":
                return self._stats()
            case "forget":
                for plex in self._plexes:
                    plex.traffic = Traffic()
            case "set":
                for plex in self._plexes:
                    for name, value in asked.items():
                        setattr(plex.quirks, name, value)
            case "change":
                return {"changed": sum(self._change(plex) for plex in self._plexes)}
            case "change_one":
                return next(self._single)
            case "listeners":
                return {"open": sum(len(plex.notifications.connections) for plex in self._plexes)}
            case "flood":
                for plex in self._plexes:
                    plex.notify.flood(asked["frames"])
            case other:
                raise ValueError(other)
        return {}

    def _stats(self) -> dict[str, Any]:
        each = [plex.traffic for plex in self._plexes]
        arrivals = [traffic.first_at for traffic in each if traffic.first_at is not None]
        total = Traffic(
            requests=sum(traffic.requests for traffic in each),
            bytes=sum(traffic.bytes for traffic in each),
            first_at=min(arrivals, default=None),
            most_at_once=max(traffic.most_at_once for traffic in each),
        )
        return asdict(total)

    def _change(self, plex: CountedPlex) -> int:
        """Give every hundredth episode another file or title, different each time."""
        self._changed += 1
        chosen = [episode.id for episode in plex.world.episodes()][self._changed % EVERY :: EVERY]
        for number, episode in enumerate(chosen):
            if number % 2:
                plex.changes.edit(episode, title=f"Edited {self._changed}/{number}")
            else:
                plex.changes.upgrade_file(episode)
        return len(chosen)

    def _single_changes(self) -> Iterator[dict[str, Any]]:
        """Edit an episode of the first server, add one, delete one, and so on: each another one, in another place."""
        plex = self._plexes[0]
        episodes = list(plex.world.episodes())
        seasons = {season.id: season.index for season in plex.world.seasons()}
        random.Random(0).shuffle(episodes)  # noqa: S311 -- spreads changes, guards nothing
        for number, episode in enumerate(episodes):
            at, key = time.monotonic(), episode.id
            title: str | None = None
            if number % 3 == 0:
                title = plex.changes.edit(key, title=f"Live {number}").title
            elif number % 3 == 1:
                season = seasons[episode.season_id]
                added = plex.changes.add_episode(episode.show_id, season, 10_000 + number, f"Live {number}")
                key, title = added.id, added.title
            else:
                plex.changes.delete(key)
            yield {"at": at, "rating_key": str(key), "title": title}


def worlds(*, servers: int, libraries: int, shows: int, episodes: int, season: int) -> list[World]:
    """Return a world for each server, with a number of show libraries and nothing else.

    ``shows`` counts those of all servers, ``episodes`` those of each show; ``season`` is the maximum per season.
    """
    made = []
    for number in range(servers):
        share = shows // servers + (number < shows % servers)
        world = generated_library(
            movies=0, shows=share, episodes=episodes, seed=number, show_libraries=libraries, season=season
        )
        (films,) = (key for key, library in world.libraries.items() if library.type == "movie")
        world.drop_library(films)
        made.append(world)
    return made


async def serve(wanted: dict[str, int]) -> None:
    """Serve until the input ends. Ctrl-C is left to the controlling process, which ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    async with AsyncExitStack() as opened:
        plexes = [await opened.enter_async_context(CountedPlex(world)) for world in worlds(**wanted)]
        servers = Servers(plexes)
        # The libraries stay in memory: the garbage collector finds nothing in them.
        gc.freeze()
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        _say(servers.describe())
        while line := await reader.readline():
            _say(servers.answer(json.loads(line)))


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
