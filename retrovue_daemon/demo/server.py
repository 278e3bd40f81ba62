"""The simulated Plex Media Server on a loopback port.

    async with SimulatedPlex(built_in_library()) as plex:
        ...  # plex.url, plex.token, plex.world, plex.changes, plex.rich, plex.faults, plex.quirks, plex.requests,
             # plex.notifications, plex.notify

The middlewares, outermost first: record requests, apply faults, check tokens. `endpoints` produces the responses.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Self

from aiohttp import web

from retrovue_daemon.demo.changes import Changes
from retrovue_daemon.demo.encode import Encoder
from retrovue_daemon.demo.endpoints import Endpoints
from retrovue_daemon.demo.faults import Faults
from retrovue_daemon.demo.link import Link
from retrovue_daemon.demo.misbehaviour import FAULT, before_answer, spoil
from retrovue_daemon.demo.notifications import Notifications, ScriptedNotifications
from retrovue_daemon.demo.notifications.service import SHARED
from retrovue_daemon.demo.pages import KEEP_ALIVE_SECONDS, error_page, unauthorized
from retrovue_daemon.demo.query import BadQuery
from retrovue_daemon.demo.quirks import Quirks
from retrovue_daemon.demo.rich_changes import RichChanges

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from aiohttp.typedefs import Handler

    from retrovue_daemon.demo.world import World

_log = logging.getLogger(__name__)

REQUESTS_KEPT = 100_000
OPEN_PATHS = frozenset({"/identity"})
ADMIN_PATHS = frozenset({"/status/sessions"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request that a client sent. Header names are lower case; paths are decoded and have no query."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class SimulatedPlex:
    """Serves a world on 127.0.0.1 while its context is open. `port=0` picks a free port.

    `token` belongs to the owner, `shared_token` to a user with whom the libraries are shared. Both can be replaced at
    any time, as when an owner signs out all devices. `requests` holds the latest requests, in order of arrival.
    """

    def __init__(
        self,
        world: World,
        *,
        token: str = "simulated-owner-token",  # noqa: S107  # it opens nothing but this simulation
        port: int = 0,
        host: str = "127.0.0.1",
        quirks: Quirks | None = None,
    ) -> None:
        self.world = world
        self.changes = Changes(world)
        self.rich = RichChanges(world)
        self.token = token
        self.shared_token = f"{token}-shared"
        self.notifications = Notifications(world)
        self.notify = ScriptedNotifications(world, self.notifications)
        self.faults = Faults()
        self.quirks = quirks or Quirks()
        self.requests: deque[Request] = deque(maxlen=REQUESTS_KEPT)
        self._host = host
        self._port = port
        self._link = Link()
        self._encoder: Encoder | None = None
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The address, without a trailing slash. It stays the same across `stop` and `start`."""
        return f"http://{self._host}:{self._port}"

    def requests_for(self, path: str) -> list[Request]:
        """Return the requests so far whose path matches an `fnmatch` pattern."""
        return [request for request in self.requests if fnmatchcase(request.path, path)]

    async def start(self) -> None:
        """Start listening. After `stop`, use the same port as before."""
        self._encoder = Encoder(self.world)
        endpoints = Endpoints(self.world, self._encoder, self.quirks, self.faults)
        app = web.Application(middlewares=[self._record, self._misbehave, self._authorize])
        app.add_routes([*endpoints.routes(), *self.notifications.routes()])
        app.on_shutdown.append(self.notifications.end)
        self._runner = web.AppRunner(app, keepalive_timeout=KEEP_ALIVE_SECONDS, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close all connections and stop listening: new connections are refused."""
        if self._runner is not None and self._encoder is not None:
            self._encoder.close()
            await self._runner.cleanup()
            self._runner = None

    async def restart(self) -> None:
        """Stop and start: every connection breaks, nothing else changes."""
        await self.stop()
        await self.start()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Request(request.method, request.path, dict(request.query), headers))
        try:
            response = await handler(request)
        except web.HTTPException as error:  # includes unknown paths and methods
            response = error_page(error.status)
        except BadQuery:
            response = error_page(400)
        except ConnectionError:
            raise  # the client has disconnected, so no response is possible
        except Exception:  # noqa: BLE001  # whatever it is: the client gets an error page, the log gets the traceback
            _log.exception("simulated_plex.failed")
            response = error_page(500)
        return response

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.quirks.latency:
            await asyncio.sleep(self.quirks.latency)
        fault = self.faults.take(request.path)
        if fault is not None:
            request[FAULT] = fault
        instead = await before_answer(request, self.quirks, fault)
        if instead is not None:
            return instead
        response = await handler(request)
        poison = request.get(FAULT)
        if poison is not fault:
            instead = await before_answer(request, self.quirks, poison)
            if instead is not None:
                return instead
        if (random_faults := self.faults.random) is not None and isinstance(response, web.Response):
            response = await random_faults.spoil(request, response, self.faults.poison)
        response = await spoil(request, response, poison)
        if self.quirks.bandwidth is not None and isinstance(response, web.Response):
            await self._link.carry(response.content_length or 0, self.quirks.bandwidth)
        return response

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN_PATHS:
            token = request.headers.get("X-Plex-Token") or request.query.get("X-Plex-Token")
            if token not in (self.token, self.shared_token):
                return unauthorized(request.path)
            request[SHARED] = token == self.shared_token
            if request[SHARED] and request.path in ADMIN_PATHS:
                return error_page(403)
        return await handler(request)
