"""How an item is named for people: with its year, or with its show and number; and how names are compared."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.lookup import TABLES

if TYPE_CHECKING:
    import sqlite3

TITLES = {
    Kind.MOVIE: "i.title || ifnull(' (' || i.year || ')', '')",
    Kind.SHOW: "i.title || ifnull(' (' || i.year || ')', '')",
    Kind.SEASON: "ifnull((SELECT w.title FROM {schema}.shows AS w WHERE w.id = i.show_id), '?') || ', ' || i.title",
    Kind.EPISODE: (
        "ifnull((SELECT w.title FROM {schema}.shows AS w WHERE w.id = i.show_id), '?')"
        " || printf(' S%02dE%02d ', ifnull(i.season_number, 0), ifnull(i.episode_number, 0)) || i.episode_title"
    ),
}
"""An SQL expression per kind; ``i`` is the row, ``schema`` the database that it is in."""


def states_of(connection: sqlite3.Connection, kind: Kind, title: str) -> set[str]:
    """Return the states of the items of a kind with a title, on any server."""
    column = "episode_title" if kind is Kind.EPISODE else "title"
    rows = connection.execute(f"SELECT state FROM {TABLES[kind]} WHERE {column} = ?", (title,))
    return {state for (state,) in rows}


def simplified(text: str | None) -> str:
    """Return a text in lower case, without accents and invisible characters, and with single spaces.

    The result for None, which SQL passes, is empty.
    """
    if not text:
        return ""
    if not text.isascii():
        text = "".join(part for part in unicodedata.normalize("NFKD", text.casefold()) if _is_visible(part))
    return " ".join(text.lower().split())


def _is_visible(part: str) -> bool:
    """Return whether a character is neither an accent nor a mark of direction, a joiner or the like."""
    return part.isalnum() or not (unicodedata.combining(part) or unicodedata.category(part) == "Cf")
