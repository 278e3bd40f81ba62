"""Failures below HTTP, translated to errors of this package.

Only the type of an aiohttp exception and the system's error text are used: some exceptions contain the request's
headers, including the token.
"""

from __future__ import annotations

import errno
import os
import ssl
from typing import TYPE_CHECKING, Final

import aiohttp

from retrovue_daemon.errors import AnswerBrokeOff, BadAnswer, PlexError, ServerTimeout, ServerUnreachable

if TYPE_CHECKING:
    from aiohttp import ClientTimeout

LONGEST_DETAIL: Final = 200
"""The number of characters of foreign text that an error repeats."""

_BROKE_OFF: Final = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE})
"""Numbers of errors of an open connection. aiohttp's ClientOSError has them without being a ConnectionResetError."""

_HTTPS_HINT: Final = (
    "check that the server is running; if it requires secure connections, url must begin with https://"
)
_HTTP_HINT: Final = "if the server does not use TLS on this port, url must begin with http://"
_TLS_HINT: Final = (
    "certificates are issued for *.plex.direct names: use such a url, or set tls_server_name, ca_file or verify_tls"
)


def failure_of(error: Exception, server: str, timeout: ClientTimeout, *, tls: bool) -> PlexError:
    """Return the error that an exception of aiohttp, or of the socket below it, means for ``server``.

    ``tls`` is whether the request used TLS. A server that requires it closes or resets any other connection.
    """
    if isinstance(error, aiohttp.ClientConnectorError):
        return _not_connected(error, server)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ServerUnreachable(server, f"no connection within {timeout.connect:g} s")
    if isinstance(error, TimeoutError):
        silent = isinstance(error, aiohttp.SocketTimeoutError)
        return ServerTimeout(
            server,
            f"no data for {timeout.sock_read:g} s" if silent else f"response incomplete after {timeout.total:g} s",
        )
    lost = _lost_connection(error)
    if lost is not None:
        return AnswerBrokeOff(server, lost, hint=None if tls else _HTTPS_HINT)
    if isinstance(error, aiohttp.ClientPayloadError):
        return AnswerBrokeOff(server, "the response was cut off")
    if isinstance(error, aiohttp.ClientResponseError):
        return BadAnswer(server, "the response is not HTTP")
    if isinstance(error, OSError):
        return ServerUnreachable(server, reason_of(error))
    return ServerUnreachable(server, f"the request could not be sent ({type(error).__name__})")


def reason_of(error: OSError) -> str:
    """Return the system's reason, such as "Connection refused"; asyncio's own text repeats the address instead."""
    if error.errno and error.errno > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return one_line(error.strerror or str(error) or type(error).__name__)


def one_line(text: str) -> str:
    """Return a foreign text as one short line."""
    return " ".join(text.split())[:LONGEST_DETAIL]


def _name_hint(host: str) -> str | None:
    """Return why the name of a server may not resolve, and what helps; None for the usual hint.

    A name such as 192-168-1-10.HASH.plex.direct stands for a private address. Many routers drop such responses, to
    protect against DNS rebinding: https://support.plex.tv/articles/206225077.
    """
    if not host.lower().rstrip(".").endswith(".plex.direct"):
        return None
    address = host.split(".", maxsplit=1)[0].replace("-", ".")
    return (
        "the router or DNS server may drop private addresses (rebinding protection): allow the domain plex.direct"
        f" there, or set url to the address itself (as in https://{address}:32400) and tls_server_name to {host!r}"
    )


def _lost_connection(error: Exception) -> str | None:
    """Return how an open connection ended before the response, or None if it did not."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection without a response"
    if isinstance(error, OSError) and (isinstance(error, ConnectionResetError) or error.errno in _BROKE_OFF):
        return reason_of(error)
    return None


def _not_connected(error: aiohttp.ClientConnectorError, server: str) -> ServerUnreachable:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ServerUnreachable(server, f"cannot resolve host {error.host!r}", hint=_name_hint(error.host))
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ServerUnreachable(server, one_line(str(error.certificate_error)), hint=_TLS_HINT)
    reason = reason_of(error.os_error)
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return ServerUnreachable(server, reason, hint=_HTTP_HINT)
    return ServerUnreachable(server, f"{reason} ({error.host}:{error.port})")
