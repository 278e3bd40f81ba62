"""What a server without changes costs: with notifications less than without."""

from __future__ import annotations

import os
from collections import Counter

from retrovue_daemon.demo import built_in_library
from tests.service.conftest import table
from tests.service.live.conftest import Live, seen
from tests.support.servers import MeasuredPlex

HOURS = int(os.environ.get("RETROVUE_LIVE_HOURS", "3"))
"""Of a whole day, which takes 12 seconds, the figures are 852 requests with notifications and 4,696 without."""


async def _idle(live: Live, plex: MeasuredPlex) -> Counter[str]:
    """Let hours pass, with its polls, listings, collections and details; return the requests by kind."""
    clock, end = live.service.clock, live.service.clock.time + HOURS * 3600
    plex.requests.clear()
    while True:
        await live.rest()
        due = min(
            until for sleeper, until in clock._sleepers.values() if sleeper in {"interval home", "live due home"}
        )
        if due > end:
            break
        clock.wall += round(due - clock.time)
        clock.advance(due - clock.time)
    return Counter("/".join(request.path.split("/")[1:3]) for request in plex.requests)


async def test_idle_hours_cost_less_while_a_server_is_live(serve, config, gauge, events):
    """Full listings, collections and rolling details included."""
    async with MeasuredPlex(built_in_library(), gauge) as plex:
        libraries = sum(library.type in {"movie", "show"} for library in plex.world.libraries.values())
        service = await serve(config(table(plex, notifications=True, details=True), sync={"full_interval": "2h"}))
        await events.count(libraries, "sync.finished", kind="full")
        await seen(events, "server.live")
        live = Live(service, plex)
        with_live = await _idle(live, plex)
        await service.supervisor.apply(config(table(plex, details=True), sync={"full_interval": "2h"}))
        without = await _idle(live, plex)
    assert with_live.total() * 2 < without.total()
    assert with_live["library/sections"] * 3 < without["library/sections"]
