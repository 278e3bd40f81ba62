"""The Plex paths that the simulated server answers.

The responses were compared, key by key, with what real servers from 2013 to 2026 sent for similar requests. What real
responses contain and these do not, and why:

- Play state (viewCount, lastViewedAt, viewOffset, skipCount): a simulated server has no viewers.
- Links to pictures and extras that do not exist here: banner, primaryExtraKey, hasPremiumPrimaryExtra; `indexes` and
  `hasThumbnail` of parts.
- In `Meta` its subtype, the folder level, most `subType` values of its fields, and `advanced`: no known
  client reads them.
- Streams lack what only a player needs: reference frames, chroma, coded sizes, loudness. There is no Similar, and no
  Field that says what is locked.
- Attributes of old or particular versions: sortAsc and `title` of a container, `content` (1.41, where others have
  viewMode), identifier and mediaTag* on /library/sections.
- In XML, one count of films has nocache and no title2, and one empty list has no attributes of its library.
- The recordings of 2013, which lack most attributes: no server in use is that old.
- parentYear of an episode; hearingImpaired of an audio stream.
- In / and /library, links to what is not simulated.
- The 2016 release lacks parent guids but has the plex:// guids of later agents on the items themselves.
- Filters joined by push, or and pop get a 400.
- Whole ratings are written as 7.0. The recordings that contain 7 were rewritten by the people who made them.

Inferred, because no recording shows it: 403 for a shared user at /status/sessions, the container of a show's
allLeaves, and that an item without a value matches no comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from msgspec.structs import replace

from retrovue_daemon.demo import containers, query
from retrovue_daemon.demo.collection_endpoints import CollectionEndpoints
from retrovue_daemon.demo.details import detail_entry
from retrovue_daemon.demo.happenings import Opened
from retrovue_daemon.demo.items import Item, Season, Show
from retrovue_daemon.demo.misbehaviour import FAULT
from retrovue_daemon.demo.orders import Orders
from retrovue_daemon.demo.pages import error_page
from retrovue_daemon.demo.picture_endpoints import PictureEndpoints
from retrovue_daemon.demo.responses import Responses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.demo.encode import Encoder, Raw
    from retrovue_daemon.demo.faults import Faults
    from retrovue_daemon.demo.quirks import Quirks
    from retrovue_daemon.demo.world import Library, World

LEAF_TYPES = {"show": "episode", "movie": "movie", "photo": "photo"}
OF_SEASONS = frozenset({"parentRatingKey", "parentKey", "parentGuid"})


class Endpoints:
    """Answers requests from a world. Authorization and faults are handled before a request gets here."""

    def __init__(self, world: World, encoder: Encoder, quirks: Quirks, faults: Faults) -> None:
        self._world = world
        self._quirks = quirks
        self._faults = faults
        self._responses = Responses(world, encoder, quirks, faults)
        self._collections = CollectionEndpoints(world, self._responses, quirks, faults)
        self._pictures = PictureEndpoints(world, quirks)
        self._orders = Orders(world, quirks)

    def routes(self) -> list[web.RouteDef]:
        """Return the table of paths."""
        return [
            web.get("/", self.root),
            web.get("/identity", self.identity),
            web.get("/status/sessions", self.nothing),
            web.get("/library", self.library),
            web.get("/library/", self.library),
            web.get("/library/all", self.everything),
            web.get("/library/tags", self.tags),
            web.get("/library/sections", self.sections),
            web.get("/library/sections/", self.sections),
            web.get("/library/sections/all", self.sections_or_items),
            web.get("/library/sections/{key}", self.section),
            web.get("/library/sections/{key}/all", self.all),
            web.get("/library/sections/{key}/allLeaves", self.all_leaves),
            web.get(
                "/library/sections/{key}/{field:genre|country|director|writer|actor|producer|label|network|collection}",
                self.choices,
            ),
            web.get("/library/metadata/{ids}", self.metadata),
            web.get("/library/metadata/{id}/children", self.children),
            web.get("/library/metadata/{id}/allLeaves", self.leaves),
            *self._collections.routes(),
            *self._pictures.routes(),
        ]

    async def root(self, request: web.Request) -> web.Response:
        """Return what the server is and can do."""
        below = [{"count": 1, "key": name, "title": name} for name in ("identity", "library", "status")]
        return self._responses.respond(
            request, {"size": len(below), **containers.root(self._world)}, {"Directory": below}
        )

    async def identity(self, request: web.Request) -> web.Response:
        """Return the server's identity, without requiring a token."""
        return self._responses.respond(request, containers.identity(self._world))

    async def nothing(self, request: web.Request) -> web.Response:
        """Return an empty list: there are no sessions."""
        return self._responses.respond(request, {"size": 0})

    async def library(self, request: web.Request) -> web.Response:
        """Return the directories below /library."""
        return self._responses.respond(
            request,
            {"size": 1, "allowSync": False, **containers.LIBRARY_PLUGIN, "title1": "Plex Library"},
            {"Directory": [{"key": "sections", "title": "Library Sections"}]},
        )

    async def sections(self, request: web.Request) -> web.Response:
        """Return all libraries. This list is never paged."""
        listed = [
            containers.section(self._world, library)
            for library in self._world.libraries.values()
            if library.key not in self._quirks.hidden_libraries
        ]
        if self._quirks.no_locations:
            listed = [{name: value for name, value in entry.items() if name != "Location"} for entry in listed]
        attributes = {"size": len(listed), **containers.sections()}
        return self._responses.respond(request, attributes, {"Directory": listed})

    async def sections_or_items(self, request: web.Request) -> web.Response:
        """Return all libraries or, if a type is requested, the items of all libraries, as servers long did."""
        if "type" in request.query and not self._quirks.no_legacy_search:
            return await self.everything(request)
        return await self.sections(request)

    async def section(self, request: web.Request) -> web.Response:
        """Return the directories of one library."""
        library = self._responses.library(request)
        ways = [
            {"key": "all", "title": f"All {containers.TYPE_TITLES[library.type]}"},
            {"key": "genre", "title": "By Genre"},
        ]
        return self._responses.respond(
            request, {"size": len(ways), **containers.of_library(library)}, {"Directory": ways}
        )

    async def all(self, request: web.Request) -> web.Response:
        """Return the items of one type in a library, filtered, sorted and paged."""
        library = self._responses.library(request)
        return self._list_library(request, library, default_type=library.type)

    async def all_leaves(self, request: web.Request) -> web.Response:
        """Return the episodes of a library, filtered, sorted and paged."""
        library = self._responses.library(request)
        if self._quirks.refuses_all_leaves is not None:
            return error_page(self._quirks.refuses_all_leaves)
        return self._list_library(
            request,
            library,
            default_type=LEAF_TYPES.get(library.type, library.type),
            without_guids=self._quirks.leaves_without_guids,
        )

    async def everything(self, request: web.Request) -> web.Response:
        """Return the items of one type in all libraries. Each item names its library."""
        listed_type = query.item_type(request.query, "movie")
        if listed_type == "collection":
            return self._collections.of_server(request)
        found = () if listed_type is None else self._orders.find([*self._world.libraries], listed_type, request.query)
        return self._responses.paged(request, {"allowSync": False, **containers.LIBRARY_PLUGIN}, found, located=True)

    async def choices(self, request: web.Request) -> web.Response:
        """Return the genres (countries, directors, …) that occur in a library."""
        library = self._responses.library(request)
        field = request.match_info["field"]
        listed_type = query.item_type(request.query, library.type) or library.type
        items = list(self._world.in_library(library.key, listed_type))
        listed = containers.tag_choices(library, field, items)
        attributes = {"size": len(listed), **containers.choices(library, field)}
        return self._responses.respond(request, attributes, {"Directory": listed})

    async def tags(self, request: web.Request) -> web.Response:
        """Return all tags of one type, of items and collections of all libraries, paged."""
        found = containers.all_tags(self._world, request.query.get("type", ""))
        return self._responses.paged(request, {"allowSync": False, **containers.LIBRARY_PLUGIN}, (), found)

    async def metadata(self, request: web.Request) -> web.Response:
        """Return one or more items with full details. Unknown ids among several are left out."""
        longest = self._quirks.longest_target
        if longest is not None and len(request.raw_path) > longest:
            return error_page(414)
        ids = [query.natural(text) for text in request.match_info["ids"].split(",")]
        found = [
            self._world.items[item_id] for item_id in ids if item_id is not None and item_id in self._world.items
        ]
        if not found:
            return error_page(404)
        if (poison := self._faults.poisoned(item.id for item in found)) is not None:
            request[FAULT] = poison
        owners = {item.library for item in found}
        common = (
            containers.of_library(self._world.libraries[owners.pop()])
            if len(owners) == 1
            else containers.LIBRARY_PLUGIN
        )
        shape = self._responses.shape(request)
        if len(ids) > 1 and self._quirks.plain_batches:
            shape = replace(shape, chapters=False, markers=False)
        skip_refresh = request.query.get("skipRefresh") == "1"
        self._world.announce(Opened(items=tuple(found), skip_refresh=skip_refresh))
        entries = [
            self._responses.damaged(item, detail_entry(self._world, item, shape))
            for item in self._quirks.as_visible(found)
        ]
        return self._responses.respond(request, {"size": len(entries), **common}, page=entries)

    async def children(self, request: web.Request) -> web.Response:
        """Return the seasons of a show (plus a pseudo entry for all episodes) or the episodes of a season."""
        item = self._responses.item(request)
        library = self._world.libraries[item.library]
        skip_refresh = request.query.get("skipRefresh") == "1"
        self._world.announce(Opened(items=(item,), children=True, skip_refresh=skip_refresh))
        if isinstance(item, Season):
            show = self._world.show_of(item)
            return self._responses.paged(
                request, containers.episodes(library, show, item), self._world.episodes_of(item.id)
            )
        if isinstance(item, Show):
            seasons = self._world.seasons_of(item.id)
            pseudo = len(seasons) > 1 and request.query.get("excludeAllLeaves") != "1"
            first = [containers.all_episodes(self._world, item)] if pseudo else []
            return self._responses.paged(request, containers.seasons(library, item), seasons, first)
        return self._responses.paged(request, containers.of_library(library), [])

    async def leaves(self, request: web.Request) -> web.Response:
        """Return the episodes of a show."""
        item = self._responses.item(request)
        if not isinstance(item, Show):
            return error_page(404)
        library = self._world.libraries[item.library]
        return self._responses.paged(request, containers.leaves(library, item), self._world.leaves_of(item.id))

    def _list_library(
        self, request: web.Request, library: Library, *, default_type: str, without_guids: bool = False
    ) -> web.Response:
        listed_type = query.item_type(request.query, default_type)
        if listed_type == "collection":
            return self._collections.of_library(request, library)
        items: Sequence[Item] = ()
        if listed_type is not None and library.key not in self._quirks.empty_libraries:
            items = self._orders.find([library.key], listed_type, request.query)
        attributes = containers.listing(library) | self._responses.meta(request, library, listed_type)
        intruders = self._faults.intruders(request.path)
        listed: Sequence[Item | Raw] = [*items, *intruders] if intruders else items
        hidden = OF_SEASONS if self._quirks.hidden_seasons and listed_type == "episode" else frozenset()
        return self._responses.paged(request, attributes, listed, without_guids=without_guids, without=hidden)
