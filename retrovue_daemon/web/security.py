"""Which hosts and origins a request may name, and the headers of every response."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Final

from retrovue_daemon.config.addresses import is_address, is_loopback
from retrovue_daemon.web.problems import Refusal

if TYPE_CHECKING:
    from aiohttp import web

    from retrovue_daemon.config import WebSection

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers would then send forms with the origin null.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
"""Every response has them: see `add_headers`."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

FORWARDED: Final = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
"""Headers that proxies add."""

_HOST: Final = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>\d{1,5}))?")


def add_headers(response: web.StreamResponse) -> None:
    """Add the headers that every response has."""
    response.headers.update(HEADERS)
    response.headers["Server"] = "retrovue-daemon"
    response.headers.setdefault("Cache-Control", "no-store")


def host_in(header: str) -> str | None:
    """Return the host in a Host header or behind the scheme of an origin, in lower case; None if there is none."""
    match = _HOST.fullmatch(header)
    return None if match is None else (match["ipv6"] or match["name"]).lower().rstrip(".")


def names_this_daemon(host: str, settings: WebSection) -> bool:
    """Return whether browsers may reach the page by a host.

    Another website can give its own name the address of this machine (DNS rebinding), and its scripts would then
    count as the page's own. It cannot do that with an address, nor with a name that is only known here.
    """
    listen = "" if settings.listen is None else settings.listen[0].lower()
    if host in {listen, "localhost", *settings.hosts} or host.endswith(".localhost"):
        return True
    if is_loopback(listen):
        return is_address(host) and is_loopback(host)
    own = socket.gethostname().lower()
    short = own.partition(".")[0]
    return is_address(host) or host in {own, short, f"{short}.local"}


def check_host(request: web.Request, settings: WebSection) -> None:
    """Refuse a request that names another host. Raise Refusal."""
    # More than one Host header is refused by aiohttp.
    host = host_in(request.headers.get("Host", ""))
    if host is None or not names_this_daemon(host, settings):
        raise Refusal(
            421,
            "this daemon does not serve the host that the request names",
            hint="add its name to [web] hosts in the configuration, and reload",
        )


def is_foreign(request: web.Request) -> bool:
    """Return whether another website led a browser here, or makes it load something."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}


def check_origin(request: web.Request, settings: WebSection) -> None:
    """Refuse what another website makes a browser send. Raise Refusal."""
    if request.method in SAFE_METHODS:
        # Links of other websites may lead here; nothing else of them may load anything. To browsers, other ports of
        # this machine are the same site, so that is not enough.
        headers = request.headers
        is_link = (headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")) == ("navigate", "document")
        if is_foreign(request) and not is_link:
            raise Refusal(403, "another website may not load this")
        return
    origin = request.headers.get("Origin")
    if is_foreign(request) or (origin is not None and not _is_own(origin, request, settings)):
        raise Refusal(
            403,
            "the request comes from another website",
            hint="behind a reverse proxy, add its host name to [web] hosts, or let it pass on the Host header",
        )


def _is_own(origin: str, request: web.Request, settings: WebSection) -> bool:
    scheme, _, authority = origin.partition("://")
    host = host_in(authority)
    if host is None or scheme not in {"http", "https"}:
        return False
    if host in settings.hosts:
        return True
    default = {"http": ":80", "https": ":443"}[scheme]
    return authority.lower().removesuffix(default) == request.headers.get("Host", "").lower().removesuffix(default)


def is_local(request: web.Request, settings: WebSection) -> bool:
    """Return whether a request certainly comes from this machine, so that reading needs no token.

    What a proxy passes on comes from anywhere, although the proxy itself may be here.
    """
    host = host_in(request.headers.get("Host", "")) or ""
    return (
        settings.listen is not None
        and is_loopback(settings.listen[0])
        and is_loopback_host(host)
        and not any(name in request.headers for name in FORWARDED)
    )


def is_loopback_host(host: str) -> bool:
    """Return whether a host in a request means this machine for every client."""
    return host.endswith(".localhost") or is_loopback(host)


def is_encrypted(request: web.Request) -> bool:
    """Return whether the browser uses https, as a proxy reports it; a wrong report harms only who sends it."""
    return request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower() == "https"


def peer(request: web.Request) -> str | None:
    """Return the address of the other end, which may be a proxy's."""
    remote = request.remote
    try:
        return None if remote is None else str(ipaddress.ip_address(remote.partition("%")[0]))
    except ValueError:
        return None
