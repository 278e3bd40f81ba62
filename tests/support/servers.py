"""Simulated servers: in a thread of their own, of a few films, or measured."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web
from msgspec.structs import replace

from retrovue_daemon.demo import SimulatedPlex
from retrovue_daemon.demo.changes import Changes
from retrovue_daemon.demo.world import World
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp.typedefs import Handler


@contextmanager
def served(world: World) -> Iterator[SimulatedPlex]:
    """Serve a world from a thread of its own: commands run their own event loops in this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulated server")
    thread.start()
    plex = SimulatedPlex(world)
    try:
        asyncio.run_coroutine_threadsafe(plex.start(), loop).result(PATIENCE_S)
        yield plex
        asyncio.run_coroutine_threadsafe(plex.stop(), loop).result(PATIENCE_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


def film_world(*titles: str, name: str = "Roxy") -> World:
    """Make a server's world with a library of two films for each title.

    They have a genre: the client asks once more for a page that shows streams, but neither genres nor external ids.
    """
    world = World(name=name, machine_identifier=f"machine of {name}")
    changes = Changes(world)
    for title in titles:
        library = changes.add_library("movie", title, f"/srv/{title.lower()}")
        for number in (1, 2):
            film = changes.add_movie(library.key, f"{title} {number}", 1920 + number)
            world.put(replace(film, tags=replace(film.tags, genres=("Drama",))))
    return world


class Gauge:
    """How many libraries of all servers, and how many requests to each, were being answered at once, at most."""

    def __init__(self) -> None:
        self.libraries = 0
        self.requests: Counter[str] = Counter()
        self._libraries: Counter[tuple[str, str]] = Counter()
        self._requests: Counter[str] = Counter()

    def begin(self, server: str, library: str | None) -> None:
        self._requests[server] += 1
        self.requests[server] = max(self.requests[server], self._requests[server])
        if library is not None:
            self._libraries[server, library] += 1
            self.libraries = max(self.libraries, sum(number > 0 for number in self._libraries.values()))

    def end(self, server: str, library: str | None) -> None:
        self._requests[server] -= 1
        if library is not None:
            self._libraries[server, library] -= 1


class MeasuredPlex(SimulatedPlex):
    """A simulated server that measures simultaneous requests, and over which connections they come."""

    def __init__(self, world: World, gauge: Gauge, **options: Any) -> None:
        super().__init__(world, **options)
        self.gauge = gauge
        self.connections: list[object] = []
        """The other ends of all connections, in the order of their first requests."""
        self._arrived = asyncio.Event()

    async def asked(self, path: str, times: int = 1) -> None:
        """Wait until a path was requested so often."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.requests_for(path)) < times:
                self._arrived.clear()
                await self._arrived.wait()

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peername")
        if peer not in self.connections:
            self.connections.append(peer)
        section = request.path.removeprefix("/library/sections/").split("/")
        library = section[0] if request.path.startswith("/library/sections/") and len(section) > 1 else None
        self.gauge.begin(self.url, library)
        try:
            answering = super()._record(request, handler)
            self._arrived.set()
            return await answering
        finally:
            self.gauge.end(self.url, library)


def without_groups(world: World) -> World:
    """Remove the collections of a world and the labels of its items, which are read beside the listings."""
    for collection_id in list(world.collections):
        world.drop_collection(collection_id)
    for item in list(world.items.values()):
        if item.tags.labels or item.tags.collections:
            world.put(replace(item, tags=replace(item.tags, labels=(), collections=())))
    return world


def only_libraries(world: World, *titles: str) -> World:
    """Remove all other libraries of a world."""
    assert {*titles} <= {library.title for library in world.libraries.values()}
    for library in list(world.libraries.values()):
        if library.title not in titles:
            Changes(world).remove_library(library.key)
    return world


def few_groups(world: World, plain: int = 2, smart: int = 3) -> World:
    """Keep only some of a world's collections in each library, for tests of listings.

    The members of each are read page by page: of a generated library's 25, in more requests than its listing takes.
    """
    kept: Counter[tuple[str, bool]] = Counter()
    for collection in list(world.collections.values()):
        kind = collection.library, collection.filter is None
        kept[kind] += 1
        if kept[kind] > (plain if collection.filter is None else smart):
            world.drop_collection(collection.id)
    left = {(collection.library, collection.title) for collection in world.collections.values()}
    for item in list(world.items.values()):
        titles = tuple(title for title in item.tags.collections if (item.library, title) in left)
        if titles != item.tags.collections:
            world.put(replace(item, tags=replace(item.tags, collections=titles)))
    return world
