"""Limits of size and time: one client can neither fill the memory nor keep anything busy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LARGEST_BODY: Final = 64 * 1024
"""Bytes of a form or a JSON body."""

LARGEST_HEADER: Final = 8 * 1024
MOST_HEADERS: Final = 64

MOST_CONNECTIONS: Final = 200
"""Connections at once; more are closed at once."""

IDLE_S: Final = 15.0
"""Seconds for a request's headers, and between two requests of one connection."""

BODY_S: Final = 10.0
"""Seconds for a request's body."""

SEND_S: Final = 30.0
"""Seconds that a client may take to receive a response."""

LINGERING_S: Final = 2.0
"""Seconds for which the rest of a refused body is read, so that the client sees the response."""

STOP_S: Final = 0.4
"""Seconds that requests may take when the page ends, and again that their ends may take."""

CONNECTION_OPTIONS: Final[dict[str, Any]] = {
    "keepalive_timeout": IDLE_S,
    "lingering_time": LINGERING_S,
    "max_line_size": LARGEST_HEADER,
    "max_field_size": LARGEST_HEADER,
    "max_headers": MOST_HEADERS,
    # A small compressed body could unpack to gigabytes.
    "auto_decompress": False,
    "access_log": None,
}


@web.middleware
async def sent_in_time(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Send the response, and cut the connection of a client that does not receive it in time."""
    response = await handler(request)
    try:
        async with asyncio.timeout(SEND_S):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    return response
