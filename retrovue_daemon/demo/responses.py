"""From the items of a listing to a response: paging, quirks, faults that concern entries, and the encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web
from msgspec.structs import replace

from retrovue_daemon.demo import meta, query
from retrovue_daemon.demo.details import located_entry
from retrovue_daemon.demo.entries import listing_entry
from retrovue_daemon.demo.faults import Empty, Miscount
from retrovue_daemon.demo.items import Item
from retrovue_daemon.demo.misbehaviour import FAULT
from retrovue_daemon.demo.pages import accepts, container, error_page
from retrovue_daemon.demo.shape import Entry, Shape
from retrovue_daemon.demo.tags import TAG_FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.demo.encode import Encoder, Raw
    from retrovue_daemon.demo.faults import Faults
    from retrovue_daemon.demo.quirks import Quirks
    from retrovue_daemon.demo.world import Library, World

DAMAGED_FIELDS = {"movie": "duration", "episode": "duration", "show": "year"}
BEYOND_64_BITS = 2**64
ELEMENTS = frozenset({"Guid", "Image", "UltraBlurColors", *(name for name, _ in TAG_FIELDS.values())})
PLAIN = Shape()


class Responses:
    """Builds the responses of one server."""

    def __init__(self, world: World, encoder: Encoder, quirks: Quirks, faults: Faults) -> None:
        self._world = world
        self._encoder = encoder
        self._quirks = quirks
        self._faults = faults

    def paged(
        self,
        request: web.Request,
        attributes: Entry,
        listed: Sequence[Item | Raw],
        directories: Sequence[Entry] = (),
        *,
        without_guids: bool = False,
        without: frozenset[str] = frozenset(),
        located: bool = False,
    ) -> web.Response:
        """Return the requested page of a list. `directories` precede the list and count towards its size.

        If the list spans several libraries, pass `located` so that each entry names its library.
        """
        window = query.window(request.query, request.headers)
        everything: Sequence[Any] = [*directories, *listed] if directories else listed
        limit = query.limit(request.query)
        if limit is not None and limit < len(everything):
            everything = everything[:limit]
        headers: dict[str, str] = {}
        paging: Entry = {}
        page = everything
        if window is not None:
            start = 0 if self._quirks.ignores_start else window.start
            size = len(everything) if window.size is None else window.size
            if self._quirks.page_cap is not None:
                size = min(size, self._quirks.page_cap)
            page = everything[start : start + size]
            fault = request.get(FAULT)
            if isinstance(fault, Empty):
                page = []
            total = len(everything) + (fault.by if isinstance(fault, Miscount) else 0)
            if not self._quirks.no_totals:
                paging["totalSize"] = total
                headers["X-Plex-Container-Total-Size"] = str(total)
            paging["offset"] = start
            headers["X-Plex-Container-Start"] = str(start)
        shown = (
            [entry for entry in page if any(entry is directory for directory in directories)] if directories else []
        )
        page = self._quirks.as_visible(page)
        if (poison := self._faults.poisoned(item.id for item in page if isinstance(item, Item))) is not None:
            request[FAULT] = poison
        if self._faults.keyless:
            page = [self._without_key(item) for item in page]
        shape = replace(self.shape(request), chapters=False, markers=False)
        if shape.streams and (quirk := self._quirks.listed_streams) != "work":
            if quirk == "refused":
                return error_page(500)
            # The documentation says of includeElements that a response has these elements only.
            others = frozenset() if quirk == "ignored" else ELEMENTS
            shape = replace(shape, streams=quirk != "ignored", without=shape.without | others)
        shape = replace(shape, guids=shape.guids and not without_guids, without=shape.without | without)
        if located:
            page = [located_entry(self._world, item, shape) for item in page]
        elif self._faults.damaged:
            page = [
                self.damaged(item, listing_entry(self._world, item, shape)) if isinstance(item, Item) else item
                for item in page
            ]
        return self.respond(
            request,
            {"size": len(page), **paging, **attributes},
            {"Directory": shown},
            page[len(shown) :] if shown else page,
            shape,
            headers,
        )

    def _without_key(self, item: Item | Raw) -> Item | Raw:
        if not isinstance(item, Item) or item.id not in self._faults.keyless:
            return item
        return {"type": type(item).__name__.lower(), "title": item.title}

    def damaged(self, item: Item, entry: Entry) -> Entry:
        """Return an entry with a number that no database holds, if a fault damages its item."""
        if item.id in self._faults.damaged and item.type in DAMAGED_FIELDS:
            entry[DAMAGED_FIELDS[item.type]] = BEYOND_64_BITS
        return entry

    def respond(
        self,
        request: web.Request,
        attributes: Entry,
        lists: dict[str, Sequence[Entry]] | None = None,
        page: Sequence[Item | Raw] = (),
        shape: Shape = PLAIN,
        headers: dict[str, str] | None = None,
    ) -> web.Response:
        """Return a MediaContainer with its attributes, lists of finished entries, and a page of items."""
        if _wants_json(request) and not self._quirks.always_xml:
            body = self._encoder.json(attributes, lists or {}, page, shape)
            return container(request, body, "application/json", headers or {})
        body = self._encoder.xml(attributes, lists or {}, page, shape)
        return container(request, body, "text/xml", headers or {})

    def shape(self, request: web.Request) -> Shape:
        """Return which elements the entries should have."""
        shape = query.shape(request.query)
        return shape if self._world.release.guids else replace(shape, guids=False)

    def meta(self, request: web.Request, library: Library, listed_type: str | None) -> Entry:
        """Return the `Meta` element of a listing, if requested."""
        if request.query.get("includeMeta") != "1":
            return {}
        labels = any(
            item.tags.labels
            for level in meta.LEVELS[library.type]
            for item in self._world.in_library(library.key, level)
        )
        return {"Meta": meta.of_library(library, listed_type, labels=labels)}

    def library(self, request: web.Request) -> Library:
        """Return the library that the path names. Raise a 404 if there is none."""
        try:
            return self._world.libraries[request.match_info["key"]]
        except KeyError:
            raise web.HTTPNotFound from None

    def item(self, request: web.Request) -> Item:
        """Return the item that the path names. Raise a 404 if there is none."""
        item_id = query.natural(request.match_info["id"])
        if item_id is None or item_id not in self._world.items:
            raise web.HTTPNotFound
        return self._world.items[item_id]


def _wants_json(request: web.Request) -> bool:
    return accepts(request, "Accept", "application/json")
