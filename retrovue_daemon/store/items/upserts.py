"""From records to rows: a batch of items of one kind, with their files and external ids.

Ids are chosen before the rows are written: stored items keep theirs, new ones get the next ids that their table never
used. Items, files and external ids can therefore be written as finished rows, hundreds per statement, and nothing has
to be read back. The writer's transaction makes this safe: no other connection can allocate an id meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec

from retrovue_daemon.records import Episode, Item, Kind, Movie, Season, Show
from retrovue_daemon.store.feed.recording import IDS_PER_BATCH, last_entry, record
from retrovue_daemon.store.items.bulk import Insertion, NewIds, write_rows
from retrovue_daemon.store.items.changes import ChangedRow, first_written
from retrovue_daemon.store.items.digests import details_stamps
from retrovue_daemon.store.items.displacement import StoredItem, displace, is_another, stored_items
from retrovue_daemon.store.items.file_matching import StoredFile, stored_files, taken_files
from retrovue_daemon.store.items.files import write_files
from retrovue_daemon.store.items.lookup import GUID_TABLES, TABLES, json_list, known_rows
from retrovue_daemon.store.items.parents import (
    orphaned,
    parents_of_episodes,
    parents_of_seasons,
    still_without_parents,
)
from retrovue_daemon.store.items.rows import UPSERT_ITEM, episode_row, movie_row, season_row, show_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from retrovue_daemon.store.feed.recording import ChangeOp, Entries
    from retrovue_daemon.store.items.bulk import Row
    from retrovue_daemon.store.items.lookup import KnownRow
    from retrovue_daemon.store.items.rows import Target


class Change(NamedTuple):
    """An item that is new or differs from its row; ``digest`` represents what the server reports about it."""

    item: Item
    digest: int


class BatchResult(msgspec.Struct, frozen=True):
    """The result of one batch; ``ids`` are those of its items, ``displaced`` counts rows that gave up their keys.

    ``first`` are its first rows of each operation, ``entries`` those that it made in the change feed.
    """

    added: int
    updated: int
    restored: int
    ids: list[int]
    displaced: int = 0
    first: tuple[ChangedRow, ...] = ()
    entries: Entries = (0, 0)


_INSERT_GUIDS = {
    kind: Insertion(table, (column, "provider", "external_id"), "ON CONFLICT DO NOTHING")
    for kind, (table, column) in GUID_TABLES.items()
}

_ADOPT_EPISODES = """
UPDATE episodes SET season_id = s.id FROM seasons AS s
WHERE s.id IN (SELECT value FROM json_each(?)) AND episodes.show_id = s.show_id
  AND episodes.season_number IS s.season_number AND episodes.season_id IS NULL
RETURNING id
"""
"""An episode without a named season waits for the season with its number."""


def write_items(
    connection: sqlite3.Connection, target: Target, kind: Kind, changes: Sequence[Change], now: int
) -> BatchResult:
    """Write a batch of items of one kind. Run this as one of the writer's transactions.

    An item that a changing listing shows twice is written once, in its last state. An item that another batch or pass
    has stored in the same state meanwhile is not written again.
    """
    latest = {change.item.rating_key: change for change in changes}
    known = known_rows(connection, kind, target.server_id, latest)
    stored = {key: row.id for key, row in known.items() if row.shows(*latest[key], target.library_id)}
    stored |= still_without_parents(connection, target, kind, latest, known)
    for key in stored:
        del known[key], latest[key]
    # New films, shows and episodes have only entries of their own.
    entered = last_entry(connection) if known or kind is Kind.SEASON else None
    before, displaced = _Before(), 0
    if known and kind in {Kind.MOVIE, Kind.EPISODE}:
        before = _Before(
            stored_items(connection, kind, target.server_id, known),
            stored_files(connection, kind, target.server_id, known),
        )
        displaced = _displace_others(connection, kind, target.server_id, latest, known, before)
    new_ids = NewIds.of(connection, TABLES[kind])
    ids = {key: known[key].id if key in known else new_ids.take() for key in latest}

    rows = _rows(connection, target, kind, list(latest.values()), ids, before, now)
    write_rows(connection, UPSERT_ITEM[kind], rows)
    if kind is Kind.SEASON:
        new = json_list([ids[key] for key in latest if key not in known])
        adopted = connection.execute(_ADOPT_EPISODES, (new,)).fetchall()
        record(connection, Kind.EPISODE, "updated", [row_id for (row_id,) in adopted])
    if kind in GUID_TABLES:
        _write_guids(connection, kind, latest, ids, [row.id for row in known.values()])
    entries = _record(connection, target, kind, ids, known)

    restored = sum(row.state == "missing" for row in known.values())
    return BatchResult(
        len(latest) - len(known),
        len(known) - restored,
        restored,
        [*ids.values(), *stored.values()],
        displaced,
        first_written(kind, ids, known),
        entries if entered is None else (entered, max(entered, entries[1])),
    )


def _record(
    connection: sqlite3.Connection, target: Target, kind: Kind, ids: dict[str, int], known: dict[str, KnownRow]
) -> Entries:
    """Enter the rows of a batch into the change feed; ``ids`` are those of its rows, ``known`` existed before."""
    new = [row_id for key, row_id in ids.items() if key not in known]
    last = record(connection, kind, "added", new)
    first = last - -(-len(new) // IDS_PER_BATCH)
    changed: dict[ChangeOp, list[int]] = {"restored": [], "moved": [], "updated": []}
    for row in known.values():
        is_here = row.library_id == target.library_id
        changed["restored" if row.state == "missing" else "updated" if is_here else "moved"].append(row.id)
    for op, row_ids in changed.items():
        last = max(last, record(connection, kind, op, row_ids))
    return first, last


class _Before(msgspec.Struct, frozen=True):
    """What was stored about known films or episodes and their files, by rating key."""

    items: dict[str, StoredItem] = msgspec.field(default_factory=dict)
    files: dict[str, list[StoredFile]] = msgspec.field(default_factory=dict)

    @property
    def primaries(self) -> dict[str, int | None]:
        """The ids of the primary files."""
        return {key: item.media_file_id for key, item in self.items.items()}


def other_items(
    connection: sqlite3.Connection, kind: Kind, server_id: int, items: Sequence[Movie | Episode]
) -> list[str]:
    """Return the keys of these films or episodes that are different items than the rows with their keys."""
    keys = [item.rating_key for item in items]
    stored = stored_items(connection, kind, server_id, keys)
    known = [item for item in items if item.rating_key in stored]
    return _others(connection, known, _Before(stored, stored_files(connection, kind, server_id, stored)))


def _others(connection: sqlite3.Connection, items: Sequence[Movie | Episode], before: _Before) -> list[str]:
    keys = [item.rating_key for item in items]
    taken = [(key, before.items[key].media_file_id) for key in keys if key not in before.files]
    files = before.files | taken_files(connection, taken)
    return [
        item.rating_key
        for item in items
        if is_another(item, before.items[item.rating_key], files.get(item.rating_key, ()))
    ]


def _displace_others(
    connection: sqlite3.Connection,
    kind: Kind,
    server_id: int,
    latest: dict[str, Change],
    known: dict[str, KnownRow],
    before: _Before,
) -> int:
    """Take the keys from rows that are different items than those now listed under them; return how many."""
    items = [cast("Movie | Episode", latest[key].item) for key in known]
    others = _others(connection, items, before)
    if others:
        displace(connection, kind, server_id, others)
    for key in others:
        del known[key], before.items[key]
        before.files.pop(key, None)
    return len(others)


def _rows(
    connection: sqlite3.Connection,
    target: Target,
    kind: Kind,
    changes: list[Change],
    ids: dict[str, int],
    before: _Before,
    now: int,
) -> list[Row]:
    """Return the rows of one kind, after their parents and files have been written or found.

    A row whose show or season is not stored gets another digest, so that the next pass sees a difference and fixes it
    once the parent is stored.
    """
    items = [change.item for change in changes]
    match kind:
        case Kind.MOVIE:
            movies = cast("list[Movie]", items)
            files = write_files(connection, target, movies, before.files, before.primaries, now)
            return [
                movie_row(target, ids[movie.rating_key], movie, digest, stamp, now, files.get(movie.rating_key))
                for movie, (_, digest), stamp in zip(movies, changes, details_stamps(movies), strict=True)
            ]
        case Kind.SHOW:
            shows = cast("list[Show]", items)
            return [
                show_row(target, ids[show.rating_key], show, digest, stamp, now)
                for show, (_, digest), stamp in zip(shows, changes, details_stamps(shows), strict=True)
            ]
        case Kind.SEASON:
            seasons = cast("list[Season]", items)
            parents = parents_of_seasons(connection, target.server_id, seasons)
            rows = []
            for season, (_, digest) in zip(seasons, changes, strict=True):
                show_id, found = parents.of_season(season)
                row_id = ids[season.rating_key]
                rows.append(season_row(target, row_id, season, digest if found else orphaned(digest), now, show_id))
            return rows
        case Kind.EPISODE:
            episodes = cast("list[Episode]", items)
            files = write_files(connection, target, episodes, before.files, before.primaries, now)
            parents = parents_of_episodes(connection, target.server_id, episodes)
            rows = []
            stamps = details_stamps(episodes)
            for episode, (_, digest), stamp in zip(episodes, changes, stamps, strict=True):
                key = episode.rating_key
                both, found = parents.of_episode(episode)
                stored_digest = digest if found else orphaned(digest)
                file_id = files.get(key)
                rows.append(episode_row(target, ids[key], episode, stored_digest, stamp, now, both, file_id))
            return rows


def _write_guids(
    connection: sqlite3.Connection,
    kind: Kind,
    latest: dict[str, Change],
    ids: dict[str, int],
    known_ids: list[int],
) -> None:
    """Replace the external ids of stored items, and add those of new ones."""
    table, column = GUID_TABLES[kind]
    if known_ids:
        connection.execute(
            f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))", (json_list(known_ids),)
        )
    items = cast("list[tuple[str, Movie | Show | Episode]]", [(key, change.item) for key, change in latest.items()])
    rows = [(ids[key], provider, external_id) for key, item in items for provider, external_id in item.guids]
    write_rows(connection, _INSERT_GUIDS[kind], rows)
