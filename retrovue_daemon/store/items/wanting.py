"""Which items want their details: those whose listing changed, those to be read again, and a few of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.lookup import TABLES, json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

WITH_DETAILS: Final = (Kind.MOVIE, Kind.SHOW, Kind.EPISODE)

DAYS_OF_A_TURN: Final = 30
"""Days in which every item is read once, a part of a library each day."""

MOST_AGAIN: Final = 4
"""How often chapters and markers of a new item are read, the first time included."""

# The first condition is that of the partial indexes. Rows without a stamp were not listed since the upgrade.
_WANTS = (
    "(details_stamp IS NULL OR details_stamp IS NOT details_read_stamp) AND details_stamp IS NOT NULL"
    " AND state <> 'missing'"
)

_IDS = "SELECT value FROM json_each(?)"

_CHANGED_AT = {
    Kind.SHOW: "0",
    **dict.fromkeys(
        (Kind.MOVIE, Kind.EPISODE),
        "max(ifnull(added_at, 0), ifnull((SELECT max(f.change_stamp) FROM media_files AS f"
        " WHERE f.server_id = i.server_id AND f.rating_key = i.rating_key), 0))",
    ),
}
"""When the item or a file of it came; shows have no markers, which is all that this is needed for."""

_DURATION = {
    Kind.SHOW: "NULL",
    **{
        kind: "coalesce(nullif(i.duration, 0), (SELECT max(length) FROM (SELECT sum(f.duration) AS length"
        " FROM media_files AS f WHERE f.server_id = i.server_id AND f.rating_key = i.rating_key"
        f" AND f.media_type = '{kind.value}' AND f.state <> 'missing' GROUP BY f.media_id"
        " HAVING count(*) = count(nullif(f.duration, 0)))))"
        for kind in (Kind.MOVIE, Kind.EPISODE)
    },
}
"""The item's own, or that of its longest version, of which the duration of each file is known."""


class WantingItem(msgspec.Struct, frozen=True):
    """An item to request; ``stamp`` is what its listing said, and has to be the same when its details are written.

    ``again_at`` and ``again`` are those of the row. ``created_at`` is when the daemon first saw the item,
    ``changed_at`` when it or a file of it came, by the server. ``duration`` is in ms.
    """

    id: int
    rating_key: str
    stamp: int | None
    again_at: int | None
    again: int
    added_at: int | None
    season_id: int | None
    created_at: int
    duration: int | None
    changed_at: int


def _columns(kind: Kind, changed_at: str = "0") -> str:
    """Return the fields of `WantingItem` of the rows ``i`` of a kind."""
    season = "season_id" if kind is Kind.EPISODE else "NULL"
    again = "details_again_at, details_again"
    return f"id, rating_key, details_stamp, {again}, added_at, {season}, created_at, {_DURATION[kind]}, {changed_at}"


def wanting(
    connection: sqlite3.Connection, kind: Kind, library_id: int, limit: int, after: WantingItem | None = None
) -> list[WantingItem]:
    """Return the next items of a library that want their details, newest first, ``after`` an earlier one."""
    head = f"SELECT {_columns(kind, _CHANGED_AT[kind])} FROM {TABLES[kind]} AS i WHERE library_id = ? AND {_WANTS}"
    found: list[WantingItem] = []
    if after is None or after.added_at is not None:
        newest = ("", ()) if after is None else (" AND (added_at, id) < (?, ?)", (after.added_at, after.id))
        query = f"{head} AND added_at IS NOT NULL{newest[0]} ORDER BY added_at DESC, id DESC LIMIT ?"
        found = [WantingItem(*row) for row in connection.execute(query, (library_id, *newest[1], limit))]
        after = None
    if len(found) < limit:
        undated = ("", ()) if after is None else (" AND id < ?", (after.id,))
        query = f"{head} AND added_at IS NULL{undated[0]} ORDER BY id DESC LIMIT ?"
        rows = connection.execute(query, (library_id, *undated[1], limit - len(found)))
        found += [WantingItem(*row) for row in rows]
    return found


def first_listed(connection: sqlite3.Connection, library_id: int) -> int | None:
    """Return when the first complete listing of a library ended, by the records that are kept; None if none has."""
    complete = "kind = 'full' AND status IN ('ok', 'blocked')"
    query = f"SELECT min(finished_at) FROM sync_runs WHERE library_id = ? AND {complete}"
    ((ended,),) = connection.execute(query, (library_id,))
    return None if ended is None else int(ended)


def pending(connection: sqlite3.Connection, library_ids: Iterable[int]) -> int:
    """Return how many items of these libraries want their details."""
    ids = json_list(library_ids)
    total = 0
    for kind in WITH_DETAILS:
        query = (
            f"SELECT count(*) FROM {TABLES[kind]} WHERE library_id IN (SELECT value FROM json_each(?)) AND {_WANTS}"
        )
        ((number,),) = connection.execute(query, (ids,))
        total += number
    return total


def pending_by_library(connection: sqlite3.Connection) -> dict[int, int]:
    """Return how many items want their details, by library; libraries without any are missing.

    Nothing does in a database that no release with details has upgraded yet.
    """
    total: dict[int, int] = {}
    if not connection.execute("SELECT 1 FROM pragma_table_info('movies') WHERE name = 'details_stamp'").fetchall():
        return total
    for kind in WITH_DETAILS:
        query = f"SELECT library_id, count(*) FROM {TABLES[kind]} WHERE {_WANTS} GROUP BY library_id"
        for library_id, number in connection.execute(query):
            total[library_id] = total.get(library_id, 0) + number
    return total


def due_again(
    connection: sqlite3.Connection,
    kind: Kind,
    library_id: int,
    now: int,
    limit: int,
    *,
    newest: bool = False,
    skipped: bool = False,
) -> list[WantingItem]:
    """Return items to be read again by now: those that waited longest or, with ``newest``, shortest.

    With ``skipped``, only those that the server could not send.
    """
    query = (
        f"SELECT {_columns(kind)} FROM {TABLES[kind]} AS i WHERE library_id = ? AND details_again_at IS NOT NULL"
        " AND details_again_at <= ? AND state <> 'missing' AND details_stamp IS details_read_stamp"
        f"{' AND details_again = 0' if skipped else ''}"
        f" ORDER BY details_again_at{' DESC' if newest else ''} LIMIT ?"
    )
    return [WantingItem(*row) for row in connection.execute(query, (library_id, now, limit))]


def of_seasons(connection: sqlite3.Connection, library_id: int, season_ids: Iterable[int]) -> list[WantingItem]:
    """Return the episodes of seasons whose details were read."""
    query = (
        f"SELECT {_columns(Kind.EPISODE)} FROM episodes AS i WHERE season_id IN (SELECT value FROM json_each(?))"
        " AND library_id = ? AND state <> 'missing' AND details_read_at IS NOT NULL"
        " AND details_stamp IS details_read_stamp ORDER BY id"
    )
    return [WantingItem(*row) for row in connection.execute(query, (json_list(season_ids), library_id))]


def in_turn(
    connection: sqlite3.Connection, kind: Kind, library_id: int, day: int, limit: int, after: int = 0
) -> list[WantingItem]:
    """Return items whose turn it is on a day (since 1970) and that were not read on it, with ids above ``after``."""
    query = (
        f"SELECT {_columns(kind)} FROM {TABLES[kind]} AS i"
        f" WHERE library_id = ? AND id > ? AND id % {DAYS_OF_A_TURN} = ?"
        " AND details_read_at < ? AND details_again_at IS NULL AND state <> 'missing'"
        " AND details_stamp IS details_read_stamp ORDER BY id LIMIT ?"
    )
    values = (library_id, after, day % DAYS_OF_A_TURN, day * 86_400, limit)
    return [WantingItem(*row) for row in connection.execute(query, values)]


def want_again(connection: sqlite3.Connection, library_id: int, now: int) -> int:
    """Let chapters and markers of a library's newest items be read again now; return how many items.

    For when the server has just looked for markers: it does not say of which items.
    """
    total = 0
    for kind in (Kind.MOVIE, Kind.EPISODE):
        total += connection.execute(
            f"UPDATE {TABLES[kind]} SET details_again_at = ?1, details_again = min(details_again + 1, {MOST_AGAIN})"
            " WHERE library_id = ?2 AND details_again > 0"
            " AND details_again_at > ?1 AND state <> 'missing'",
            (now, library_id),
        ).rowcount
    return total
