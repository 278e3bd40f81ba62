"""Reading the items that filters and a text choose: how many, which, and where their files are."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from retrovue_daemon.config.values import is_utf8
from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.filters import FILES, PLAYED, Condition
from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.titles import simplified
from retrovue_daemon.store.items.word_index import is_complete as is_complete_index
from retrovue_daemon.store.items.word_index import part_tests, title_test, word_tests
from retrovue_daemon.store.items.word_matches import WordMatches

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from retrovue_daemon.store.items.filters import Filters

    Columns: TypeAlias = Mapping[str, str | Mapping[Kind, str]]

_FROM: Final = {
    kind: f"{TABLES[kind]} AS i JOIN libraries AS l ON l.id = i.library_id"
    " JOIN plex_servers AS s ON s.id = i.server_id"
    + (" LEFT JOIN shows AS w ON w.id = i.show_id" if kind in {Kind.SEASON, Kind.EPISODE} else "")
    for kind in Kind
}
_TITLE: Final = {kind: "i.episode_title" if kind is Kind.EPISODE else "i.title" for kind in Kind}
_SHOW: Final = {Kind.SEASON: "w.title", Kind.EPISODE: "w.title"}
_SEASON_NUMBER: Final = {Kind.SEASON: "i.season_number", Kind.EPISODE: "i.season_number"}
_EPISODE_NUMBER: Final = {Kind.EPISODE: "i.episode_number"}
_MOVIES_AND_SHOWS: Final = (Kind.MOVIE, Kind.SHOW)


def _of(expression: str, *kinds: Kind) -> dict[Kind, str]:
    return dict.fromkeys(kinds, expression)


_FOUND: Final[Columns] = {
    "kind": {kind: f"'{kind.value}'" for kind in Kind},
    "id": "i.id",
    "rating_key": "i.rating_key",
    "title": _TITLE,
    "year": _of("i.year", *_MOVIES_AND_SHOWS),
    "edition_title": _of("i.edition_title", Kind.MOVIE),
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
    **_FOUND,
    "guid": "i.source_id",
    "title_sort": "i.title_sort",
    "original_title": _of("i.original_title", Kind.MOVIE, Kind.SHOW, Kind.EPISODE),
    "released": _of("i.originally_available_at", Kind.MOVIE, Kind.SHOW, Kind.EPISODE),
    "duration": _of("i.duration", *PLAYED),
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
    "studio": _of("i.studio", *_MOVIES_AND_SHOWS),
    "added_at": "i.added_at",
    "updated_at": "i.updated_at",
    "missing_since": "i.missing_since",
    "thumb": "i.thumb",
    "art": "i.art",
    **{
        name: _of(f"f.{column}", *PLAYED)
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
    "title": ({kind: f"ifnull(i.title_sort, {_TITLE[kind]}) COLLATE NOCASE" for kind in Kind},),
    "year": (
        {
            **_of("i.year", *_MOVIES_AND_SHOWS),
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
            **_of("ifnull(i.title_sort, i.title) COLLATE NOCASE", *_MOVIES_AND_SHOWS),
            **_of("ifnull(w.title_sort, w.title) COLLATE NOCASE", Kind.SEASON, Kind.EPISODE),
        },
        _of("i.show_id", Kind.SEASON, Kind.EPISODE),
        _of("i.season_number = 0", Kind.SEASON, Kind.EPISODE),
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


class Chosen:
    """The items that meet the filters and match the text.

    If there is an index of words, a text matches by its words in titles, original titles, the names of people and the
    titles of collections. Without one, or if it has no match, a title must contain the text, ignoring case; if none
    does, accents are ignored, too. ``is_index_behind`` says that there is an index, which is not complete.

    With ``most``, about so many matches of the index are read per kind; ``is_capped`` says that there may be more.
    All that is read is from one moment: until the connection is closed, it stays in a transaction. Raise UnknownName
    if the filters name something that does not exist.
    """

    def __init__(
        self, connection: sqlite3.Connection, filters: Filters, text: str | None = None, *, most: int | None = None
    ) -> None:
        self._connection = connection
        self._text = text
        self._file = filters.file()
        self._conditions: dict[Kind, Condition] = {}
        self.total = 0
        self.is_capped = self.is_index_behind = False
        if text is not None and not is_utf8(text):
            return
        connection.create_function("simplified", 1, simplified, deterministic=True)
        if not connection.in_transaction:
            connection.execute("BEGIN")
        self._conditions = filters.conditions(connection)
        if text is None:
            self.total = self._count()
        elif not self._match_words(text, most):
            self._match_titles(filters, text)

    def _match_words(self, text: str, most: int | None) -> bool:
        """Choose what the index of words finds; return whether it was used for a text that has words."""
        is_complete, whole = is_complete_index(self._connection), title_test(text)
        self.is_index_behind = is_complete is False
        if not is_complete or whole is None or Kind.SEASON in self._conditions:
            return False
        found: dict[Kind, list[int]] = {}
        for attempt in (word_tests, partial(part_tests, self._connection)):
            matches = WordMatches(self._connection, attempt(text), whole, most)
            found = {kind: matches.ids(kind, condition) for kind, condition in self._conditions.items()}
            self.is_capped = matches.is_capped
            if any(found.values()):
                break
        self.total = sum(map(len, found.values()))
        for kind, ids in found.items():
            self._conditions[kind] = condition = Condition()
            condition.add("i.id IN (SELECT value FROM json_each(?))", json_list(ids))
        return True

    def _match_titles(self, filters: Filters, text: str) -> None:
        """Choose by reading all titles."""
        for test, wanted in _title_tests(text):
            self._conditions = filters.conditions(self._connection)
            for kind, condition in self._conditions.items():
                other = "" if kind is Kind.SEASON else " || char(31) || ifnull(i.original_title, '')"
                condition.add(test.format(title=f"({_TITLE[kind]}{other})"), wanted)
            self.total = self._count()
            if self.total:
                break

    def _count(self) -> int:
        return sum(
            self._connection.execute(
                f"SELECT count(*) FROM {TABLES[kind]} AS i WHERE {condition.sql}", condition.values
            ).fetchone()[0]
            for kind, condition in self._conditions.items()
        )

    def found(self, *, sort: str | None = None, limit: int | None = None) -> list[Found]:
        """Return the items as `rows` would: with a text and without ``sort``, the best matches first."""
        if self._text is not None and sort is None:
            return self._best(sys.maxsize if limit is None else min(limit, sys.maxsize))
        return [Found(*row) for row in self.rows(_FOUND, sort=sort, limit=limit)]

    def rows(
        self, columns: Columns, *, sort: str | None = None, limit: int | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield these columns of each item, by kind and id unless sorted otherwise; unknown values come last."""
        name = (sort or "").removeprefix("-")
        keys = SORT_KEYS[name] if name else ()
        parts, values = [], list[object]()
        for kind, condition in self._conditions.items():
            selected = [
                *(_expression(each, kind) for each in columns.values()),
                *(_expression(key, kind) for key in keys),
            ]
            file, its_values = self._file_of(kind)
            parts.append(f"SELECT {', '.join(selected)} FROM {_FROM[kind]}{file} WHERE {condition.sql}")
            values += (*its_values, *condition.values)
        if not parts:
            return
        query = " UNION ALL ".join(parts)
        if keys:
            direction = " DESC" if (sort or "").startswith("-") else ""
            first = len(columns) + 1
            order = ", ".join(f"{first + place}{direction} NULLS LAST" for place in range(len(keys)))
            query += f" ORDER BY {order}, 1, 2"
        else:
            query = " UNION ALL ".join(f"SELECT * FROM ({part} ORDER BY i.id)" for part in parts)
        if limit is not None:
            query += " LIMIT ?"
            values.append(min(limit, sys.maxsize))
        width = len(columns)
        for row in self._connection.execute(query, values):
            yield row[:width]

    def _file_of(self, kind: Kind) -> tuple[str, Sequence[object]]:
        """Return the SQL that joins the file ``f`` of an item, with its values.

        That is the primary one or, if files are chosen by their properties and it has not all of them, one that has.
        """
        if kind not in PLAYED:
            return "", ()
        if not self._file.parts:
            return " LEFT JOIN media_files AS f ON f.id = i.media_file_id", ()
        chosen = f"SELECT f.id {FILES[kind]} AND {self._file.sql}"
        best = f"ifnull(({chosen} AND f.id = i.media_file_id), ({chosen} ORDER BY f.optimized, f.id LIMIT 1))"
        return f" LEFT JOIN media_files AS f ON f.id = {best}", (*self._file.values, *self._file.values)

    def paths(self, *, sort: str | None = None, limit: int | None = None) -> Iterator[str | None]:
        """Yield the local path of each file to play, None if it is unknown: all parts of the primary version.

        If files are chosen by their properties, it is the version of a file that has them.
        """
        columns: Columns = {
            "kind": _FOUND["kind"],
            "id": "i.id",
            "file": _of("f.id", *PLAYED),
        }
        parts = (
            "SELECT p.file_path FROM media_files AS f JOIN media_files AS p ON p.server_id = f.server_id"
            " AND p.rating_key = f.rating_key AND p.media_type = f.media_type AND p.media_id IS f.media_id"
            " AND (p.state = f.state OR p.id = f.id) WHERE f.id = ? ORDER BY p.part_index, p.id"
        )
        for _, _, file_id in self.rows(columns, sort=sort, limit=limit):
            if file_id is not None:
                for (path,) in self._connection.execute(parts, (file_id,)):
                    yield path

    def _best(self, limit: int) -> list[Found]:
        text = self._text or ""
        found: list[Found] = []
        for kind, condition in self._conditions.items():
            title = _TITLE[kind]
            # Among titles starting with the text, the shortest is the closest match.
            best = f"{title} LIKE ? ESCAPE '\\' DESC, length({title}), {title}, i.id LIMIT ?"
            query = f"{select_found(kind)} WHERE {condition.sql} ORDER BY {best}"
            values = (*condition.values, f"{_like(text)}%", limit)
            found += [Found(*row) for row in self._connection.execute(query, values)]
        plain = simplified(text)
        found.sort(key=lambda item: _rank(simplified(item.title), plain))
        return found[:limit]


def select_found(kind: Kind) -> str:
    """Return the SQL that selects the fields of `Found` of items ``i``, up to its conditions."""
    return f"SELECT {', '.join(_expression(each, kind) for each in _FOUND.values())} FROM {_FROM[kind]}"


def _title_tests(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a title must fulfil, with its value: the fast test, then the one that ignores accents."""
    if text.isascii():
        yield "{title} LIKE ? ESCAPE '\\'", f"%{_like(text)}%"
    yield "instr(simplified({title}), ?)", simplified(text)


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _expression(column: str | Mapping[Kind, str], kind: Kind) -> str:
    return column if isinstance(column, str) else column.get(kind, "NULL")


def _rank(title: str, text: str) -> tuple[bool, bool, bool, str]:
    return title != text, not title.startswith(text), text not in title, title
