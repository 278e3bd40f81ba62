"""One connection of GET /:/websockets/notifications."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from retrovue_daemon.demo.notifications.connections import Connection, Connections
    from retrovue_daemon.demo.notifications.quirks import NotificationQuirks

CLOSE_S = 0.2
"""How long the server waits for a client's answer when it closes a connection."""
ENDS = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR})


class Websocket:
    """Sends what waits, and answers pings, until one side ends the connection."""

    def __init__(self, connection: Connection, quirks: NotificationQuirks, connections: Connections) -> None:
        self._connection = connection
        self._connections = connections
        self._quirks = quirks
        self._socket = web.WebSocketResponse(autoping=False, autoclose=False, timeout=CLOSE_S, compress=False)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve the connection to its end."""
        await self._socket.prepare(request)
        self._connections.add(self._connection)
        if self._quirks.closes_at_once:
            self._connection.end()
        reader = asyncio.create_task(self._read(), name="read a notification websocket")
        try:
            await self._write()
        except ConnectionError:
            pass  # the client has disconnected
        finally:
            self._connections.remove(self._connection)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            with suppress(ConnectionError):
                await self._socket.close(code=self._connection.close_code or 1000)
        return self._socket

    async def ping(self) -> None:
        """Send a ping frame, as real servers do."""
        await self._socket.ping()

    async def _write(self) -> None:
        while (message := await self._connection.next()) is not None:
            if self._quirks.silent:
                continue
            await self._socket.send_frame(message.body, WSMsgType.BINARY if message.binary else WSMsgType.TEXT)
            self._connection.sent += 1
            self._connection.last_traffic = asyncio.get_running_loop().time()
            self._connections.note()
            if self._quirks.pace:
                await asyncio.sleep(self._quirks.pace)

    async def _read(self) -> None:
        """Answer pings until the client ends the connection, or it was idle for too long."""
        idle = self._quirks.idle_timeout
        loop = asyncio.get_running_loop()
        while True:
            left = None if idle is None else self._connection.last_traffic + idle - loop.time()
            try:
                message = await self._socket.receive(timeout=None if left is None else max(left, 0.001))
            except TimeoutError:
                if idle is not None and loop.time() - self._connection.last_traffic >= idle:
                    self._connection.abort()
                    return
                continue
            if message.type in ENDS:
                if self._quirks.silent:
                    self._connection.abort()
                self._connection.end()
                return
            self._connection.last_traffic = loop.time()
            if message.type is WSMsgType.PING:
                self._connection.pings += 1
                self._connections.note()
                if not self._quirks.silent:
                    await self._socket.pong(message.data)
