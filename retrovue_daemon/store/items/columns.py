"""The columns of items in lists and exports, and what items can be sorted by: one expression for each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.filters import PLAYED
from retrovue_daemon.store.items.lookup import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    Columns: TypeAlias = Mapping[str, str | Mapping[Kind, str]]

FROM: Final = {
    kind: f"{TABLES[kind]} AS i JOIN libraries AS l ON l.id = i.library_id"
    " JOIN plex_servers AS s ON s.id = i.server_id"
    + (" LEFT JOIN shows AS w ON w.id = i.show_id" if kind in {Kind.SEASON, Kind.EPISODE} else "")
    for kind in Kind
}
TITLE: Final = {kind: "i.episode_title" if kind is Kind.EPISODE else "i.title" for kind in Kind}
_SHOW: Final = {Kind.SEASON: "w.title", Kind.EPISODE: "w.title"}
_SEASON_NUMBER: Final = {Kind.SEASON: "i.season_number", Kind.EPISODE: "i.season_number"}
_EPISODE_NUMBER: Final = {Kind.EPISODE: "i.episode_number"}
_MOVIES_AND_SHOWS: Final = (Kind.MOVIE, Kind.SHOW)


def of_kinds(expression: str, *kinds: Kind) -> dict[Kind, str]:
    """Return a column that only these kinds have, with the same expression."""
    return dict.fromkeys(kinds, expression)


FOUND: Final[Columns] = {
    "kind": {kind: f"'{kind.value}'" for kind in Kind},
    "id": "i.id",
    "rating_key": "i.rating_key",
    "title": TITLE,
    "year": of_kinds("i.year", *_MOVIES_AND_SHOWS),
    "edition_title": of_kinds("i.edition_title", Kind.MOVIE),
    "show": _SHOW,
    "season_number": _SEASON_NUMBER,
    "episode_number": _EPISODE_NUMBER,
    "library": "l.library_name",
    "server": "s.name",
    "state": "i.state",
}


def _tags(kind: str, table: str, owner: str) -> str:
    return (
        "(SELECT group_concat(name, char(31)) FROM"
        f" (SELECT t.name FROM {table}_tags AS x JOIN tags AS t ON t.id = x.tag_id"
        f" WHERE x.{table}_id = {owner} AND t.kind = '{kind}' ORDER BY x.position))"
    )


EXPORTED: Final[Columns] = {
    **FOUND,
    "guid": "i.source_id",
    "title_sort": "i.title_sort",
    "original_title": of_kinds("i.original_title", Kind.MOVIE, Kind.SHOW, Kind.EPISODE),
    "released": of_kinds("i.originally_available_at", Kind.MOVIE, Kind.SHOW, Kind.EPISODE),
    "duration": of_kinds("i.duration", *PLAYED),
    "content_rating": {Kind.MOVIE: "i.rating", Kind.SHOW: "i.show_rating", Kind.EPISODE: "i.rating"},
    "critic_rating": "i.critic_rating",
    "audience_rating": "i.audience_rating",
    "genres": {
        Kind.MOVIE: f"ifnull({_tags('genre', 'movie', 'i.id')}, replace(i.genre, ', ', char(31)))",
        Kind.SHOW: f"ifnull({_tags('genre', 'show', 'i.id')}, replace(i.genre, ', ', char(31)))",
        Kind.SEASON: f"ifnull({_tags('genre', 'show', 'w.id')}, replace(w.genre, ', ', char(31)))",
        Kind.EPISODE: f"ifnull({_tags('genre', 'show', 'w.id')}, replace(w.genre, ', ', char(31)))",
    },
    "labels": {kind: _tags("label", kind.value, "i.id") for kind in (Kind.MOVIE, Kind.SHOW, Kind.EPISODE)},
    "summary": {
        Kind.MOVIE: "i.summary",
        Kind.SHOW: "i.show_summary",
        Kind.SEASON: "i.summary",
        Kind.EPISODE: "i.summary",
    },
    "studio": of_kinds("i.studio", *_MOVIES_AND_SHOWS),
    "added_at": "i.added_at",
    "updated_at": "i.updated_at",
    "missing_since": "i.missing_since",
    "thumb": "i.thumb",
    "art": "i.art",
    **{
        name: of_kinds(f"f.{column}", *PLAYED)
        for name, column in {
            "media_file_id": "id",
            "file_path": "file_path",
            "plex_path": "plex_path",
            "size": "size",
            "container": "container",
            "video_codec": "video_codec",
            "audio_codec": "audio_codec",
            "width": "width",
            "height": "height",
            "video_resolution": "video_resolution",
            "hdr": "hdr",
        }.items()
    },
}
"""The columns of an export."""

SORT_KEYS: Final[Mapping[str, tuple[str | Mapping[Kind, str], ...]]] = {
    "title": ({kind: f"ifnull(i.title_sort, {TITLE[kind]}) COLLATE NOCASE" for kind in Kind},),
    "year": (
        {
            **of_kinds("i.year", *_MOVIES_AND_SHOWS),
            Kind.SEASON: "w.year",
            Kind.EPISODE: "CAST(substr(i.originally_available_at, 1, 4) AS INTEGER)",
        },
    ),
    "added": ("i.added_at",),
    "released": (EXPORTED["released"],),
    "duration": (EXPORTED["duration"],),
    "rating": ("ifnull(i.audience_rating, i.critic_rating)",),
    "series": (
        {
            **of_kinds("ifnull(i.title_sort, i.title) COLLATE NOCASE", *_MOVIES_AND_SHOWS),
            **of_kinds("ifnull(w.title_sort, w.title) COLLATE NOCASE", Kind.SEASON, Kind.EPISODE),
        },
        of_kinds("i.show_id", Kind.SEASON, Kind.EPISODE),
        of_kinds("i.season_number = 0", Kind.SEASON, Kind.EPISODE),
        _SEASON_NUMBER,
        _EPISODE_NUMBER,
    ),
    "random": ("random()",),
}
"""What items can be sorted by; with a leading hyphen, the highest comes first."""


class Found(msgspec.Struct, frozen=True):
    """An item in a list; only seasons and episodes have ``show``, ``season_number`` and ``episode_number``."""

    kind: str
    id: int
    rating_key: str
    title: str
    year: int | None
    edition_title: str | None
    show: str | None
    season_number: int | None
    episode_number: int | None
    library: str
    server: str
    state: str


class Hit(Found, frozen=True):
    """An item in a list that also shows pictures: ``thumb`` is the server's path of its poster or still."""

    thumb: str | None


HIT: Final[Columns] = {**FOUND, "thumb": "i.thumb"}


def select_found(kind: Kind, columns: Columns = FOUND) -> str:
    """Return the SQL that selects columns of items ``i``, those of `Found` by default, up to its conditions."""
    return f"SELECT {', '.join(expression(each, kind) for each in columns.values())} FROM {FROM[kind]}"


def expression(column: str | Mapping[Kind, str], kind: Kind) -> str:
    """Return the SQL of a column for one kind: NULL if it has none."""
    return column if isinstance(column, str) else column.get(kind, "NULL")
