"""``/api/v1/servers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.service.json.live import live_json
from retrovue_daemon.service.json.servers import ServerJson, server_json
from retrovue_daemon.store.tables.live import read_live
from retrovue_daemon.store.tables.servers import read_servers
from retrovue_daemon.web.api.operations import operation
from retrovue_daemon.web.context import context_of

if TYPE_CHECKING:
    import sqlite3

    from aiohttp import web


class Servers(msgspec.Struct, frozen=True):
    """All servers, including those that the configuration defines."""

    servers: list[ServerJson]


@operation("All servers, as `servers list --json` prints them", answers=Servers)
async def show_all(request: web.Request) -> Servers:
    """Return all servers."""
    return await context_of(request).reading.run(_read)


def _read(connection: sqlite3.Connection) -> Servers:
    live = read_live(connection)
    return Servers(
        [
            server_json(server, live_json(live.get(server.id) if server.is_active else None))
            for server in read_servers(connection)
        ]
    )
