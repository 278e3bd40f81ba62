"""The addresses of pictures and theme music: only an item's own ones, and none with a token."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from retrovue_daemon.records import NO_ARTWORK, Artwork

if TYPE_CHECKING:
    from retrovue_daemon.sources.plex.json_structs import Entry

_NAME: Final = "x-plex-token"
_FIRST: Final = re.compile(r"\?x-plex-token=[^&#]*&?", re.IGNORECASE)
_FURTHER: Final = re.compile(r"&x-plex-token=[^&#]*", re.IGNORECASE)
_QUOTED: Final = re.compile(r"(%(?:25)*3f|%(?:25)*26)x-plex-token%(?:25)*3d.*?(?=%(?:25)*26|[&#]|$)", re.IGNORECASE)
"""A token in an address that is itself a value in a query."""


def artwork_of(entry: Entry, key: str) -> Artwork:
    """Return the item's own pictures; those of its show or season, which its entry repeats, are stored there only."""
    prefix = f"/library/metadata/{key}/"
    thumb, art, theme = entry.thumb, entry.art, entry.theme
    if thumb is not None and (not thumb.startswith(prefix) or "?" in thumb):
        thumb = _other_picture(thumb, prefix)
    if art is not None and (not art.startswith(prefix) or "?" in art):
        art = _other_picture(art, prefix)
    if theme is not None and (not theme.startswith(prefix) or "?" in theme):
        theme = _other_picture(theme, prefix)
    if thumb is art is theme is None:
        return NO_ARTWORK
    return Artwork(thumb, art, theme)


def _other_picture(address: str, prefix: str) -> str | None:
    """Return an address that is not the usual one, or None for that of another item."""
    if address.startswith("/library/metadata/") and not address.startswith(prefix):
        return None
    return without_token(address)


def without_token(address: str | None) -> str | None:
    """Return an address without the tokens in its query, or None if it is empty."""
    if not address or "?" not in address or _NAME not in address.lower():
        return address or None
    address = _FURTHER.sub("", _QUOTED.sub(r"\1", address))
    return _FIRST.sub("?", address).removesuffix("?") or None
