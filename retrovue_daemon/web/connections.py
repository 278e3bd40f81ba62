"""Connections: not too many of them, and none whose errors say more than those of the page."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from retrovue_daemon.web.limits import CONNECTION_OPTIONS, MOST_CONNECTIONS
from retrovue_daemon.web.security import add_headers

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()


class Connection(web.RequestHandler):
    """A connection that responds to what is not HTTP, too, with the headers of the page.

    aiohttp alone would send back what was sent, and log it, with tokens and sessions, as an error.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 -- holds a part of the request
    ) -> web.StreamResponse:
        """Return the response for an error outside the application. Raise ConnectionError to close the connection."""
        if request.writer.output_size > 0 or isinstance(exc, ConnectionError):
            raise ConnectionError("nothing can be sent")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("web.crashed", route="", exc_info=exc)
        response = web.Response(status=status, text=f"{HTTPStatus(status).phrase}\n")
        add_headers(response)
        response.force_close()
        return response


class Refused(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it without a response, which would take memory."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def bounded(server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
    """Return what makes a connection, as long as there are not too many."""
    loop = asyncio.get_running_loop()

    def connect() -> asyncio.BaseProtocol:
        if len(server.connections) >= MOST_CONNECTIONS:
            return Refused()
        return Connection(server, loop=loop, **CONNECTION_OPTIONS)

    return connect
