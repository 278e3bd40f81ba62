"""A POST request of a hook, which is accepted with a status from 200 to 299."""

from __future__ import annotations

import base64
import email.utils
import io
import os
import socket
import ssl
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes, urlsplit

import aiohttp
from yarl import URL

from retrovue_daemon.errors import HookFailed
from retrovue_daemon.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.config.hooks import HookUrl

SIGNATURE: Final = "X-Retrovue-Signature"
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": f"retrovue-daemon/{__version__}"}

_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses below 500 that say nothing about the request itself."""


async def post(target: HookUrl, body: bytes, headers: Mapping[str, str], timeout: float) -> None:  # noqa: ASYNC109 -- aiohttp's
    """Send a body; raise HookFailed unless it was accepted. Redirects are not followed: they would change the method.

    The content of the response does not matter, and is not read.
    """
    address, authorization = _split(target.address.reveal())
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=timeout), cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.post(
                URL(address, encoded=True),  # as it was written: some receivers get templates in it
                data=io.BytesIO(body),  # in chunks: raw bytes would block the event loop
                headers={**headers, **authorization},
                allow_redirects=False,
            ) as response,
        ):
            status, wait = response.status, response.headers.get("Retry-After", "")
    except TimeoutError:
        raise HookFailed(f"no response within {timeout:g} s", is_slow=True) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # Not the text of the error, which may contain the address.
        raise HookFailed(_reason(error), is_slow=_is_cut(error)) from None
    _judge(status, wait)


def _split(address: str) -> tuple[str, dict[str, str]]:
    """Return an address without user and password, and the header that sends these in UTF-8 (RFC 7617), as curl does.

    aiohttp would send them in Latin-1, in which not every password can be written.
    """
    parts = urlsplit(address)
    credentials, at, _ = parts.netloc.rpartition("@")
    if not at:
        return address, {}
    user, _, password = credentials.partition(":")
    content = base64.b64encode(unquote_to_bytes(user) + b":" + unquote_to_bytes(password))
    return address.replace(f"//{credentials}@", "//", 1), {"Authorization": f"Basic {content.decode()}"}


def _judge(status: int, wait: str) -> None:
    """Raise HookFailed unless a status means that the request was accepted."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    detail = f"the receiver responded with {status}"
    if status < HTTPStatus.MULTIPLE_CHOICES:
        raise HookFailed(f"{detail}, which ends no request")
    if status < HTTPStatus.BAD_REQUEST:
        hint = "redirects are not followed: set url to the address to which it leads"
        raise HookFailed(f"{detail}, a redirect", hint=hint, lasting=True)
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise HookFailed(detail, retry_after=_seconds(wait))
    hint = "check url, and what the receiver requires; nothing is lost, the same content is sent again"
    too_large = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    raise HookFailed(detail, hint=hint, lasting=True, too_large=too_large)


def _seconds(wait: str) -> float | None:
    """Return ``Retry-After`` as seconds from now: it may be a date (RFC 9110, 10.2.3), or a fraction."""
    seconds: float | None = None
    with suppress(ValueError, OverflowError):
        seconds = email.utils.parsedate_to_datetime(wait).timestamp() - time.time()
    with suppress(ValueError):
        seconds = float(wait)
    # NaN is not at least zero.
    return seconds if seconds is not None and seconds >= 0 else None


def _is_cut(error: Exception) -> bool:
    """Return whether the receiver was reached, and ended the connection without a response.

    Some do so while the body is being sent, if it is too large for them, and 413 gets lost.
    """
    return isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError) or (
        isinstance(error, aiohttp.ClientOSError) and not isinstance(error, aiohttp.ClientConnectorError)
    )


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or "not valid"
            return f"the certificate is not trusted: {reason}"
        case ssl.SSLError() | aiohttp.ClientSSLError():
            return "the TLS handshake failed"
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, socket.gaierror):  # also of an address
            return "cannot resolve the host"
        case aiohttp.ClientConnectorError():
            # asyncio puts the address into the error's own text. With several addresses, there may be no number.
            number = error.os_error.errno
            return f"cannot connect: {os.strerror(number).lower()}" if number else "cannot connect"
        case UnicodeError():
            return "cannot resolve the host: a part of its name is empty or too long"
        case _ if _is_cut(error):
            return "the connection was closed before a response"
        case aiohttp.ClientResponseError():
            return "the response is not HTTP"
        case _:
            return f"the request failed: {type(error).__name__}"
