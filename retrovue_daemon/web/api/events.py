"""``/api/v1/events``: what happens, as server-sent events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from retrovue_daemon.service.json.changes import change_json
from retrovue_daemon.service.json.problems import FindingJson, finding_json
from retrovue_daemon.store.feed.reading import feed_state
from retrovue_daemon.store.next_changes import next_changes
from retrovue_daemon.web.api.operations import LARGEST_ID, encoded, given, operation
from retrovue_daemon.web.context import context_of

if TYPE_CHECKING:
    import sqlite3

    from aiohttp import web
    from aiohttp_sse import EventSourceResponse

    from retrovue_daemon.store.next_changes import NextChanges
    from retrovue_daemon.sync.progress import Progress
    from retrovue_daemon.web.context import Context

LOOK_S: Final = 0.5
"""Seconds between two looks; what happens in between is one event of progress."""

CONDITION_LOOKS: Final = 10
"""Looks between two looks at what is wrong."""

MOST_CHANGES: Final = 200
"""Changes per look, about: a first sync has a hundred thousand."""


class EventsQuery(msgspec.Struct, frozen=True):
    """Which events, and from where on."""

    only: Annotated[
        tuple[Literal["progress", "change", "problems"], ...], Meta(max_length=3, description="Only these events.")
    ] = ()
    since: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=LARGEST_ID,
                description="The number (seq) of a change, after which changes are sent. Default: the newest one."
                " A client that reconnects sends Last-Event-ID instead.",
            ),
        ]
        | UnsetType
    ) = UNSET


class ReadAnewEvent(msgspec.Struct, frozen=True):
    """Sent as the event ``resync``: changes were lost, so read everything anew; new ones follow ``last_seq``."""

    feed_id: str
    last_seq: int


class ProblemsEvent(msgspec.Struct, frozen=True):
    """Sent as the event ``problems``: all that is wrong now."""

    problems: list[FindingJson]


class _Position(NamedTuple):
    feed_id: str
    seq: int


@operation(
    "What happens, as server-sent events: `progress` as in /progress, `change` as in /changes, `problems` as in"
    " /status, and `resync` if changes were lost",
    answers=str,
    query=EventsQuery,
    media_type="text/event-stream",
)
async def follow(request: web.Request, query: EventsQuery) -> web.StreamResponse:
    """Send events until the client is gone."""
    context = context_of(request)
    wanted = query.only or ("progress", "change", "problems")
    position = await _start(context, request.headers.get("Last-Event-ID", ""), given(query.since))
    async with context.streams.open(request) as stream:
        progress: Progress | None = None
        problems: ProblemsEvent | None = None
        look = 0
        while True:
            if "progress" in wanted and progress is not context.board.latest:
                progress = context.board.latest
                await _send(stream, "progress", progress)
            if "change" in wanted:
                position = await _send_changes(context, stream, position)
            if "problems" in wanted and look % CONDITION_LOOKS == 0:
                latest = await context.reading.run(_problems, context)
                if latest != problems:
                    problems = latest
                    await _send(stream, "problems", problems)
            look += 1
            await asyncio.sleep(LOOK_S)


async def _start(context: Context, last_id: str, since: int | None) -> _Position:
    """Return where a client goes on; what it sends may be anything."""
    state = await context.reading.run(feed_state)
    feed_id, _, seq = last_id.rpartition(":")
    if feed_id and seq.isascii() and seq.isdecimal() and len(seq) < len(str(LARGEST_ID)):
        return _Position(feed_id, int(seq))
    return _Position(state.feed_id, state.last_seq if since is None else since)


async def _send_changes(context: Context, stream: EventSourceResponse, position: _Position) -> _Position:
    """Send the changes after a position, and return the next position."""
    found: NextChanges | None = await context.reading.run(next_changes, *position, MOST_CHANGES)
    if found is None:
        return position
    if found.resync:
        event = ReadAnewEvent(found.feed_id, found.last_seq)
        await _send(stream, "resync", event, f"{found.feed_id}:{found.last_seq}")
    for change in found.changes:
        # Only the last change of an entry has an id: a client that reconnects gets the whole entry again.
        event_id = None if change.rest else f"{found.feed_id}:{change.seq}"
        await _send(stream, "change", change_json(change), event_id)
    return _Position(found.feed_id, found.last_seq)


def _problems(connection: sqlite3.Connection, context: Context) -> ProblemsEvent:
    return ProblemsEvent([finding_json(finding) for finding in context.condition_in(connection).findings])


async def _send(stream: EventSourceResponse, event: str, value: object, event_id: str | None = None) -> None:
    await stream.send(encoded(value).decode(), event=event, id=event_id)
