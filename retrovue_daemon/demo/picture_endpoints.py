"""The paths of pictures: posters, stills and backgrounds, and the transcoder that makes them smaller."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aiohttp import web

from retrovue_daemon.demo import query
from retrovue_daemon.demo.drawings import draw
from retrovue_daemon.demo.items import Collection, Episode
from retrovue_daemon.demo.pages import COMMON_HEADERS, error_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.demo.items import Item
    from retrovue_daemon.demo.quirks import Quirks
    from retrovue_daemon.demo.world import World

POSTER: Final = (600, 900)
STILL: Final = (640, 360)
LARGEST: Final = 2_000
"""The longest side that the transcoder makes."""

_PICTURE: Final = re.compile(r"/library/(?:metadata|collections)/(?P<id>\d+)/(?P<what>thumb|art|composite)/-?\d+")


class PictureEndpoints:
    """Answers requests for pictures. Whatever the time in an address, it leads to the current picture."""

    def __init__(self, world: World, quirks: Quirks) -> None:
        self._world = world
        self._quirks = quirks

    def routes(self) -> list[web.RouteDef]:
        """Return the table of paths."""
        return [
            web.get("/library/metadata/{id}/{what:thumb|art}/{stamp}", self.whole),
            web.get("/library/collections/{id}/{what:composite|art}/{stamp}", self.whole),
            web.get("/photo/:/transcode", self.smaller),
        ]

    async def whole(self, request: web.Request) -> web.Response:
        """Return a picture as it is stored."""
        return self._drawn(request.path, None)

    async def smaller(self, request: web.Request) -> web.Response:
        """Return a picture of this server that fits into a size."""
        if self._quirks.no_transcoder:
            return error_page(404)
        size = _size(request.query)
        address = request.query.get("url", "").partition("?")[0]
        return error_page(400) if size is None else self._drawn(address, size)

    def _drawn(self, path: str, fit: tuple[int, int] | None) -> web.Response:
        match = _PICTURE.fullmatch(path)
        item = self._found(int(match["id"])) if match is not None else None
        if match is None or item is None or self._quirks.no_pictures:
            return error_page(404)
        size = STILL if isinstance(item, Episode) or match["what"] == "art" else POSTER
        if fit is not None:
            scale = min(1.0, fit[0] / size[0], fit[1] / size[1])
            size = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        headers = COMMON_HEADERS | {"Cache-Control": "public, max-age=604800"}
        picture = draw(*_subject(item, match["what"]), *size)
        return web.Response(body=picture, content_type="image/png", headers=headers)

    def _found(self, item_id: int) -> Item | None:
        return self._world.items.get(item_id) or self._world.collections.get(item_id)


def _subject(item: Item, what: str) -> tuple[str, str]:
    """Return what a picture is made from: a text that decides its colours and shape, and its title."""
    seed = item.guid or f"{'collection' if isinstance(item, Collection) else item.type} {item.id}"
    return (f"{seed} {what}", "") if what == "art" else (seed, item.title)


def _size(parameters: Mapping[str, str]) -> tuple[int, int] | None:
    width, height = (query.natural(parameters.get(name, "")) for name in ("width", "height"))
    if width is None or height is None or not (0 < width <= LARGEST and 0 < height <= LARGEST):
        return None
    return width, height
