"""The page as a background service of the daemon: it starts, follows reloads, and stops within two seconds."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from retrovue_daemon.errors import PageUnavailable
from retrovue_daemon.service.pulse import Pulse
from retrovue_daemon.web.application import make_application
from retrovue_daemon.web.attempts import Attempts
from retrovue_daemon.web.connections import bounded
from retrovue_daemon.web.contacts import Contacts
from retrovue_daemon.web.context import Context
from retrovue_daemon.web.event_streams import EventStreams
from retrovue_daemon.web.file_counts import FileCounts
from retrovue_daemon.web.known_contents import KnownContents
from retrovue_daemon.web.limits import STOP_S as REQUESTS_STOP_S
from retrovue_daemon.web.posters import Posters
from retrovue_daemon.web.reading import ReadingPool
from retrovue_daemon.web.sessions import Sessions
from retrovue_daemon.web.static_files import StaticFiles
from retrovue_daemon.web.tasks import Tasks
from retrovue_daemon.web.template_engine import Templates

if TYPE_CHECKING:
    from retrovue_daemon.config import Config, WebSection
    from retrovue_daemon.service.background import DaemonParts

log = structlog.get_logger()

STOP_S = 2.0
"""Seconds after which connections are cut, whatever they do."""

_BACKLOG = 64


class WebService:
    """Serves the page while the database is open. A new token applies at once; a new address needs a restart."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        """Where the page is served, as URLs."""
        self.context: Context | None = None
        self._opened = AsyncExitStack()
        self._runner: web.AppRunner | None = None

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._runner.server.connections) if self._runner and self._runner.server else 0

    async def start(self, parts: DaemonParts) -> None:
        """Serve the page. Raise PageUnavailable."""
        settings = parts.supervisor.config.web
        async with AsyncExitStack() as stack:
            listening = _listening(settings)
            for each in listening:
                stack.callback(each.close)
            context = self.context = _context(parts)
            stack.push_async_callback(context.reading.close)
            stack.push_async_callback(context.pulse.stop)
            stack.push_async_callback(context.posters.close)
            stack.push_async_callback(context.tasks.close)
            stack.push_async_callback(context.file_counts.close)
            context.posters.follow()
            runner = self._runner = web.AppRunner(make_application(context), shutdown_timeout=REQUESTS_STOP_S)
            await runner.setup()
            stack.push_async_callback(_end, runner)
            stack.callback(context.streams.close)
            assert runner.server is not None  # noqa: S101 -- set up
            loop = asyncio.get_running_loop()
            for each in listening:
                server = await loop.create_server(bounded(runner.server), sock=each, backlog=_BACKLOG)
                stack.callback(server.close)
            self._opened = stack.pop_all()
        self.addresses = [_url(*each.getsockname()[:2]) for each in listening]
        log.info("web.started", addresses=self.addresses, manage=settings.manage and context.sessions.has_token)

    async def reload(self, config: Config) -> None:
        """Use another token from now on; everything else is read from the configuration at each request."""
        if self.context is not None:
            _learn(self.context, config.web)
            if self.context.sessions.use_token(config.web.token):
                # Programs that sent the former token have no session, and their streams would go on.
                self.context.streams.close()
            self.context.posters.follow()

    async def stop(self) -> None:
        """Close everything; open streams end, and other requests have a moment."""
        is_started = self.context is not None and self.addresses
        await self._opened.aclose()
        if is_started:
            log.info("web.stopped")
        self.context, self.addresses = None, []


def _context(parts: DaemonParts) -> Context:
    supervisor, clock = parts.supervisor, parts.clock
    path = supervisor.database.path
    streams = EventStreams()
    reading = ReadingPool(path)
    context = Context(
        supervisor=supervisor,
        redactor=parts.redactor,
        clock=clock,
        reading=reading,
        contents=KnownContents(),
        sessions=Sessions(supervisor.config.web.token, clock, ended=streams.end_of),
        attempts=Attempts(clock),
        pulse=Pulse(supervisor.database.writer, clock),
        templates=Templates(clock),
        static=StaticFiles(),
        streams=streams,
        posters=Posters(supervisor, path.with_name(f"{path.name}-posters"), clock),
        contacts=Contacts(),
        tasks=Tasks(),
        file_counts=FileCounts(path, reading, clock),
        started_at=clock.now(),
    )
    _learn(context, supervisor.config.web)
    return context


def _learn(context: Context, settings: WebSection) -> None:
    if settings.token is not None:
        context.redactor.learn(settings.token.reveal())


async def _end(runner: web.AppRunner) -> None:
    """End all connections."""
    try:
        async with asyncio.timeout(STOP_S):
            await runner.cleanup()
    except TimeoutError:
        log.warning("web.stop_incomplete")


def _listening(settings: WebSection) -> list[socket.socket]:
    """Return sockets for the address of the configuration. Raise PageUnavailable."""
    host, port = settings.listen or ("127.0.0.1", 0)
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((family, address[:2]) for family, *_, address in found):
            both = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
            # A free port that the system chooses is the same for all addresses.
            chosen = port or (sockets[0].getsockname()[1] if sockets else 0)
            listening = socket.create_server((address[0], chosen), family=family, dualstack_ipv6=both)
            sockets.append(listening)
            listening.setblocking(False)  # noqa: FBT003 -- its only parameter
    except OSError as error:
        for each in sockets:
            each.close()
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error.strerror or error)
        raise PageUnavailable(_url(host, port), reason, hint=_hint(error)) from None
    return sockets


def _hint(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program, or another daemon, uses this port: stop it, or change [web] listen"
    if error.errno == errno.EACCES:
        return "ports below 1024 need a privilege: change [web] listen, and put a reverse proxy in front of it"
    return 'set [web] listen to an address of this machine; "" switches the page off'


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
