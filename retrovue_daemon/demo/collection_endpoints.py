"""The paths of collections: their lists, the collections themselves, and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from retrovue_daemon.demo import containers, query
from retrovue_daemon.demo.collection_entries import collection_details, collection_entry, located_collection
from retrovue_daemon.demo.memberships import Memberships

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrovue_daemon.demo.encode import Raw
    from retrovue_daemon.demo.faults import Faults
    from retrovue_daemon.demo.items import Collection, Item
    from retrovue_daemon.demo.quirks import Quirks
    from retrovue_daemon.demo.responses import Responses
    from retrovue_daemon.demo.world import Library, World

UNRATED = frozenset({"rating", "audienceRating", "audienceRatingImage"})
BELOW_SHOWS = frozenset({"season", "episode"})


class CollectionEndpoints:
    """Answers requests for collections."""

    def __init__(self, world: World, responses: Responses, quirks: Quirks, faults: Faults) -> None:
        self._world = world
        self._responses = responses
        self._quirks = quirks
        self._faults = faults
        self._memberships = Memberships(world)

    def routes(self) -> list[web.RouteDef]:
        """Return the table of paths."""
        return [
            web.get("/library/sections/{key}/collections", self.listing),
            web.get("/library/collections/{id}", self.details),
            web.get("/library/collections/{id}/children", self.members),
            web.get("/library/collections/{id}/items", self.members),
        ]

    async def listing(self, request: web.Request) -> web.Response:
        """Return the collections of a library."""
        return self.of_library(request, self._responses.library(request))

    def of_library(self, request: web.Request, library: Library) -> web.Response:
        """Return the collections of a library, filtered, sorted and paged."""
        attributes = containers.listing(library) | self._responses.meta(request, library, "collection")
        found = [
            collection_entry(self._world, self._memberships, collection)
            for collection in self._found(request, [library.key])
        ]
        return self._responses.paged(request, attributes, found)

    def of_server(self, request: web.Request) -> web.Response:
        """Return the collections of all libraries. Each names its library."""
        found = [
            located_collection(self._world, self._memberships, collection)
            for collection in self._found(request, self._world.libraries)
        ]
        return self._responses.paged(request, {"allowSync": False, **containers.LIBRARY_PLUGIN}, found)

    async def details(self, request: web.Request) -> web.Response:
        """Return one collection."""
        collection = self._collection(request)
        attributes = {"size": 1, **containers.of_library(self._world.libraries[collection.library])}
        return self._responses.respond(
            request, attributes, page=[collection_details(self._world, self._memberships, collection)]
        )

    async def members(self, request: web.Request) -> web.Response:
        """Return the members of a collection in its order, paged. Episodes and seasons lack ratings and guids."""
        collection = self._collection(request)
        intruders = self._faults.intruders(request.path)
        members: Sequence[Item | Raw] = [*self._memberships.of(collection), *intruders]
        below = collection.item_type in BELOW_SHOWS
        return self._responses.paged(
            request,
            containers.of_library(self._world.libraries[collection.library]),
            members,
            without_guids=below,
            without=UNRATED if below else frozenset(),
        )

    def _found(self, request: web.Request, keys: Iterable[str]) -> Sequence[Collection]:
        there = {*keys} - self._quirks.empty_libraries
        listed = [collection for collection in self._world.collections.values() if collection.library in there]
        found = query.filtered(self._world, listed, request.query)
        return query.ordered(self._world, found, request.query.get("sort"), "collection")

    def _collection(self, request: web.Request) -> Collection:
        collection_id = query.natural(request.match_info["id"])
        if collection_id is None or collection_id not in self._world.collections:
            raise web.HTTPNotFound
        return self._world.collections[collection_id]
