"""What an entry is, and how a request wants its entries."""

from __future__ import annotations

from typing import Any

import msgspec

Entry = dict[str, Any]
"""An element of a list in an answer: values, other elements, and lists of them, by Plex's names."""


class Shape(msgspec.Struct, frozen=True):
    """How a request wants its entries: with Guid arrays or not, and without which elements and fields."""

    guids: bool = False
    without: frozenset[str] = frozenset()


def strip(entry: Entry, shape: Shape) -> Entry:
    """Take out what the shape goes without, and return the entry."""
    for name in shape.without:
        entry.pop(name, None)
    return entry
