"""Open streams of server-sent events: bounded, and ended when a session or the page ends."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp_sse import sse_response

from retrovue_daemon.web.viewer import viewer_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web
    from aiohttp_sse import EventSourceResponse

    from retrovue_daemon.web.sessions import Session

MOST = 32
"""Streams at once; the oldest one ends if there are more. Browsers connect again by themselves."""

SEND_S = 10.0
"""Seconds that a client may take to accept an event."""

PING_S = 25.0


class EventStreams:
    """The open streams; each belongs to the task that handles its request."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Task[object], Session | None] = {}

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def open(self, request: web.Request) -> AsyncIterator[EventSourceResponse]:
        """Respond with a stream. Raise ConnectionError once the client is gone, or does not accept events."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a handler runs in a task
        while len(self._open) >= MOST:
            self._end(next(iter(self._open)))
        self._open[task] = viewer_of(request).session
        try:
            async with sse_response(request, send_timeout=SEND_S, ping_interval=PING_S) as stream:
                yield stream
        except TimeoutError:
            raise ConnectionResetError("the client does not accept events") from None
        finally:
            self._open.pop(task, None)

    def end_of(self, session: Session) -> None:
        """End the streams of a session."""
        for task in [task for task, owner in self._open.items() if owner is session]:
            self._end(task)

    def close(self) -> None:
        """End all streams."""
        for task in list(self._open):
            self._end(task)

    def _end(self, task: asyncio.Task[object]) -> None:
        self._open.pop(task, None)
        task.cancel()
