"""A POST request of a hook, which is accepted with a status from 200 to 299."""

from __future__ import annotations

import os
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

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
    url = URL(target.address.reveal(), encoded=True)  # as it was written: some receivers get templates in it
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=timeout), cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            status, wait = response.status, response.headers.get("Retry-After", "")
    except TimeoutError:
        raise HookFailed(f"no response within {timeout:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # Not the text of the error, which may contain the address.
        raise HookFailed(_reason(error)) from None
    _judge(status, wait)


def _judge(status: int, wait: str) -> None:
    """Raise HookFailed unless a status means that the request was accepted."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    detail = f"the receiver responded with {status}"
    if status < HTTPStatus.BAD_REQUEST:
        hint = "redirects are not followed: set url to the address to which it leads"
        raise HookFailed(f"{detail}, a redirect", hint=hint, lasting=True)
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        retry_after = float(wait) if wait.isascii() and wait.isdecimal() else None
        raise HookFailed(detail, retry_after=retry_after)
    hint = "check url, and what the receiver requires; nothing is lost, the same content is sent again"
    too_large = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    raise HookFailed(detail, hint=hint, lasting=True, too_large=too_large)


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "cannot resolve the host"
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or "not valid"
            return f"the certificate is not trusted: {reason}"
        case aiohttp.ClientConnectorError():
            # asyncio puts the address into the error's own text.
            number = error.os_error.errno
            return f"cannot connect: {os.strerror(number).lower() if number else type(error.os_error).__name__}"
        case ssl.SSLError() | aiohttp.ClientSSLError():
            return "the TLS handshake failed"
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return "the connection was closed before a response"
        case _:
            return f"the request failed: {type(error).__name__}"
