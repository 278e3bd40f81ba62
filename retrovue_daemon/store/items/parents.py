"""The show and season of an episode, and the show of a season; also of those whose parents are not stored.

A show or season may be missing because the server does not list it and does not have it. Rows below it hold a digest
that differs from the item's own, so that each pass looks for the parent again. Until it is there, nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.lookup import TABLES, json_list, stored_ids

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from retrovue_daemon.records import Episode, Item, Season
    from retrovue_daemon.store.items.lookup import KnownRow
    from retrovue_daemon.store.items.rows import Target

_SEASONS = """
SELECT rating_key, id, show_id FROM seasons
WHERE server_id = ? AND rating_key IN (SELECT value FROM json_each(?))
"""

_SEASONS_OF_SHOWS = """
SELECT show_id, season_number, min(id) FROM seasons
WHERE show_id IN (SELECT value FROM json_each(?)) AND state = 'active' GROUP BY show_id, season_number
"""


class Parents(msgspec.Struct, frozen=True):
    """The stored parents of a batch by rating key: ids of shows, ids of seasons and of their shows.

    Seasons are also known by (show id, season number).
    """

    shows: dict[str, int]
    seasons: dict[str, tuple[int, int | None]]
    numbered: dict[tuple[int, int | None], int]

    def of_season(self, season: Season) -> tuple[int | None, bool]:
        """Return the id of the season's show, and whether it was found."""
        show_id = self.shows.get(season.show_rating_key or "")
        return show_id, show_id is not None

    def of_episode(self, episode: Episode) -> tuple[tuple[int | None, int | None], bool]:
        """Return the ids of the episode's show and season, and whether both were found.

        If seasons are hidden, the episode names no season, or one that is not listed; it is then found by its number.
        An episode without a named season needs none: a season that appears later claims it by number. A named season
        of another show does not count as found: keys were reassigned between the listings of both.
        """
        show_id = self.shows.get(episode.show_rating_key or "")
        season_id, its_show = self.seasons.get(episode.season_rating_key or "", (None, None))
        contradicts = season_id is not None and None not in {show_id, its_show} and show_id != its_show
        if contradicts:
            season_id = None
        if season_id is None and show_id is not None and episode.season_number is not None:
            season_id = self.numbered.get((show_id, episode.season_number))
        named = episode.season_rating_key is not None
        found = show_id is not None and (season_id is not None or not named)
        return (show_id, season_id), found and not contradicts


def parents_of_seasons(connection: sqlite3.Connection, server_id: int, seasons: Sequence[Season]) -> Parents:
    """Look up the shows of these seasons."""
    shows = _ids(connection, Kind.SHOW, server_id, (season.show_rating_key for season in seasons))
    return Parents(shows, {}, {})


def parents_of_episodes(connection: sqlite3.Connection, server_id: int, episodes: Sequence[Episode]) -> Parents:
    """Look up the shows and seasons of these episodes in two queries, or three if a named season is not found."""
    shows = _ids(connection, Kind.SHOW, server_id, (episode.show_rating_key for episode in episodes))
    named = {episode.season_rating_key for episode in episodes if episode.season_rating_key is not None}
    rows = connection.execute(_SEASONS, (server_id, json_list(sorted(named))))
    seasons = {key: (season_id, show_id) for key, season_id, show_id in rows}
    unnamed = {
        shows[episode.show_rating_key]
        for episode in episodes
        if episode.show_rating_key in shows
        and seasons.get(episode.season_rating_key or "", (None, None))[1] != shows[episode.show_rating_key]
    }
    numbered = {}
    if unnamed:
        rows = connection.execute(_SEASONS_OF_SHOWS, (json_list(unnamed),))
        numbered = {(show_id, number): season_id for show_id, number, season_id in rows}
    return Parents(shows, seasons, numbered)


def _ids(connection: sqlite3.Connection, kind: Kind, server_id: int, keys: Iterable[str | None]) -> dict[str, int]:
    return stored_ids(connection, kind, server_id, sorted({key for key in keys if key is not None}))


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
