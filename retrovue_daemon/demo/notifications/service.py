"""The notifications of one simulated server: its two paths, and the frames for what happens in its world."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Literal

from aiohttp import WSCloseCode, web

from retrovue_daemon.demo.notifications.connections import Connection, Connections
from retrovue_daemon.demo.notifications.envelopes import events, messages
from retrovue_daemon.demo.notifications.eventsource import EventSource
from retrovue_daemon.demo.notifications.quirks import usual
from retrovue_daemon.demo.notifications.sequences import Sequences
from retrovue_daemon.demo.notifications.websocket import Websocket
from retrovue_daemon.demo.pages import error_page, other_program

if TYPE_CHECKING:
    from retrovue_daemon.demo.happenings import Happening
    from retrovue_daemon.demo.notifications.frames import Frame, Raw
    from retrovue_daemon.demo.world import World

WEBSOCKET = "/:/websockets/notifications"
EVENTSOURCE = "/:/eventsource/notifications"
FRAMES_KEPT = 10_000
SHARED: web.RequestKey[bool] = web.RequestKey("shared", bool)
"""The request key that says whether the token is a shared user's."""


class Notifications:
    """Sends frames to all connections that want them.

    `quirks` says how. `sent` holds the latest frames that were sent to at least one connection; without connections
    no frames are made. The server closes no connection until it stops.
    """

    def __init__(self, world: World) -> None:
        self.quirks = usual(world.release)
        self.sequences = Sequences(world, self.quirks)
        self.connections = Connections()
        self.sent: deque[Frame | Raw] = deque(maxlen=FRAMES_KEPT)
        self._sockets: list[Websocket] = []
        world.listen(self.announce)

    def routes(self) -> list[web.RouteDef]:
        """Return the table of paths."""
        return [web.get(WEBSOCKET, self.websocket), web.get(EVENTSOURCE, self.eventsource)]

    def announce(self, happening: Happening) -> None:
        """Send the frames that belong to something that happened."""
        if self.connections:
            for frame in self.sequences.of(happening):
                self.send(frame)

    def send(self, frame: Frame | Raw) -> None:
        """Send a frame to every connection that wants its type."""
        wanting = [each for each in self.connections if self._wants(each, frame.type)]
        for kind, encode in (("websocket", messages), ("eventsource", events)):
            if connections := [each for each in wanting if each.kind == kind]:
                encoded = encode(frame, self.quirks)
                for connection in connections:
                    connection.put(encoded)
        if wanting:
            self.sent.append(frame)

    async def connected(self, count: int = 1) -> None:
        """Wait until at least so many connections are open."""
        await self.connections.until(lambda: len(self.connections) >= count)

    async def opened(self, count: int) -> None:
        """Wait until so many connections have been opened since the server was made."""
        await self.connections.until(lambda: self.connections.opened >= count)

    async def disconnected(self) -> None:
        """Wait until no connection is open."""
        await self.connections.until(lambda: not self.connections)

    async def pinged(self, count: int = 1) -> None:
        """Wait until the clients that are connected have sent so many pings."""
        await self.connections.until(lambda: sum(each.pings for each in self.connections) >= count)

    async def flushed(self) -> None:
        """Wait until no frame waits to be sent."""
        await self.connections.until(lambda: not any(each.waiting for each in self.connections))

    async def ping(self) -> None:
        """Send a ping frame on every websocket, as real servers do from time to time."""
        for socket in [*self._sockets]:
            await socket.ping()

    async def end(self, app: web.Application) -> None:  # noqa: ARG002  # the signature of a shutdown handler
        """Close all connections because the server stops."""
        for connection in self.connections:
            connection.forget()
            connection.end(WSCloseCode.GOING_AWAY)

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Serve a websocket, or refuse it."""
        if self.quirks.ignores_upgrade:
            return other_program("html")
        if not web.WebSocketResponse().can_prepare(request).ok:
            return error_page(400)
        if self.connections.full:
            return error_page(503)
        socket = Websocket(self._connection("websocket", request), self.quirks, self.connections)
        self._sockets.append(socket)
        try:
            return await socket.serve(request)
        finally:
            self._sockets.remove(socket)

    async def eventsource(self, request: web.Request) -> web.StreamResponse:
        """Serve an event stream."""
        if self.connections.full:
            return error_page(503)
        return await EventSource(self._connection("eventsource", request), self.quirks, self.connections).serve(
            request
        )

    def _connection(self, kind: Literal["websocket", "eventsource"], request: web.Request) -> Connection:
        now = asyncio.get_running_loop().time()
        return Connection(kind, request, shared=request.get(SHARED, False), now=now)

    def _wants(self, connection: Connection, type_: str) -> bool:
        if connection.shared and self.quirks.shared == "nothing":
            return False
        return self.quirks.ignores_filters or connection.filters.accept(type_)
