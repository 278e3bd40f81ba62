"""The addresses of items and their posters."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from aiohttp import web

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.lookup import id_in

if TYPE_CHECKING:
    from retrovue_daemon.store.items.columns import Hit


def named_item(request: web.Request) -> tuple[Kind, int]:
    """Return the kind and id in a request's path. Raise HTTPNotFound unless both are possible."""
    kind, item_id = request.match_info["kind"], id_in(request.match_info["id"])
    if kind not in list(Kind) or item_id is None:
        raise web.HTTPNotFound
    return Kind(kind), item_id


def poster_version(address: str | None) -> str:
    """Return a part of a poster's address that changes with the picture, so that browsers may keep it forever."""
    return f"{zlib.crc32((address or '').encode('utf-8', 'replace')):08x}"


def poster_address(kind: str, item_id: int, thumb: str | None) -> str | None:
    """Return the address of an item's poster on the page; None if it has none."""
    return None if thumb is None else f"/posters/{kind}/{item_id}?v={poster_version(thumb)}"


def poster_of_hit(hit: Hit) -> str | None:
    """Return the address of the poster of an item in a list."""
    return poster_address(hit.kind, hit.id, hit.thumb)
