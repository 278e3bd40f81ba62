"""From entries to bytes: JSON pages joined from entries that were encoded once, and XML from the same entries."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import msgspec

from retrovue_daemon.demo.entries import listing_entry, own_entry, shared_entry
from retrovue_daemon.demo.items import Episode, Item
from retrovue_daemon.demo.shape import Entry, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from retrovue_daemon.demo.world import World

KEPT_SHAPES = 4
"""For how many shapes of entries the bytes are kept: a client asks for one or two, again and again."""

XML_TAGS = {
    "movie": "Video",
    "clip": "Video",
    "episode": "Video",
    "track": "Track",
    "photo": "Photo",
}
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
IN_ATTRIBUTES = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}

Raw = Entry | bytes
"""An entry that no item stands behind, or its very bytes: what a fault puts into a listing."""


class Encoder:
    """Encodes one world's items. The bytes of an entry are kept until its item, or one that it mentions, changes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stale = world.watch()
        self._kept: dict[Shape, dict[int, bytes]] = {}
        self._kept_release = world.release

    def close(self) -> None:
        """Let the world forget this encoder."""
        self._world.unwatch(self._stale)

    def json(
        self, attributes: Entry, lists: dict[str, Sequence[Entry]], page: Sequence[Item | Raw], shape: Shape
    ) -> bytes:
        """Encode a MediaContainer: its attributes, then lists of ready entries, then the page as `Metadata`."""
        head = msgspec.json.encode(attributes | {name: entries for name, entries in lists.items() if entries})
        if not page:
            return b'{"MediaContainer":%b}' % head
        comma = b"," if len(head) > 2 else b""  # noqa: PLR2004  # longer than {}
        return b'{"MediaContainer":%b%b"Metadata":[%b]}}' % (head[:-1], comma, b",".join(self._pieces(page, shape)))

    def xml(
        self, attributes: Entry, lists: dict[str, Sequence[Entry]], page: Sequence[Item | Raw], shape: Shape
    ) -> bytes:
        """Encode the same in XML, but for raw bytes, which are JSON."""
        chunks: list[str] = ['<?xml version="1.0" encoding="UTF-8"?>\n']
        entries = [listing_entry(self._world, i, shape) if isinstance(i, Item) else i for i in page]
        with_tags = [(_tag_of(entry), entry) for entry in entries if not isinstance(entry, bytes)]
        listed = [(name, entry) for name, several in lists.items() for entry in several]
        _write_element(chunks, "MediaContainer", attributes, [*listed, *with_tags])
        return "".join(chunks).encode("ascii", "xmlcharrefreplace")

    def prepare(self, items: Iterable[Item], shape: Shape) -> None:
        """Encode items before anybody asks for them."""
        for _ in self._pieces(items, shape):
            pass

    def _pieces(self, page: Iterable[Item | Raw], shape: Shape) -> Iterator[bytes]:
        """Yield bytes that make the page when they are joined by commas: an episode comes in two halves."""
        kept = self._kept_for(shape)
        for item in page:
            if isinstance(item, Episode):
                yield kept.get(item.id) or self._keep_half(item, shape, kept)
                yield kept.get(-item.season_id) or self._keep_shared_half(item, shape, kept)
            elif isinstance(item, Item):
                yield kept.get(item.id) or self._keep(item, shape, kept)
            else:
                # json knows integers of any size, msgspec those of 64 bits.
                yield item if isinstance(item, bytes) else json.dumps(item, separators=(",", ":")).encode()

    def _keep(self, item: Item, shape: Shape, kept: dict[int, bytes]) -> bytes:
        encoded = kept[item.id] = msgspec.json.encode(own_entry(self._world, item, shape))
        return encoded

    def _keep_half(self, episode: Episode, shape: Shape, kept: dict[int, bytes]) -> bytes:
        half = kept[episode.id] = msgspec.json.encode(own_entry(self._world, episode, shape))[:-1]
        return half

    def _keep_shared_half(self, episode: Episode, shape: Shape, kept: dict[int, bytes]) -> bytes:
        shared = shared_entry(self._world, self._world.season_of(episode), shape)
        half = kept[-episode.season_id] = msgspec.json.encode(shared)[1:]
        return half

    def _kept_for(self, shape: Shape) -> dict[int, bytes]:
        """Return the bytes by the ids of their items; under a season's negative id, those that its episodes share."""
        if self._kept_release is not self._world.release:
            self._kept.clear()
            self._kept_release = self._world.release
        for kept in self._kept.values():
            for item_id in self._stale:
                kept.pop(item_id, None)
                kept.pop(-item_id, None)
        self._stale.clear()
        if shape not in self._kept and len(self._kept) >= KEPT_SHAPES:
            self._kept.pop(next(iter(self._kept)))
        return self._kept.setdefault(shape, {})


def _tag_of(entry: Entry) -> str:
    return XML_TAGS.get(str(entry.get("type")), "Directory")


def _write_element(chunks: list[str], tag: str, fields: Entry, children: Sequence[tuple[str, Any]] = ()) -> None:
    inner: list[tuple[str, Any]] = []
    chunks.append(f"<{tag}")
    for name, value in fields.items():
        if isinstance(value, dict):
            inner.append((name, value))
        elif isinstance(value, list | tuple):
            inner.extend((name, element) for element in value)
        elif value is not None:
            chunks.append(f" {name}={_attribute(value)}")
    inner.extend(children)
    if not inner:
        chunks.append("/>\n" if tag != "MediaContainer" else ">\n</MediaContainer>\n")
        return
    chunks.append(">\n")
    for name, child in inner:
        _write_element(chunks, name, child if isinstance(child, dict) else {"tag": child})
    chunks.append(f"</{tag}>\n")


def _attribute(value: object) -> str:
    if isinstance(value, bool):
        return '"1"' if value else '"0"'
    return quoteattr(NOT_XML.sub("", str(value)), IN_ATTRIBUTES)
