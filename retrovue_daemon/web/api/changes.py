"""``/api/v1/changes``: the change feed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from retrovue_daemon.errors import ReadAnew
from retrovue_daemon.service.json.changes import ChangeJson, change_json
from retrovue_daemon.store.feed.reading import feed_state
from retrovue_daemon.store.named_changes import last_position
from retrovue_daemon.store.next_changes import MOST_CHANGES, next_changes
from retrovue_daemon.web.api.operations import LARGEST_ID, given, operation
from retrovue_daemon.web.context import context_of

if TYPE_CHECKING:
    import sqlite3

    from aiohttp import web

_NEWEST: Final = 50


class ChangesQuery(msgspec.Struct, frozen=True):
    """The position of a reader in the feed."""

    since: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=LARGEST_ID,
                description="`last_seq` of the last answer. Without it, the newest changes are returned.",
            ),
        ]
        | UnsetType
    ) = UNSET
    feed_id: (
        Annotated[
            str,
            Meta(
                max_length=100,
                description="`feed_id` of the last answer: after a restore of the database, it is another one.",
            ),
        ]
        | UnsetType
    ) = UNSET
    limit: Annotated[
        int,
        Meta(
            ge=1,
            le=MOST_CHANGES,
            description="About how many changes; those of one entry are not divided, so they may be more.",
        ),
    ] = _NEWEST


class Changes(msgspec.Struct, frozen=True):
    """Some changes, the oldest first; ``more`` says that others follow ``last_seq`` now."""

    feed_id: str
    last_seq: int
    more: bool
    changes: list[ChangeJson]


@operation(
    "The changes after a position, as `changes --json` prints them; 410 if the feed does not go on from there",
    answers=Changes,
    query=ChangesQuery,
)
async def show(request: web.Request, query: ChangesQuery) -> Changes:
    """Return the next changes. Raise ReadAnew."""
    return await context_of(request).reading.run(_read, given(query.since), given(query.feed_id), query.limit)


def _read(connection: sqlite3.Connection, since: int | None, feed_id: str | None, limit: int) -> Changes:
    state = feed_state(connection)
    position = max(last_position(connection, limit), state.floor) if since is None else since
    found = next_changes(connection, feed_id or state.feed_id, position, limit)
    if found is None:
        return Changes(state.feed_id, position, more=False, changes=[])
    if found.resync:
        raise ReadAnew(state.floor, state.last_seq)
    return Changes(found.feed_id, found.last_seq, found.more, [*map(change_json, found.changes)])
