"""One connection of GET /:/eventsource/notifications."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from retrovue_daemon.demo.notifications.envelopes import ping

if TYPE_CHECKING:
    from retrovue_daemon.demo.notifications.connections import Connection, Connections
    from retrovue_daemon.demo.notifications.quirks import NotificationQuirks

HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Plex-Protocol": "1.0"}


class EventSource:
    """Sends what waits, and pings when there are none, until one side ends the connection."""

    def __init__(self, connection: Connection, quirks: NotificationQuirks, connections: Connections) -> None:
        self._connection = connection
        self._connections = connections
        self._quirks = quirks
        self._response = web.StreamResponse(headers=HEADERS)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve the connection to its end."""
        await self._response.prepare(request)
        self._connections.add(self._connection)
        if self._quirks.closes_at_once:
            self._connection.end()
        try:
            await self._write()
        except ConnectionError:
            pass  # the client has disconnected
        finally:
            self._connections.remove(self._connection)
        self._response.force_close()
        with suppress(ConnectionError):
            await self._response.write_eof()
        return self._response

    async def _write(self) -> None:
        while True:
            idle, interval = self._quirks.idle_timeout, self._quirks.ping_interval
            try:
                async with asyncio.timeout(interval if idle is None else min(idle, interval)):
                    message = await self._connection.next()
            except TimeoutError:
                if idle is not None and idle < interval:
                    self._connection.abort()
                    return
                if not self._quirks.silent:
                    await self._response.write(ping(self._quirks).body)
                continue
            if message is None:
                return
            if self._quirks.silent:
                continue
            await self._response.write(message.body)
            self._connection.sent += 1
            self._connections.note()
            if self._quirks.pace:
                await asyncio.sleep(self._quirks.pace)
