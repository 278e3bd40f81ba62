"""What an entry is, and which elements a request wants in it."""

from __future__ import annotations

from typing import Any

import msgspec

Entry = dict[str, Any]
"""An element of a list in a response: values, other elements and lists of them, under Plex's names."""


class Shape(msgspec.Struct, frozen=True):
    """How a request wants its entries: with which additional elements, and without which elements and fields.

    Chapters and markers exist only in details.
    """

    guids: bool = False
    streams: bool = False
    chapters: bool = False
    markers: bool = False
    without: frozenset[str] = frozenset()


def strip(entry: Entry, shape: Shape) -> Entry:
    """Remove the elements that the shape excludes, and return the entry."""
    for name in shape.without:
        entry.pop(name, None)
    return entry
