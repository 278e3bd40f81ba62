"""Seasons and episodes whose show or season is not stored, because the server does not list it and does not have it.

Their rows hold a digest that differs from the item's own, so that each pass looks for the parent again. Until it is
there, nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.parents import parents_of_episodes, parents_of_seasons

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from retrovue_daemon.records import Episode, Item, Season
    from retrovue_daemon.store.items.lookup import KnownRow
    from retrovue_daemon.store.items.rows import Target

_PARENTS = {Kind.SEASON: "show_id, NULL", Kind.EPISODE: "show_id, season_id"}


def orphaned(digest: int) -> int:
    """Return the digest to store for an item without its parents: an odd one, while those of items are even."""
    return digest ^ 1


def still_without_parents(
    connection: sqlite3.Connection,
    target: Target,
    kind: Kind,
    changes: Mapping[str, tuple[Item, int]],
    known: Mapping[str, KnownRow],
) -> dict[str, int]:
    """Return the ids of rows that need no write, by rating key: nothing changed, and no parent has appeared.

    ``changes`` are items with their digests, ``known`` their rows, by rating key.
    """
    if kind not in _PARENTS:
        return {}
    waiting = {
        key: row.id
        for key, row in known.items()
        if row.shows(changes[key][0], orphaned(changes[key][1]), target.library_id)
    }
    if not waiting:
        return {}
    query = f"SELECT id, {_PARENTS[kind]} FROM {TABLES[kind]} WHERE id IN (SELECT value FROM json_each(?))"
    stored = {row_id: parents for row_id, *parents in connection.execute(query, (json_list(waiting.values()),))}
    items = [changes[key][0] for key in waiting]
    now: dict[str, tuple[list[int | None], bool]] = {}
    if kind is Kind.SEASON:
        shows = parents_of_seasons(connection, target.server_id, cast("list[Season]", items))
        for season in cast("list[Season]", items):
            show_id, found = shows.of_season(season)
            now[season.rating_key] = ([show_id, None], found)
    else:
        both = parents_of_episodes(connection, target.server_id, cast("list[Episode]", items))
        for episode in cast("list[Episode]", items):
            ids, found = both.of_episode(episode)
            now[episode.rating_key] = (list(ids), found)
    return {key: row_id for key, row_id in waiting.items() if now[key] == (stored[row_id], False)}
