"""Artwork: the paths of posters and backgrounds, the `Image` list, and the colours derived from them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Item, Show
    from retrovue_daemon.demo.shape import Entry


def thumb(item: Item) -> str:
    """Return the path of an item's poster, which changes with the item."""
    return f"/library/metadata/{item.id}/thumb/{_changed_at(item)}"


def art(item: Item) -> str:
    """Return the path of an item's background, which changes with the item."""
    return f"/library/metadata/{item.id}/art/{_changed_at(item)}"


def theme(show: Show) -> str | None:
    """Return the path of a show's theme music, which changes with the show, or None if it has none."""
    return f"/library/metadata/{show.id}/theme/{_changed_at(show)}" if show.has_theme else None


def blur(item: Item) -> Entry:
    """Return the corner colours of an item, derived from its guid."""
    colour = f"{zlib.crc32(item.guid.encode()):08x}" * 3
    return {
        "topLeft": colour[:6],
        "topRight": colour[6:12],
        "bottomRight": colour[12:18],
        "bottomLeft": colour[18:],
    }


def image(item: Item, kind: str, url: str) -> Entry:
    """Return an element of `Image`."""
    return {"alt": item.title, "type": kind, "url": url}


def _changed_at(item: Item) -> int:
    return item.added_at if item.updated_at is None else item.updated_at
