"""One request to a Plex Media Server: limited, timed, retried, with every failure translated to an error of ours.

The token is sent in a header, never in an address, because HTTP libraries put addresses into exception texts. aiohttp
also keeps the request's headers in some exceptions, so none of them may become the cause or context of another: the
useful parts are copied into a new error, which is raised after the handler has ended.
"""

from __future__ import annotations

import asyncio
import html
import platform
import re
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, Self, TypeAlias, TypeVar

import aiohttp
import msgspec
from yarl import URL

from retrovue_daemon.clock import Clock
from retrovue_daemon.errors import (
    AnswerTooLarge,
    BadAnswer,
    PlexError,
    RequestRefused,
    ServerBusy,
    Unauthorized,
)
from retrovue_daemon.logs.redaction import Redactor
from retrovue_daemon.sources.plex.body import BodyBudget, read_body, read_start
from retrovue_daemon.sources.plex.connector import Connector
from retrovue_daemon.sources.plex.failures import failure_of, one_line
from retrovue_daemon.sources.plex.limits import NotAMediaContainer, TooLargeContent, is_xml, takes_long
from retrovue_daemon.sources.plex.notifications import Notifications
from retrovue_daemon.sources.plex.request_log import RequestLine
from retrovue_daemon.sources.plex.requested import RequestedItems
from retrovue_daemon.sources.plex.retries import Attempts, RetryPolicy
from retrovue_daemon.sources.plex.server_token import ServerToken
from retrovue_daemon.sources.plex.statuses import is_passing, retry_after
from retrovue_daemon.sources.plex.tls import trusted_by

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.sources.plex.body import BodyShare

CONNECT_TIMEOUT: Final = 5.0
ANSWER_TIMEOUT: Final = 120.0
"""Seconds for a whole response: a server may send a byte now and then, which no read timeout would notice."""

KEEPALIVE: Final = 15.0
"""Seconds; the server closes idle connections after 20, which would break a request sent at that moment."""

READ_BUFFER: Final = 512 * 1024
"""Bytes buffered per connection; aiohttp reads on up to twice as many, beside the memory that bodies may have."""

_LONGEST_ERROR_BODY: Final = 4096
T = TypeVar("T")
Turn: TypeAlias = "Callable[[], AbstractAsyncContextManager[None]]"
"""Returns a context that is held during a request; entering it may wait."""


class Response(msgspec.Struct, frozen=True):
    """A response with status 200 and its whole body, until the ``share`` with its memory is left.

    ``total`` is ``X-Plex-Container-Total-Size``, None if missing. ``seconds`` is the time from the request to the end
    of the body.
    """

    share: BodyShare
    content_type: str
    total: int | None
    seconds: float

    @property
    def body(self) -> bytes:
        """The body, decompressed."""
        return self.share.content


class Transport:
    """The session with one server; an async context manager.

    ``server.concurrency`` limits the requests in flight; a request waiting for a retry is not in flight. ``bodies``
    bounds the memory of responses, together with the other servers'.
    """

    def __init__(
        self,
        server: ServerSection,
        *,
        client_identifier: str,
        version: str,
        retry: RetryPolicy,
        device_name: str | None = None,
        bodies: BodyBudget | None = None,
        clock: Clock | None = None,
        link_local: bool = True,
    ) -> None:
        self._clock = clock or Clock()
        self._link_local = link_local
        self.requested = RequestedItems(self._clock)
        self.sends_xml: bool | None = None
        """The format of the last readable response; None before the first one."""
        self._server = server
        self._base = server.url.rstrip("/")
        self._retry = retry
        self.bodies = bodies or BodyBudget()
        self._timeout = aiohttp.ClientTimeout(
            total=max(ANSWER_TIMEOUT, server.timeout), connect=CONNECT_TIMEOUT, sock_read=server.timeout
        )
        self._redactor = Redactor()
        self.token = ServerToken(server, self._redactor)
        self._slots = asyncio.Semaphore(server.concurrency)
        self._session: aiohttp.ClientSession | None = None
        self._headers = {
            "Accept": "application/json",
            # Compression costs the server more time than a local network needs for the additional bytes.
            "Accept-Encoding": "gzip" if server.compression else "identity",
            "User-Agent": f"retrovue-daemon/{version}",
            "X-Plex-Client-Identifier": client_identifier,
            "X-Plex-Product": "retrovue-daemon",
            "X-Plex-Version": version,
            "X-Plex-Device-Name": device_name or platform.node() or "retrovue-daemon",
        }

    async def __aenter__(self) -> Self:
        connector = Connector(
            link_local=self._link_local,
            limit=self._server.concurrency,
            keepalive_timeout=KEEPALIVE,
            ssl=trusted_by(self._server),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            # Each request has a deadline of our own for the whole.
            timeout=aiohttp.ClientTimeout(
                total=None, connect=self._timeout.connect, sock_read=self._timeout.sock_read
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            read_bufsize=READ_BUFFER,
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(
        self,
        path: str,
        parse: Callable[[Response], T],
        *,
        params: Mapping[str, str] | None = None,
        with_token: bool = True,
        tries: int | None = None,
        timeouts: int | None = None,
        turn: Turn = nullcontext,
    ) -> T:
        """Request ``path`` and return what ``parse`` makes of the response. Raise PlexError.

        ``path`` is already quoted. ``parse`` raises NotAMediaContainer for unreadable responses. For ``tries`` and
        ``timeouts`` see `attempts`, for ``turn`` see `send`.
        """
        async for attempt in self.attempts(tries=tries, timeouts=timeouts):
            with attempt, self.bodies.share(self._server.name) as share:
                response = await self.send(path, share, params, with_token=with_token, turn=turn)
                return await self.decode(response, parse)
        raise AssertionError("the last attempt returns or raises")

    def notifications(self) -> Notifications:
        """Return the connections for the server's notifications; they use no session or slot of this one."""
        return Notifications(self._server, self.token, self._headers)

    # -- the steps of a request -------------------------------------------------------------------------------------

    def attempts(self, *, tries: int | None = None, timeouts: int | None = None) -> Attempts:
        """Yield one context per attempt until one succeeds; a PlexError in it is retried if that may help.

        At most ``timeouts`` attempts may time out, and at most ``tries`` are made; both default to the policy's
        number.
        """
        policy = self._retry
        return Attempts(policy, tries=tries or policy.attempts, timeouts=timeouts or policy.attempts)

    async def send(
        self,
        path: str,
        share: BodyShare,
        params: Mapping[str, str] | None = None,
        *,
        with_token: bool = True,
        turn: Turn = nullcontext,
    ) -> Response:
        """Send one request and return its response, which has status 200. Raise PlexError on failure.

        The body takes its memory from ``share``; leave that once the body is no longer needed. ``turn`` is held from
        before the request until the end of the body.
        """
        token = self.token.current
        try:
            return await self._send(path, share, params, turn, with_token=with_token)
        except Unauthorized as refusal:
            if not with_token or not await self.token.replaces(token, refusal):
                raise
        return await self._send(path, share, params, turn, with_token=with_token)

    async def _send(
        self, path: str, share: BodyShare, params: Mapping[str, str] | None, turn: Turn, *, with_token: bool
    ) -> Response:
        if self._session is None:
            raise RuntimeError("the client is not open: use it in an async with statement")
        # In this order, so that a request that waited while the server was fast notices if the server is slow now.
        async with self._slots, turn():
            headers = self.token.header() if with_token else {}
            with (
                self.requested.during(path),
                RequestLine(self._server.name, path, params, share, self._clock) as line,
            ):
                try:
                    # Of our own: aiohttp's deadline does not cover a body that arrived before its request, and does
                    # not stand still while a body waits for memory.
                    # Leaving the response before its end closes the connection.
                    async with (
                        asyncio.timeout(self._timeout.total) as share.deadline,
                        self._session.get(
                            URL(self._base + path).with_query(params),
                            headers=headers,
                            allow_redirects=False,
                            server_hostname=self._server.tls_server_name,
                        ) as response,
                    ):
                        line.status = response.status
                        await self._raise_for_status(response, path)
                        await read_body(response, share)
                        share.content = await self.token.hidden_in(share.content)
                        return Response(
                            share,
                            response.headers.get("Content-Type", ""),
                            _whole(response.headers.get("X-Plex-Container-Total-Size")),
                            line.seconds,
                        )
                except (aiohttp.ClientError, OSError, ValueError) as error:  # includes timeouts
                    failure: PlexError = failure_of(
                        error, self._server.name, self._timeout, tls=URL(self._base).scheme == "https"
                    )
                except BadAnswer as error:
                    # Otherwise, the error would keep the pieces that its traceback's functions were working on.
                    failure = error.with_traceback(None)
                # Outside the handler: the aiohttp error, which may hold the headers, must not become the context.
                raise failure

    async def decode(self, response: Response, parse: Callable[[Response], T]) -> T:
        """Return what ``parse`` makes of a response. Raise BadAnswer if ``parse`` raises NotAMediaContainer."""
        error_type: type[BadAnswer] = BadAnswer
        try:
            if takes_long(response.body):
                # In a thread, so that the event loop can run every few milliseconds.
                async with self.bodies.decoding:
                    result = await asyncio.to_thread(parse, response)
            else:
                await self.bodies.turn.begin(len(response.body))
                result = parse(response)
        except TooLargeContent as error:
            error_type, reason = AnswerTooLarge, error.reason
        except NotAMediaContainer as error:
            reason = error.reason
        else:
            self.sends_xml = is_xml(response.body)
            return result
        raise error_type(self._server.name, self._detail(reason))

    # -- the meaning of a response ----------------------------------------------------------------------------------

    async def _raise_for_status(self, response: aiohttp.ClientResponse, path: str) -> None:
        """Raise the error for a status other than 200. Error bodies are always HTML, so they are not read."""
        name, status = self._server.name, response.status
        if status == 200:  # noqa: PLR2004 - the one good status
            return
        if status in (401, 403):
            raise Unauthorized(name, status)
        if is_passing(status):
            pause = retry_after(response.headers.get("Retry-After"))
            raise ServerBusy(name, status, self._detail(await _maintenance(response)), retry_after=pause)
        if 300 <= status < 400:  # noqa: PLR2004 - 3xx
            raise RequestRefused(
                name, status, path, hint="redirects are not followed: set url to the address of the server itself"
            )
        if status < 300:  # noqa: PLR2004 - another 2xx than 200: nothing, or a part
            raise BadAnswer(name, f"HTTP {status} for {path}")
        raise RequestRefused(name, status, path)

    # -- helpers ----------------------------------------------------------------------------------------------------

    def _detail(self, text: str) -> str:
        """Return a text that the server wrote as one short line; it goes into rows and responses, not only into logs.

        The server has seen the token and may repeat it in any spelling.
        """
        return one_line(self._redactor.text(text))


async def _maintenance(response: aiohttp.ClientResponse) -> str:
    """Return why a server is unavailable: ``<Response code="503" title="Maintenance" status="…"/>`` at startup."""
    if "xml" not in response.headers.get("Content-Type", ""):
        return ""
    try:
        start = await read_start(response, _LONGEST_ERROR_BODY)
    except (aiohttp.ClientError, TimeoutError):
        return ""
    found = re.search(rb'<Response\b[^>]*\bstatus="([^"]*)"', start)
    return html.unescape(found.group(1).decode("utf-8", "replace")) if found else ""


def _whole(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 19 else None  # noqa: PLR2004
