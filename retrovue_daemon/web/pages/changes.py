"""``/changes``: what changed in the mirror, the newest first, also while it happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from retrovue_daemon.service.words.changes import KINDS, OPS
from retrovue_daemon.store.change_list import change_page
from retrovue_daemon.store.feed.reading import feed_state
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.problems import Refusal
from retrovue_daemon.web.rendering import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from retrovue_daemon.store.feed.reading import FeedState

ENTRIES: Final = 50
"""Entries on one page."""

LOOK_S: Final = 1.0
"""Seconds between two looks for new entries, for each page that is open."""

_LAST_SEQ: Final = 2**63 - 1


async def show(request: web.Request) -> web.Response:
    """Show the newest entries, or those before one, of all kinds and operations or of one."""
    kind, op, before = _choice(request, "kind", KINDS), _choice(request, "op", OPS), _before(request)
    page = await context_of(request).reading.run(change_page, before, ENTRIES, kind=kind, op=op)
    chosen = {name: word for name, word in (("kind", kind), ("op", op)) if word is not None}
    return render(
        request,
        "changes.html",
        title="Changes",
        page=page,
        kinds=KINDS,
        ops=OPS,
        chosen=chosen,
        is_continued=before is not None,
        newest=_address(chosen),
        older=None if page.before is None else _address({**chosen, "before": str(page.before)}),
    )


async def follow(request: web.Request) -> web.StreamResponse:
    """Send an event whenever the feed has new entries, with the number of the last one."""
    context = context_of(request)
    known: FeedState | None = None
    async with context.streams.open(request) as stream:
        while True:
            state = await context.reading.run(feed_state)
            if state != known:
                known = state
                await stream.send(str(state.last_seq), id=str(state.last_seq))
            await asyncio.sleep(LOOK_S)


def _choice(request: web.Request, name: str, words: Mapping[str, str]) -> str | None:
    given = request.query.get(name, "")
    if not given:
        return None
    if given not in words:
        raise Refusal(400, f"{name} is none of {', '.join(words)}", fields={name: "is none of those that there are"})
    return given


def _before(request: web.Request) -> int | None:
    given = request.query.get("before", "")
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) < len(str(_LAST_SEQ))):
        raise Refusal(400, "before is no number of an entry", fields={"before": "must be a whole number"})
    return int(given)


def _address(values: Mapping[str, str]) -> str:
    return f"/changes?{urlencode(values)}" if values else "/changes"
