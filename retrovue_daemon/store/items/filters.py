"""Which items a command works on: the value that describes a choice, and its conditions in SQL."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from retrovue_daemon.config.values import is_utf8
from retrovue_daemon.errors import UnknownName
from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.languages import both_codes
from retrovue_daemon.store.items.lookup import GUID_TABLES, TABLES, json_list
from retrovue_daemon.store.items.names import names_of
from retrovue_daemon.store.items.titles import simplified

if TYPE_CHECKING:
    import sqlite3

    Span: TypeAlias = tuple[int | None, int | None]

_LISTED: Final = (Kind.MOVIE, Kind.SHOW, Kind.EPISODE)

_YEAR: Final = {
    Kind.MOVIE: "i.year",
    Kind.SHOW: "i.year",
    Kind.SEASON: "(SELECT year FROM shows WHERE id = i.show_id)",
    Kind.EPISODE: "CAST(substr(i.originally_available_at, 1, 4) AS INTEGER)",
}
_CONTENT_RATING: Final = {
    Kind.MOVIE: "i.rating",
    Kind.SHOW: "i.show_rating",
    Kind.SEASON: "(SELECT show_rating FROM shows WHERE id = i.show_id)",
    Kind.EPISODE: "i.rating",
}
_OWNER: Final = {Kind.MOVIE: "i.id", Kind.SHOW: "i.id", Kind.SEASON: "i.show_id", Kind.EPISODE: "i.show_id"}
"""The row whose genres an item has: seasons and episodes have those of their show."""

PLAYED: Final = (Kind.MOVIE, Kind.EPISODE)
"""The kinds of items that have files."""

FILES: Final = {
    kind: "FROM media_files AS f WHERE f.server_id = i.server_id AND f.rating_key = i.rating_key"
    f" AND f.media_type = '{kind.value}' AND f.state = 'active'"
    for kind in PLAYED
}
"""The files of an item ``i`` that can be played."""

_NEVER: Final = "0"


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """A choice of items: they must meet every condition that is given.

    Several genres, labels, collections, people, languages or subtitles must all apply; of several content ratings and
    resolutions one is enough. An item without the property that a condition is about does not meet it.
    """

    kinds: tuple[Kind, ...] = _LISTED
    server_id: int | None = None
    library_ids: tuple[int, ...] | None = None
    years: Span | None = None
    genres: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    directors: tuple[str, ...] = ()
    content_ratings: tuple[str, ...] = ()
    min_rating: float | None = None
    min_duration: int | None = None
    """Milliseconds, as `max_duration`."""
    max_duration: int | None = None
    resolutions: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    subtitles: tuple[str, ...] = ()
    added_since: int | None = None
    added_until: int | None = None
    state: str | None = None
    guid: tuple[str, str] | None = None
    """A provider and the item's id there."""

    def conditions(self, connection: sqlite3.Connection) -> dict[Kind, Condition]:
        """Return the condition for the rows ``i`` of each kind's table. Raise UnknownName."""
        named = _Named(connection, self)
        found: dict[Kind, Condition] = {}
        for kind in self.kinds:
            condition = Condition()
            self._add_place(condition, kind)
            self._add_columns(condition, kind)
            self._add_file(condition, kind)
            named.add_to(condition, kind)
            if _NEVER not in condition.parts:
                found[kind] = condition
        return found

    def _add_place(self, condition: Condition, kind: Kind) -> None:
        if self.server_id is not None:
            condition.add("i.server_id = ?", self.server_id)
        if self.library_ids is not None:
            condition.add("i.library_id IN (SELECT value FROM json_each(?))", json_list(self.library_ids))
        if self.state is not None:
            if self.state == "active":
                condition.add("i.state = 'active'")
            else:  # by the index of rows that are not
                left = f"SELECT id FROM {TABLES[kind]} WHERE state = ? AND state <> 'active'"
                condition.add(f"i.id IN ({left})", self.state)
        if self.guid is not None:
            if kind not in GUID_TABLES or not all(map(is_utf8, self.guid)):
                condition.add(_NEVER)
                return
            table, column = GUID_TABLES[kind]
            owners = f"SELECT {column} FROM {table} WHERE provider = ? AND external_id = ?"
            condition.add(f"i.id IN ({owners})", *self.guid)

    def _add_columns(self, condition: Condition, kind: Kind) -> None:
        if self.years is not None:
            first, last = self.years
            if first is not None:
                condition.add(f"{_YEAR[kind]} >= ?", first)
            if last is not None:
                condition.add(f"{_YEAR[kind]} <= ?", last)
        if self.content_ratings:
            ratings = json_list([rating.lower() for rating in filter(_is_text, self.content_ratings)])
            condition.add(f"lower({_CONTENT_RATING[kind]}) IN (SELECT value FROM json_each(?))", ratings)
        if self.min_rating is not None:
            condition.add("ifnull(i.audience_rating, i.critic_rating) >= ?", self.min_rating)
        if self.added_since is not None:
            condition.add("i.added_at >= ?", self.added_since)
        if self.added_until is not None:
            condition.add("i.added_at <= ?", self.added_until)
        for comparison, length in ((">=", self.min_duration), ("<=", self.max_duration)):
            if length is not None:
                condition.add(f"i.duration {comparison} ?" if kind in PLAYED else _NEVER, length)

    def file(self) -> Condition:
        """Return the condition for a file ``f`` of an item: it must meet all of it, not each by another file."""
        condition = Condition()
        if self.resolutions:
            condition.add("f.video_resolution IN (SELECT value FROM json_each(?))", json_list(self.resolutions))
        for stream, languages in (("audio", self.languages), ("subtitle", self.subtitles)):
            for language in languages:
                condition.add(
                    "EXISTS (SELECT 1 FROM streams AS t WHERE t.media_file_id = f.id AND t.kind = ?"
                    " AND (lower(t.language) = ? OR lower(t.language) LIKE ? OR lower(t.language_code) IN (?, ?)))",
                    *(stream, language.lower(), f"{language.lower()}-%", *both_codes(language.lower())),
                )
        return condition

    def _add_file(self, condition: Condition, kind: Kind) -> None:
        file = self.file()
        if not file.parts:
            return
        if kind not in PLAYED:
            condition.add(_NEVER)
            return
        condition.add(f"EXISTS (SELECT 1 {FILES[kind]} AND {file.sql})", *file.values)


class Condition:
    """A condition in SQL with its values; without parts it is always met."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.values: list[object] = []

    @property
    def sql(self) -> str:
        """The condition, all parts of which must be met."""
        return " AND ".join(self.parts) or "1"

    def add(self, part: str, *values: object) -> None:
        """Add a part; one that can never be met takes no values."""
        self.parts.append(part)
        if part != _NEVER:
            self.values.extend(values)


class _Named:
    """The tags, collections and people that a choice names, looked up once. Raise UnknownName for unknown ones."""

    def __init__(self, connection: sqlite3.Connection, filters: Filters) -> None:
        connection.create_function("simplified", 1, simplified, deterministic=True)
        self._genres = [_genre(connection, name) for name in filters.genres]
        self._labels = [_tags(connection, "label", name) for name in filters.labels]
        self._collections = [_collections(connection, name) for name in filters.collections]
        self._people = [
            (job, _people(connection, job, name))
            for job, names in (("actor", filters.actors), ("director", filters.directors))
            for name in names
        ]
        if filters.content_ratings:
            _refuse_unknown_ratings(connection, filters.content_ratings)

    def add_to(self, condition: Condition, kind: Kind) -> None:
        for ids, name in self._genres:
            _add_genre(condition, kind, ids, name)
        for ids in self._labels:
            if kind is Kind.SEASON:
                condition.add(_NEVER)
            else:
                condition.add(
                    f"i.id IN (SELECT {kind.value}_id FROM {kind.value}_tags"
                    " WHERE tag_id IN (SELECT value FROM json_each(?)))",
                    json_list(ids),
                )
        for ids in self._collections:
            members = (
                f"SELECT {kind.value}_id FROM collection_items WHERE {kind.value}_id IS NOT NULL"
                " AND collection_id IN (SELECT value FROM json_each(?))"
            )
            if kind is Kind.EPISODE:
                members = (
                    "SELECT episode_id FROM collection_episodes"
                    " WHERE collection_id IN (SELECT value FROM json_each(?))"
                )
            condition.add(f"i.id IN ({members})", json_list(ids))
        for job, (people, name) in self._people:
            _add_person(condition, kind, job, people, name)


def _refuse_unknown_ratings(connection: sqlite3.Connection, ratings: tuple[str, ...]) -> None:
    """Raise UnknownName if no item has any of these content ratings."""
    wanted = {rating.lower() for rating in filter(_is_text, ratings)}
    known = names_of(connection, "content-rating")
    if wanted.isdisjoint(rating.lower() for rating in known):
        query = "SELECT 1 FROM episodes WHERE lower(rating) IN (SELECT value FROM json_each(?)) LIMIT 1"
        if not connection.execute(query, (json_list(wanted),)).fetchall():
            raise UnknownName("content rating", ratings[0], known)


def _add_genre(condition: Condition, kind: Kind, ids: list[int], name: str) -> None:
    """Add that an item, or its show, has a genre; until its details are read, its listing names the first ones."""
    table = "movie" if kind is Kind.MOVIE else "show"
    owner = _OWNER[kind]
    condition.add(
        f"({owner} IN (SELECT {table}_id FROM {table}_tags WHERE tag_id IN (SELECT value FROM json_each(?)))"
        f" OR {owner} IN (SELECT id FROM {table}s WHERE details_read_at IS NULL AND {_in_list('genre')}))",
        *(json_list(ids), simplified(name)),
    )


def _add_person(condition: Condition, kind: Kind, job: str, people: list[int], name: str) -> None:
    """Add that a person worked on an item: an episode also counts as its show's."""
    credited = "SELECT {0}_id FROM {0}_credits WHERE job = ? AND person_id IN (SELECT value FROM json_each(?))"
    parts, values = [], list[object]()
    for table, column in (
        ("movie" if kind is Kind.MOVIE else "show", _OWNER[kind]),
        *((("episode", "i.id"),) if kind is Kind.EPISODE else ()),
    ):
        parts.append(f"{column} IN ({credited.format(table)})")
        values += [job, json_list(people)]
    if kind is Kind.MOVIE and job == "director":
        parts.append(f"(i.details_read_at IS NULL AND {_in_list('i.director')})")
        values.append(simplified(name))
    condition.add(f"({' OR '.join(parts)})", *values)


def _in_list(column: str) -> str:
    """Return the condition that a column of names, joined by commas, holds a simplified name."""
    return f"instr(', ' || simplified({column}) || ',', ', ' || ? || ',')"


def _genre(connection: sqlite3.Connection, name: str) -> tuple[list[int], str]:
    listed = f"details_read_at IS NULL AND {_in_list('genre')}"
    query = f"SELECT EXISTS (SELECT 1 FROM movies WHERE {listed}) OR EXISTS (SELECT 1 FROM shows WHERE {listed})"
    wanted = simplified(name.strip())
    if _is_text(name) and connection.execute(query, (wanted, wanted)).fetchone()[0]:
        return _named(connection, "tags", "name", "kind = 'genre'", name), name.strip()
    return _tags(connection, "genre", name), name.strip()


def _tags(connection: sqlite3.Connection, kind: str, name: str) -> list[int]:
    found = _named(connection, "tags", "name", f"kind = '{kind}'", name)
    if not found:
        raise UnknownName(kind, name, names_of(connection, kind))
    return found


def _collections(connection: sqlite3.Connection, name: str) -> list[int]:
    found = _named(connection, "collections", "title", "state = 'active'", name)
    if not found:
        raise UnknownName("collection", name, names_of(connection, "collection"))
    return found


def _people(connection: sqlite3.Connection, job: str, name: str) -> tuple[list[int], str]:
    name = name.strip()
    if not _is_text(name):
        raise UnknownName(job, name, [])
    # The index ignores the case of ASCII; only what it does not find needs a look at every name.
    query = "SELECT id FROM people WHERE name = ? COLLATE NOCASE"
    found = [row[0] for row in connection.execute(query, (name,))] or _named(connection, "people", "name", "1", name)
    query = f"SELECT EXISTS (SELECT 1 FROM movies WHERE details_read_at IS NULL AND {_in_list('director')})"
    is_listed = job == "director" and connection.execute(query, (simplified(name),)).fetchone()[0]
    if not found and not is_listed:
        similar = get_close_matches(name, names_of(connection, "person", name[:2]), n=5) if name else []
        raise UnknownName(job, name, similar)
    return found, name


def _named(connection: sqlite3.Connection, table: str, column: str, condition: str, name: str) -> list[int]:
    """Return the ids of rows with a name, whatever its case and accents."""
    if not _is_text(name):
        return []
    query = f"SELECT id FROM {table} WHERE {condition} AND simplified({column}) = ?"
    return [row[0] for row in connection.execute(query, (simplified(name.strip()),))]


def _is_text(name: str) -> bool:
    return is_utf8(name) and "\0" not in name
