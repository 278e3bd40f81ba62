"""A server on loopback that answers as a test says, and clients of it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from aiohttp import web

from retrovue_daemon.clock import Clock
from retrovue_daemon.config import Secret, ServerSection
from retrovue_daemon.sources.plex.body import BodyBudget
from retrovue_daemon.sources.plex.client import PlexClient
from retrovue_daemon.sources.plex.retries import RetryPolicy
from retrovue_daemon.sources.plex.transport import Transport

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

Handler: TypeAlias = "Callable[[web.Request], Awaitable[web.StreamResponse]]"


class FakePlex:
    """Answers paths as it was told; what it was asked is in ``requests``, in order."""

    TOKEN = "tok-Pgx8vUPyLQ"

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.url = ""
        self.port = 0
        self.held = asyncio.Event()
        """Set once a request is held."""
        self.release = asyncio.Event()
        """Lets go all requests that are held."""
        self.otherwise: Handler | None = None
        """Answers all paths that no other handler answers."""
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        self._runner: web.AppRunner | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._runner = web.AppRunner(self._application(), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        self.release.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def answer(self, path: str, *handlers: Handler) -> None:
        """Let ``path`` be answered by each of ``handlers`` once, and by the last one from then on."""
        self._handlers[path] = list(handlers)

    def asked(self, path: str) -> list[web.Request]:
        return [request for request in self.requests if request.path == path]

    @staticmethod
    def reply(body: object = b"", status: int = 200, **headers: str) -> Handler:
        """Make a handler that always answers the same; objects go out as JSON, and ``Retry_After`` as Retry-After."""
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def handle(request: web.Request) -> web.StreamResponse:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.Response(body=encoded, status=status, headers=named)

        return handle

    @staticmethod
    def listing(*entries: dict[str, Any], cap: int = 1000, **container: object) -> Handler:
        """Make a handler that pages through ``entries`` as a server does, ``cap`` at most a page."""

        async def handle(request: web.Request) -> web.StreamResponse:
            start = int(request.query["X-Plex-Container-Start"])
            page = entries[start : start + min(cap, int(request.query["X-Plex-Container-Size"]))]
            paging = {"size": len(page), "totalSize": len(entries), "offset": start}
            listed = {"Metadata": page} if page else {}
            answer = {key: value for key, value in {**paging, **container, **listed}.items() if value is not None}
            return web.json_response({"MediaContainer": answer})

        return handle

    async def hold(self, _request: web.Request) -> web.StreamResponse:
        """Answer nothing until the test ends or says so."""
        self.held.set()
        await self.release.wait()
        return web.Response(status=500)

    @staticmethod
    async def reset(request: web.Request) -> web.StreamResponse:
        """Reset the connection instead of answering."""
        assert request.transport is not None
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
        return web.Response()

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._dispatch)
        return application

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        handlers = self._handlers.get(request.path)
        if not handlers and self.otherwise is not None:
            return await self.otherwise(request)
        if not handlers:
            return web.Response(status=404, text="<html><head><title>Not Found</title></head></html>")
        handler = handlers.pop(0) if len(handlers) > 1 else handlers[0]
        return await handler(request)


@pytest.fixture
async def plex() -> AsyncIterator[FakePlex]:
    server = FakePlex()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def section(plex: FakePlex) -> Callable[..., ServerSection]:
    """Make the configuration of the fake server, or of another one."""

    def make(**changes: Any) -> ServerSection:
        return ServerSection(
            **{"name": "home", "url": plex.url, "token": Secret(plex.TOKEN), "timeout": 20.0, **changes}
        )

    return make


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened
    left = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("plex:")]
    assert not left, "the client left tasks behind"


class RestlessClock(Clock):
    """A clock on which rests take no time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0 * seconds)


@pytest.fixture
def connect(section: Callable[..., ServerSection], stack: AsyncExitStack) -> Callable[..., Awaitable[PlexClient]]:
    """Open a client of the fake server that waits for nothing between its tries."""

    async def connect(**changes: Any) -> PlexClient:
        retry = RetryPolicy(attempts=4, wait_initial=0.0, wait_max=0.0)
        client = PlexClient(
            section(**changes), client_identifier="c-1", version="1.2.3", retry=retry, clock=RestlessClock()
        )
        # Otherwise the first page without streams is requested again.
        client.listed_streams.know("listed")
        return await stack.enter_async_context(client)

    return connect


@pytest.fixture
def transport(section: Callable[..., ServerSection], stack: AsyncExitStack) -> Callable[..., Awaitable[Transport]]:
    """Open a transport to the fake server."""

    async def connect(max_body: int = 100_000, **changes: Any) -> Transport:
        retry = RetryPolicy(attempts=4, wait_initial=0.0, wait_max=0.0)
        bodies = BodyBudget(2 * max_body, max_body)
        made = Transport(section(**changes), client_identifier="c-1", version="1.2.3", retry=retry, bodies=bodies)
        return await stack.enter_async_context(made)

    return connect
