"""``/posters/{kind}/{id}``: the poster of an item, or a placeholder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from retrovue_daemon.store.items.posters import poster_of
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.item_addresses import named_item, poster_version

if TYPE_CHECKING:
    from retrovue_daemon.web.context import Context

PLACEHOLDER = "no-poster.svg"

_FOREVER = "private, max-age=31536000, immutable"


async def show(request: web.Request) -> web.StreamResponse:
    """Send a poster. Without one, lead to the placeholder: browsers complain about pictures with an error status."""
    context = context_of(request)
    kind, item_id = named_item(request)
    poster = await context.reading.run(poster_of, kind, item_id)
    if poster is None:
        raise web.HTTPNotFound
    key = context.posters.key(poster)
    if key is None:
        return _placeholder(context)
    tag = key[:32]
    is_current = request.query.get("v") == poster_version(poster.address)
    headers = {"ETag": f'"{tag}"', "Cache-Control": _FOREVER if is_current else "private, no-cache"}
    if any(each.value == tag for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    picture = await context.posters.get(poster)
    if picture is None:
        return _placeholder(context)
    return web.Response(body=picture.content, content_type=picture.content_type, headers=headers)


def _placeholder(context: Context) -> web.Response:
    headers = {"Location": context.static.address(PLACEHOLDER), "Cache-Control": "no-store"}
    return web.Response(status=302, headers=headers)
