"""The connection on which a Plex Media Server announces its changes: a websocket, or else an event stream.

The token is sent in the header of the handshake only, and redirects are refused: they could take it elsewhere.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Never

import aiohttp
from yarl import URL

from retrovue_daemon.errors import (
    AnswerBrokeOff,
    BadAnswer,
    NotificationsRefused,
    PlexError,
    RequestRefused,
    ServerBusy,
    Unauthorized,
)
from retrovue_daemon.sources.plex.connector import Connector
from retrovue_daemon.sources.plex.event_lines import EventLines, TooLongEventError
from retrovue_daemon.sources.plex.failures import failure_of
from retrovue_daemon.sources.plex.statuses import is_passing, retry_after
from retrovue_daemon.sources.plex.tls import trusted_by

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import SimpleNamespace

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.sources.plex.server_token import ServerToken

Channel = Literal["websocket", "event stream"]

WEBSOCKET: Final = "/:/websockets/notifications"
EVENT_STREAM: Final = "/:/eventsource/notifications"
FILTERS: Final = {"filters": "timeline,activity,status"}
"""Without it, a playing client alone causes a frame per second. Old servers may ignore it."""

HEARTBEAT: Final = 15.0
"""Seconds between our pings: a dead peer is noticed, and a proxy does not end the connection as idle."""

SILENCE: Final = 60.0
"""Seconds without a byte after which an event stream is dead: servers send an event every 10 to 15 seconds."""

LONGEST_MESSAGE: Final = 8 * 1024 * 1024
"""Bytes; a longer message ends the connection."""

_ANSWER: Final = 20.0
"""Seconds until the server must have answered the handshake."""

_TIMEOUTS: Final = aiohttp.ClientTimeout(total=_ANSWER, connect=5.0, sock_read=SILENCE)
_ENDLESS: Final = aiohttp.ClientTimeout(total=None, connect=5.0, sock_read=SILENCE)

_PIECE: Final = 64 * 1024

_TURN: Final = 50
"""Messages after which other tasks get a turn: to read what has already arrived would hold them up."""


class RawFrame(NamedTuple):
    """The bytes of a frame, and its type if it does not say that itself."""

    data: bytes
    event: str | None = None


class Notifications:
    """Opens connections for one server's notifications; each holds a session of its own."""

    def __init__(self, server: ServerSection, token: ServerToken, headers: Mapping[str, str]) -> None:
        self._server = server
        self._token = token
        self._headers = headers
        self._base = server.url.rstrip("/")

    @asynccontextmanager
    async def connect(self, channel: Channel) -> AsyncIterator[AsyncIterator[RawFrame]]:
        """Open one connection, and close it on leaving. Iterating raises PlexError when the connection is lost.

        Raise NotificationsRefused if the server, or a proxy in front of it, does not offer this channel, Unauthorized
        if it refuses the token, and other PlexErrors if it cannot be reached.
        """
        async with self._session() as session:
            token = self._token.current
            try:
                connection = await self._open(session, channel)
            except Unauthorized as refusal:
                if not await self._token.replaces(token, refusal):
                    raise
                connection = await self._open(session, channel)
            async with connection:
                if isinstance(connection, aiohttp.ClientWebSocketResponse):
                    yield self._messages(connection)
                else:
                    yield self._events(connection)

    def _session(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        return aiohttp.ClientSession(
            connector=Connector(limit=1, ssl=trusted_by(self._server)),
            timeout=_ENDLESS,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            trust_env=False,
            trace_configs=[trace],
        )

    async def _open(
        self, session: aiohttp.ClientSession, channel: Channel
    ) -> aiohttp.ClientWebSocketResponse[bool] | aiohttp.ClientResponse:
        path, open_ = (WEBSOCKET, self._upgrade) if channel == "websocket" else (EVENT_STREAM, self._stream)
        url, header = URL(self._base + path).with_query(FILTERS), self._token.header()
        try:
            async with asyncio.timeout(_ANSWER):
                return await open_(session, url, header)
        except _RefusedError as error:
            failure = _refusal(self._server.name, error, channel, path)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # includes timeouts
            failure = self._failure(error)
        # Outside the handler: the error of aiohttp holds the headers.
        raise failure

    async def _upgrade(
        self, session: aiohttp.ClientSession, url: URL, header: Mapping[str, str]
    ) -> aiohttp.ClientWebSocketResponse[bool]:
        try:
            return await session.ws_connect(
                url,
                headers=header,
                server_hostname=self._server.tls_server_name,
                heartbeat=HEARTBEAT,
                max_msg_size=LONGEST_MESSAGE,
                autoping=False,  # see _messages
                decode_text=False,
            )
        except aiohttp.WSServerHandshakeError as error:
            refusal = _RefusedError(error.status, error.headers)
        raise refusal

    async def _stream(
        self, session: aiohttp.ClientSession, url: URL, header: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        response = await session.get(
            url,
            headers={**header, "Accept": "text/event-stream", "Accept-Encoding": "identity"},
            server_hostname=self._server.tls_server_name,
            allow_redirects=False,
        )
        if response.status == 200 and response.content_type == "text/event-stream":  # noqa: PLR2004 -- OK
            return response
        response.close()
        raise _RefusedError(response.status, response.headers)

    async def _messages(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> AsyncIterator[RawFrame]:
        for number in itertools.count(1):
            if number % _TURN == 0:
                await asyncio.sleep(0)
            message = await socket.receive()
            if message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                data = message.data
                yield RawFrame(data if isinstance(data, bytes) else data.encode())
            elif message.type is aiohttp.WSMsgType.PING:
                # If the connection is lost meanwhile, the next message is its end.
                with suppress(ConnectionError, aiohttp.ClientError):
                    await socket.pong(message.data)
            elif message.type is not aiohttp.WSMsgType.PONG:
                self._end(socket, message.data)

    def _end(self, socket: aiohttp.ClientWebSocketResponse[bool], error: object) -> Never:
        """Raise the error for the end of a websocket; its code is the only part of it that is shown."""
        if isinstance(error, TimeoutError) or isinstance(socket.exception(), TimeoutError):
            raise AnswerBrokeOff(self._server.name, f"no answer to a ping for {HEARTBEAT / 2:g} s")
        if isinstance(error, aiohttp.WebSocketError):
            # What was received is at fault: aiohttp closes the connection, not the server.
            fault = f"breaks the websocket protocol (code {error.code})"
            if error.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
                fault = f"is longer than {LONGEST_MESSAGE >> 20} MiB"
            raise BadAnswer(self._server.name, f"a message {fault}")
        code = socket.close_code
        reason = "the connection was lost" if code in {None, 1006} else f"the server closed it (code {code})"
        raise AnswerBrokeOff(self._server.name, reason)

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncIterator[RawFrame]:
        lines = EventLines()
        try:
            async for piece in response.content.iter_chunked(_PIECE):
                await asyncio.sleep(0)
                for number, (event, data) in enumerate(lines.feed(piece), 1):
                    yield RawFrame(data, event)
                    if number % _TURN == 0:
                        await asyncio.sleep(0)
        except TooLongEventError:
            failure: PlexError = BadAnswer(self._server.name, "an event is longer than 8 MiB")
        except TimeoutError:
            failure = AnswerBrokeOff(self._server.name, f"nothing was sent for {SILENCE:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = self._failure(error)
        else:
            failure = AnswerBrokeOff(self._server.name, "the server ended the event stream")
        raise failure

    def _failure(self, error: Exception) -> PlexError:
        return failure_of(error, self._server.name, _TIMEOUTS, tls=URL(self._base).scheme == "https")


class _RefusedError(Exception):
    """The handshake was answered with a ``status`` that does not open a connection."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.retry_after = retry_after((headers or {}).get("Retry-After"))


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    """Stop aiohttp from following a redirect: for websockets it has no argument for that."""
    raise _RefusedError(redirect.response.status, redirect.response.headers)


def _refusal(server: str, refusal: _RefusedError, channel: Channel, path: str) -> PlexError:
    status = refusal.status
    if status == 401:  # noqa: PLR2004 -- Unauthorized; proxies that block these paths answer with 403
        return Unauthorized(server, status)
    if 300 <= status < 400:  # noqa: PLR2004 -- 3xx
        return RequestRefused(
            server, status, path, hint="redirects are not followed: set url to the address of the server itself"
        )
    if is_passing(status):
        return ServerBusy(server, status, retry_after=refusal.retry_after)
    return NotificationsRefused(server, status, channel)
