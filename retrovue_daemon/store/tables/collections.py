"""The collections of servers, and their members in the order in which they are shown."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.store.feed.recording import record
from retrovue_daemon.store.items.bulk import Insertion, write_rows
from retrovue_daemon.store.items.lookup import TABLES, json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from retrovue_daemon.records import Collection, CollectionMember
    from retrovue_daemon.store.feed.recording import ChangeOp

_MEMBER_COLUMNS: Final = {kind: f"{kind.value}_id" for kind in Kind}
_ITEMS: Final = ("movie_id", "show_id", "season_id", "episode_id")
_COLUMNS: Final = (
    "library_id", "rating_key", "title", "title_sort", "summary", "item_kind", "is_smart", "collection_sort", "thumb",
    "art", "added_at", "updated_at", "source_id", "digest", "state", "missing_since", "missing_observed",
)  # fmt: skip
_TITLE: Final = _COLUMNS.index("title")
_SOURCE_ID: Final = _COLUMNS.index("source_id")
_STATE: Final = _COLUMNS.index("state")
_PURGED_AT_ONCE: Final = 100

Member = tuple[int | None, int | None, int | None, int | None]
"""The ids of a row in ``collection_items``, of which one is set."""


class StoredCollection(NamedTuple):
    """The row of a collection; ``digest`` is None while members are missing, or were never read."""

    id: int
    library_id: int
    rating_key: str
    source_id: str | None
    is_missing: bool
    has_lost_library: bool
    """Its library is missing."""
    digest: int | None


class ReadCollection(NamedTuple):
    """A collection as its server has it, and its row in the database, which may be outdated.

    ``members`` is None if they could not be read; ``is_whole`` says that they need not be read again soon. The
    ``digest`` is stored if both is well.
    """

    library_id: int
    collection: Collection
    row: StoredCollection | None
    digest: int
    members: Sequence[CollectionMember] | None
    is_whole: bool


class Resolved(NamedTuple):
    """The members of a collection as rows; ``unstored`` are the rating keys that no row of its library has."""

    members: list[Member]
    unstored: tuple[str, ...]


class Written(msgspec.Struct, frozen=True):
    """What became of a collection: whether its row is new, differed or was missing, and whether members differed."""

    id: int
    added: bool
    updated: bool
    restored: bool
    unstored: tuple[str, ...]


def stored_collections(connection: sqlite3.Connection, server_id: int) -> dict[str, StoredCollection]:
    """Return the collections of a server, including missing ones, by rating key."""
    query = (
        "SELECT c.id, c.library_id, c.rating_key, c.source_id, c.state = 'missing', l.state = 'missing', c.digest"
        " FROM collections AS c JOIN libraries AS l ON l.id = c.library_id WHERE c.server_id = ?"
    )
    return {row.rating_key: row for row in map(StoredCollection._make, connection.execute(query, (server_id,)))}


def resolve(
    connection: sqlite3.Connection, server_id: int, library_id: int, members: Sequence[CollectionMember]
) -> Resolved:
    """Return the rows of members, in their order."""
    keys: dict[Kind, list[str]] = defaultdict(list)
    for member in members:
        keys[member.kind].append(member.rating_key)
    ids: dict[tuple[Kind, str], int] = {}
    for kind, wanted in keys.items():
        query = (
            f"SELECT rating_key, id FROM {TABLES[kind]} WHERE server_id = ? AND library_id = ?"
            " AND rating_key IN (SELECT value FROM json_each(?))"
        )
        for key, row_id in connection.execute(query, (server_id, library_id, json_list(wanted))):
            ids[kind, key] = row_id
    rows: list[Member] = []
    unstored: list[str] = []
    for member in members:
        row_id = ids.get((member.kind, member.rating_key))
        if row_id is None:
            unstored.append(member.rating_key)
        else:
            column = _MEMBER_COLUMNS[member.kind]
            row = [row_id if name == column else None for name in _ITEMS]
            rows.append((row[0], row[1], row[2], row[3]))
    return Resolved(rows, tuple(unstored))


def stores_any(connection: sqlite3.Connection, server_id: int, library_id: int, rating_keys: Iterable[str]) -> bool:
    """Return whether a library now has a row with one of these rating keys."""
    keys = json_list(rating_keys)
    return any(
        connection.execute(
            f"SELECT 1 FROM {table} WHERE server_id = ? AND library_id = ?"
            " AND rating_key IN (SELECT value FROM json_each(?)) LIMIT 1",
            (server_id, library_id, keys),
        ).fetchall()
        for table in TABLES.values()
    )


def that_differ(
    connection: sqlite3.Connection, server_id: int, collections: Iterable[ReadCollection]
) -> list[ReadCollection]:
    """Return the collections that are not stored as they are, with their members."""
    return [each for each in collections if not _is_stored(connection, server_id, each)]


def _is_stored(connection: sqlite3.Connection, server_id: int, each: ReadCollection) -> bool:
    row, collection = each.row, each.collection
    if row is None or each.members is None or row.library_id != each.library_id:
        return False
    if row.is_missing or row.digest != each.digest or collection.guid not in {None, row.source_id}:
        return False
    found = resolve(connection, server_id, row.library_id, each.members)
    return not found.unstored and found.members == _members(connection, row.id)


def write_collections(
    connection: sqlite3.Connection, server_id: int, collections: Iterable[ReadCollection], now: int, observed: int
) -> list[Written]:
    """Write collections, and their members unless they are None. Run this as one of the writer's transactions."""
    return [_write(connection, server_id, each, now, observed) for each in collections]


def _write(connection: sqlite3.Connection, server_id: int, each: ReadCollection, now: int, observed: int) -> Written:
    library_id, collection, members = each.library_id, each.collection, each.members
    row_id, known = _row_of(connection, server_id, collection, now, observed)
    found = None if members is None else resolve(connection, server_id, library_id, members)
    unstored = () if found is None else found.unstored
    differ = found is not None and row_id is not None and found.members != _members(connection, row_id)
    values: tuple[object, ...] = (
        library_id,
        collection.rating_key,
        collection.title,
        collection.title_sort,
        collection.summary,
        collection.item_kind,
        int(collection.is_smart),
        collection.collection_sort,
        collection.thumb,
        collection.art,
        collection.added_at,
        collection.updated_at,
        collection.guid or (known and known[_SOURCE_ID]),
        # None if something is missing, so that it is looked at again, also by the next process.
        each.digest if found is not None and each.is_whole and not unstored else None,
        "active",
        None,
        None,
    )
    if row_id is None:
        names = ("server_id", "created_at", "synced_at", *_COLUMNS)
        marks = ", ".join("?" * len(names))
        cursor = connection.execute(
            f"INSERT INTO collections ({', '.join(names)}) VALUES ({marks})", (server_id, now, now, *values)
        )
        row_id = cursor.lastrowid or 0
    elif differ or known != values:
        settings = ", ".join(f"{name} = ?" for name in ("synced_at", *_COLUMNS))
        connection.execute(
            f"UPDATE collections SET {settings} WHERE id = ?",
            (now, *values, row_id),
        )
    if found is not None and (differ or known is None):
        connection.execute("DELETE FROM collection_items WHERE collection_id = ?", (row_id,))
        rows = [(row_id, position, *member) for position, member in enumerate(found.members)]
        write_rows(connection, Insertion("collection_items", ("collection_id", "position", *_ITEMS), ""), rows)
    was_missing = known is not None and known[_STATE] == "missing"
    changed = known is not None and (differ or _without_state(known) != _without_state(values))
    if known is None or was_missing or changed:
        has_moved = known is not None and known[:_TITLE] != values[:_TITLE]
        op: ChangeOp = "restored" if was_missing else "moved" if has_moved else "updated"
        record(connection, "collection", "added" if known is None else op, [row_id])
    return Written(row_id, known is None, changed and not was_missing, was_missing, unstored)


def _row_of(
    connection: sqlite3.Connection, server_id: int, collection: Collection, now: int, observed: int
) -> tuple[int | None, tuple[object, ...] | None]:
    """Return the id and the values of a collection's row, which may have another rating key; None if it has no row.

    A row whose key belongs to another collection now loses it, and goes missing if it was not yet.
    """
    of_key = connection.execute(
        f"SELECT id, {', '.join(_COLUMNS)} FROM collections WHERE server_id = ? AND rating_key = ?",
        (server_id, collection.rating_key),
    ).fetchone()
    of_guid = None
    if collection.guid is not None:
        of_guid = connection.execute(
            f"SELECT id, {', '.join(_COLUMNS)} FROM collections WHERE server_id = ? AND source_id = ?"
            " ORDER BY state, id LIMIT 1",
            (server_id, collection.guid),
        ).fetchone()
    if of_key is not None and (collection.guid is None or of_key[_SOURCE_ID + 1] in {None, collection.guid}):
        return of_key[0], of_key[1:]
    if of_key is not None:
        record(connection, "collection", "updated" if of_key[_STATE + 1] == "missing" else "missing", [of_key[0]])
        connection.execute(
            "UPDATE collections SET rating_key = rating_key || ' (once, row ' || id || ')', digest = NULL,"
            " missing_since = ifnull(missing_since, ?), missing_observed = ifnull(missing_observed, ?),"
            " state = 'missing' WHERE id = ?",
            (now, observed, of_key[0]),
        )
    return (None, None) if of_guid is None else (of_guid[0], of_guid[1:])


def _without_state(values: tuple[object, ...]) -> tuple[object, ...]:
    return values[: _SOURCE_ID + 1]


def _members(connection: sqlite3.Connection, collection_id: int) -> list[Member]:
    query = f"SELECT {', '.join(_ITEMS)} FROM collection_items WHERE collection_id = ? ORDER BY position"
    return connection.execute(query, (collection_id,)).fetchall()


def mark_collections_missing(connection: sqlite3.Connection, ids: Iterable[int], now: int, observed: int) -> int:
    """Mark collections missing; return how many. Their members stay, in case they return."""
    rows = connection.execute(
        "UPDATE collections SET state = 'missing', missing_since = ?, missing_observed = ?, digest = NULL"
        " WHERE id IN (SELECT value FROM json_each(?)) AND state <> 'missing' RETURNING id",
        (now, observed, json_list(ids)),
    ).fetchall()
    record(connection, "collection", "missing", [row_id for (row_id,) in rows])
    return len(rows)


def purge_collections(connection: sqlite3.Connection, server_id: int, before: int) -> int:
    """Delete a batch of a server's collections that went missing by an observed time; return how many."""
    rows = connection.execute(
        "DELETE FROM collections WHERE id IN (SELECT id FROM collections WHERE server_id = ? AND state = 'missing'"
        " AND missing_observed <= ? LIMIT ?) RETURNING id",
        (server_id, before, _PURGED_AT_ONCE),
    ).fetchall()
    record(connection, "collection", "deleted", [row_id for (row_id,) in rows])
    return len(rows)
