"""The connections of a simulated server's notifications: what each wants, and what waits to be sent to it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Literal

from aiohttp import WSCloseCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aiohttp import web

    from retrovue_daemon.demo.notifications.envelopes import Message

CONNECTIONS = 100
"""How many connections a server accepts at once."""
WAITING = 200_000
"""How many messages may wait for a client that does not read. A slower client is disconnected."""
NOT_BY_DEFAULT = frozenset({"log"})


class Filters:
    """The types of notifications that a connection wants, as its `filters` argument says.

    Without the argument that is everything but `log`; with an empty one, everything. A leading minus sign excludes.
    """

    def __init__(self, query: Mapping[str, str]) -> None:
        text = query.get("filters")
        named = frozenset(name.strip() for name in (text or "").removeprefix("-").split(",") if name.strip())
        self._excluded = text is None or text.startswith("-") or not named
        self._named = NOT_BY_DEFAULT if text is None else named

    def accept(self, type_: str) -> bool:
        """Return whether the connection wants that type."""
        return (type_ in self._named) is not self._excluded


class Connection:
    """One client. `pings` counts the pings that it sent, `sent` the messages that were sent to it."""

    def __init__(
        self, kind: Literal["websocket", "eventsource"], request: web.Request, *, shared: bool, now: float
    ) -> None:
        self.kind = kind
        self.filters = Filters(request.query)
        self.shared = shared
        self.pings = 0
        self.sent = 0
        self.last_traffic = now
        self.close_code: int | None = None
        self.ended = asyncio.Event()
        self._transport = request.transport
        self._waiting: deque[Message] = deque()
        self._wake = asyncio.Event()

    def put(self, messages: list[Message]) -> None:
        """Let messages wait to be sent."""
        if len(self._waiting) >= WAITING:
            self.abort()
        elif not self.ended.is_set():
            self._waiting.extend(messages)
            self._wake.set()

    async def next(self) -> Message | None:
        """Return the next message to send, or None when the connection has to end."""
        while not self._waiting:
            if self.ended.is_set():
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

    def end(self, code: int = WSCloseCode.OK) -> None:
        """Let the connection end after the messages that wait, with this code."""
        if not self.ended.is_set():
            self.close_code = code
            self.ended.set()
        self._wake.set()

    def abort(self) -> None:
        """Break the connection without a word, as when a cable is cut or a server crashes."""
        self._waiting.clear()
        self.end()
        if self._transport is not None:
            self._transport.abort()

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent."""
        return len(self._waiting)

    def forget(self) -> None:
        """Drop the messages that wait."""
        self._waiting.clear()


class Connections:
    """All open connections. Iterating over them while they change is safe."""

    def __init__(self) -> None:
        self.opened = 0
        """How many connections were ever opened."""
        self._open: list[Connection] = []
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[Connection]:
        return iter([*self._open])

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        """Whether the server accepts no more of them."""
        return len(self._open) >= CONNECTIONS

    def add(self, connection: Connection) -> None:
        """Count a connection as open."""
        self._open.append(connection)
        self.opened += 1
        self.note()

    def remove(self, connection: Connection) -> None:
        """Count a connection as closed."""
        self._open.remove(connection)
        connection.end()
        self.note()

    def note(self) -> None:
        """Wake those who wait in `until`."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that depends on the connections or on what was sent and received on them."""
        while not holds():
            await self._changed.wait()
