"""The names that items can be chosen by, for completion and for hints about unknown names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.config.values import is_utf8

if TYPE_CHECKING:
    import sqlite3

_MOST: Final = 200
"""People that are named at once: there may be hundreds of thousands."""


def names_of(connection: sqlite3.Connection, what: str, start: str = "") -> list[str]:
    """Return stored names: of tags of a kind, "collection", "content-rating", or "person".

    Of people only the first that begin with ``start``.
    """
    values: tuple[object, ...] = ()
    match what:
        case "person":
            # No pattern: a range uses the index of names.
            query = (
                "SELECT DISTINCT name FROM people WHERE name COLLATE NOCASE >= ? AND name COLLATE NOCASE < ? LIMIT ?"
            )
            values = start, f"{start}\U0010ffff", _MOST
        case "collection":
            query = "SELECT DISTINCT title FROM collections WHERE state = 'active' ORDER BY title"
        case "content-rating":
            query = (
                "SELECT rating FROM movies WHERE rating IS NOT NULL UNION"
                " SELECT show_rating FROM shows WHERE show_rating IS NOT NULL"
            )
        case _:
            query, values = "SELECT name FROM tags WHERE kind = ? ORDER BY name", (what,)
    if not is_utf8(start):
        return []
    return [row[0] for row in connection.execute(query, values)]
