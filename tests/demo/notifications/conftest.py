"""A client of notifications that knows nothing of the daemon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import pytest

from retrovue_daemon.demo.notifications import EVENTSOURCE, WEBSOCKET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from retrovue_daemon.demo import SimulatedPlex


class Listener:
    """A websocket, and what came over it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, plex: SimulatedPlex) -> None:
        self.socket = socket
        self._plex = plex

    async def texts(self) -> list[str]:
        """Everything that was sent so far. A ping that is answered marks the end."""
        mark = b"so far"
        await self._plex.notifications.flushed()
        await self.socket.ping(mark)
        texts = []
        while (message := await self.socket.receive()).type is not aiohttp.WSMsgType.PONG:
            assert message.type is aiohttp.WSMsgType.TEXT, message
            texts.append(message.data)
        assert message.data == mark
        return texts

    async def containers(self) -> list[dict[str, Any]]:
        return [json.loads(text)["NotificationContainer"] for text in await self.texts()]

    async def entries(self, type_: str = "timeline") -> list[dict[str, Any]]:
        """The entries of one type."""
        names = {"timeline": "TimelineEntry", "activity": "ActivityNotification", "status": "StatusNotification"}
        return [entry for each in await self.containers() if each["type"] == type_ for entry in each[names[type_]]]


class Listen(Protocol):
    async def __call__(self, query: str = "", **headers: str) -> Listener: ...


@pytest.fixture
async def session(plex: SimulatedPlex) -> AsyncIterator[aiohttp.ClientSession]:
    """Requests with the owner's token; nothing here takes ten seconds unless it is broken."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(headers={"X-Plex-Token": plex.token}, timeout=timeout) as session:
        yield session


@pytest.fixture
async def listen(plex: SimulatedPlex, session: aiohttp.ClientSession) -> Listen:
    """Opens a websocket that is counted as connected when it is returned."""

    async def listen(query: str = "", **headers: str) -> Listener:
        before = plex.notifications.connections.opened
        socket = await session.ws_connect(f"{plex.url}{WEBSOCKET}{query}", autoping=False, headers=headers)
        await plex.notifications.opened(before + 1)
        return Listener(socket, plex)

    return listen


@pytest.fixture
async def stream(plex: SimulatedPlex, session: aiohttp.ClientSession) -> AsyncIterator[aiohttp.ClientResponse]:
    """An event stream that is counted as connected."""
    async with session.get(plex.url + EVENTSOURCE) as response:
        await plex.notifications.connected()
        yield response
