"""Tags, credits, chapters, markers and collections: those of a server, and those of the rows that mirror it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from retrovue_daemon.demo import Memberships
from retrovue_daemon.demo.items import Movie, Show
from tests.support.details import CAST, QUERIES, Lists, details_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator

    from retrovue_daemon.demo import World
    from tests.properties.truth import Key

RowId: TypeAlias = tuple[str, int]
"""Table and id."""

TIMES = frozenset({"chapters", "markers"})
LABEL = "label"
TEXTS = {"genre text": "genre", "director text": "director"}
"""The columns that repeat lists as text, by the names that they have among the lists."""

MEMBERS = {"movies": "movie_id", "shows": "show_id", "seasons": "season_id", "episodes": "episode_id"}
FIELDS = (
    "title", "title_sort", "summary", "item_kind", "is_smart", "collection_sort", "added_at", "updated_at",
)  # fmt: skip
"""The columns of a collection with the server's values."""


class Group(NamedTuple):
    """A collection: the key of its library, its guid, the compared values, and the keys of its members."""

    library: str
    guid: object
    content: tuple[object, ...]
    members: tuple[Key, ...]


class StoredGroup(NamedTuple):
    """The row of a collection."""

    id: int
    key: str
    state: str
    group: Group
    rows: tuple[RowId, ...]
    """Its members."""
    positions: tuple[int, ...]


class ListedRich(NamedTuple):
    """What a server has: the lists and the shortened texts of items by key, and its collections by rating key."""

    lists: dict[Key, Lists]
    shortened: dict[Key, Lists]
    groups: dict[str, Group]
    libraries: frozenset[str]
    """Those whose collections are listed."""


class StoredRich(NamedTuple):
    """What is stored: the lists of rows, the rows whose details were read, and the collections by id."""

    lists: dict[RowId, Lists]
    read: frozenset[RowId]
    groups: dict[int, StoredGroup]
    raw: dict[str, list[tuple[object, ...]]]
    """Whole tables, to detect any write."""


def listed_rich(world: World, libraries: Collection[str]) -> ListedRich:
    """Write down what the server knows of the items and collections in some libraries."""
    lists = details_of(world, cast=CAST)
    shortened: dict[Key, Lists] = {}
    for item in world.items.values():
        if not isinstance(item, Movie | Show):
            continue
        key = f"{item.type}s", item.rating_key
        directors = item.tags.directors if isinstance(item, Movie) else ()
        lists.setdefault(key, {}).update(_texts(item.tags.genres, directors))
        shortened[key] = _texts(item.tags.genres[:2], directors[:3])
    for each in lists.values():
        each[LABEL] = sorted(each.get(LABEL, []))
    memberships = Memberships(world)
    groups = {
        each.rating_key: Group(
            each.library,
            each.guid,
            (
                each.title, each.title_sort, each.summary or None, each.item_type, int(each.filter is not None),
                each.sort or None, each.added_at, each.updated_at,
            ),
            tuple((f"{item.type}s", item.rating_key) for item in memberships.of(each)),
        )
        for each in world.collections.values()
        if each.library in libraries
    }  # fmt: skip
    return ListedRich(lists, shortened, groups, frozenset(libraries))


def _texts(genres: tuple[str, ...], directors: tuple[str, ...]) -> Lists:
    texts = {"genre text": genres, "director text": directors}
    return {name: [", ".join(values)] for name, values in texts.items() if values}


def stored_rich(
    connection: sqlite3.Connection, items: dict[RowId, dict[str, Any]], libraries: dict[int, str]
) -> StoredRich:
    """Read what is stored about one server's rows (records by table and id) and collections."""
    lists: defaultdict[RowId, Lists] = defaultdict(dict)
    raw: dict[str, list[tuple[object, ...]]] = {name: [] for name in QUERIES}
    for one in ("movie", "show", "episode"):
        for name, query in QUERIES.items():
            if one == "show" and name in TIMES:
                continue
            for row_id, kind, *values in connection.execute(query.format(one=one)):
                if (f"{one}s", row_id) in items:
                    lists[f"{one}s", row_id].setdefault(kind, []).append(tuple(values))
                    raw[name].append((one, row_id, kind, *values))
    for each in lists.values():
        each[LABEL] = sorted(each.get(LABEL, []))
    for row, record in items.items():
        for text, column in TEXTS.items():
            if record.get(column) is not None:
                lists[row][text] = [record[column]]
    read = frozenset(name for name, record in items.items() if record["details_read_at"] is not None)
    groups = {group.id: group for group in _groups(connection, items, libraries)}
    raw["collections"] = [
        tuple(row) for row in connection.execute("SELECT * FROM collections ORDER BY id") if row[0] in groups
    ]
    raw["collection_items"] = [
        tuple(row) for row in connection.execute("SELECT * FROM collection_items ORDER BY 1, 2") if row[0] in groups
    ]
    return StoredRich(dict(lists), read, groups, raw)


def _groups(
    connection: sqlite3.Connection, items: dict[RowId, dict[str, Any]], libraries: dict[int, str]
) -> Iterator[StoredGroup]:
    members: defaultdict[int, list[tuple[int, RowId]]] = defaultdict(list)
    for table, column in MEMBERS.items():
        query = f"SELECT collection_id, position, {column} FROM collection_items WHERE {column} IS NOT NULL"
        for collection_id, position, row_id in connection.execute(query):
            members[collection_id].append((position, (table, row_id)))
    query = f"SELECT id, rating_key, state, library_id, source_id, {', '.join(FIELDS)} FROM collections"
    for row_id, key, state, library_id, guid, *content in connection.execute(query):
        if library_id in libraries:
            ordered = sorted(members[row_id])
            rows = tuple(row for _, row in ordered)
            keys = tuple((row[0], str(items[row]["rating_key"]) if row in items else "none") for row in rows)
            group = Group(libraries[library_id], guid, tuple(content), keys)
            yield StoredGroup(row_id, key, state, group, rows, tuple(position for position, _ in ordered))
