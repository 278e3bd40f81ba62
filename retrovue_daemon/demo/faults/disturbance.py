"""What a kind of random fault gets to work with: the request, the whole response, and random numbers of its own."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, MutableMapping

Container = dict[str, Any]
LINGER_NONE = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: closing the socket sends a reset instead of an end (socket(7))."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One response that is about to be spoiled.

    `chooser` draws anew for each request, `steady` the same for every request to one path. `keep(item_id)` makes
    every later response with that item a failure, as a damaged item in a server's database does. `ended` is set when
    the faults end: whatever waits goes on.
    """

    request: web.Request
    response: web.Response
    chooser: random.Random
    steady: random.Random
    ended: asyncio.Event
    keep: Callable[[int], None]

    @property
    def body(self) -> bytes:
        """The body of the response."""
        body = self.response.body
        return body if isinstance(body, bytes) else b""

    def headers(self) -> MutableMapping[str, str]:
        """Return a copy of the response's headers without those that describe its length."""
        return {name: value for name, value in self.response.headers.items() if name.lower() != "content-length"}

    def with_body(self, body: bytes, *, content_type: str | None = None, **headers: str) -> web.Response:
        """Return the response with another body."""
        sent = {**self.headers(), **{name.replace("_", "-"): value for name, value in headers.items()}}
        if content_type is not None:
            sent["Content-Type"] = content_type
        return web.Response(status=self.response.status, body=body, headers=sent)

    def container(self) -> Container | None:
        """Return the response's MediaContainer, or None if the response is not JSON."""
        if self.response.content_type != "application/json":
            return None
        return json.loads(self.body)["MediaContainer"]  # type: ignore[no-any-return]  # an object, as Plex sends it

    def with_container(self, container: Container) -> web.Response:
        """Return the response with another MediaContainer."""
        return self.with_body(json.dumps({"MediaContainer": container}).encode())

    async def wait(self, seconds: float) -> None:
        """Wait, at most until the faults end."""
        try:
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        except TimeoutError:
            return

    async def begin(self, *, length: int | None) -> web.StreamResponse:
        """Send the headers; promise a body of `length` bytes, or send it in chunks (None)."""
        begun = web.StreamResponse(status=self.response.status, headers=self.headers())
        if length is None:
            begun.enable_chunked_encoding()
        else:
            begun.content_length = length
        await begun.prepare(self.request)
        return begun

    def reset(self) -> None:
        """Break the connection with a reset."""
        transport = self.request.transport
        if transport is None:
            return
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        transport.abort()

    def close(self) -> None:
        """Close the connection after what was written."""
        if self.request.transport is not None:
            self.request.transport.close()

    def write_raw(self, data: bytes) -> None:
        """Write bytes to the connection, past HTTP."""
        if self.request.transport is not None:
            self.request.transport.write(data)
