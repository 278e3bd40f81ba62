"""Everything around a MediaContainer: its headers, error pages, and responses of other programs."""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from http import HTTPStatus

from aiohttp import web

COMMON_HEADERS = {
    "X-Plex-Protocol": "1.0",
    "Cache-Control": "no-cache",
    "Vary": "Origin, X-Plex-Token",
}
KEEP_ALIVE_SECONDS = 20
TO_WEB_CLIENT = """window.location.replace(location.pathname.replace(/[^\\/]*$/, "") + 'web/index.html');"""
GZIP_FROM_BYTES = 512
REFUSED = re.compile(r"q=0(?:\.0*)?")
GZIP_KEPT = 100
"""How many compressed pages are cached."""
GZIP_KEPT_BYTES = 100_000
"""The largest page that is cached."""
GZIP_WINDOW = 16 + zlib.MAX_WBITS  # zlib's notation for: with a gzip header


def error_page(status: int, *, retry_after: str | None = None) -> web.Response:
    """Return the HTML page that a Plex server sends with every error, regardless of the Accept header.

    It closes the connection.
    """
    phrase = HTTPStatus(status).phrase
    text = f"<html><head><title>{phrase}</title></head><body><h1>{status} {phrase}</h1></body></html>"
    headers = COMMON_HEADERS | ({} if retry_after is None else {"Retry-After": retry_after})
    page = web.Response(status=status, text=text, content_type="text/html", headers=headers)
    page.force_close()  # a header alone would leave the connection open
    return page


def unauthorized(path: str) -> web.Response:
    """Return a 401: at the root path, a page (193 bytes) that redirects to the web client; elsewhere a plain one."""
    page = error_page(HTTPStatus.UNAUTHORIZED)
    if path == "/" and page.text is not None:
        script = f"<script>{TO_WEB_CLIENT}</script>"
        page.text = page.text.replace("<body>", f"{script}<body>")
    return page


def other_program(kind: str) -> web.Response:
    """Return the response of an address where another program listens instead of a Plex server."""
    if kind == "json":
        return web.json_response({"application": "weather station", "status": "ok", "sensors": []})
    return web.Response(text="<!DOCTYPE html><html><body><h1>It works!</h1></body></html>", content_type="text/html")


def container(request: web.Request, body: bytes, content_type: str, headers: dict[str, str]) -> web.Response:
    """Return an encoded MediaContainer."""
    keep = {"Connection": "Keep-Alive", "Keep-Alive": f"timeout={KEEP_ALIVE_SECONDS}"} if request.keep_alive else {}
    return web.Response(body=body, content_type=content_type, headers=COMMON_HEADERS | keep | headers)


def accepts(request: web.Request, header: str, name: str) -> bool:
    """Return whether a header of the request offers an encoding or media type (an offer with q=0 is a refusal)."""
    for offer in request.headers.get(header, "").lower().split(","):
        offered, *parameters = (word.replace(" ", "") for word in offer.split(";"))
        if offered == name:
            return not any(REFUSED.fullmatch(parameter) for parameter in parameters)
    return False


def compress(request: web.Request, response: web.Response) -> None:
    """Compress the body with gzip if the client accepts it and the body is large enough."""
    body = response.body
    if not isinstance(body, bytes) or len(body) < GZIP_FROM_BYTES or "Content-Encoding" in response.headers:
        return
    if not accepts(request, "Accept-Encoding", "gzip"):
        return
    squeezed = _gzip_again(body) if len(body) <= GZIP_KEPT_BYTES else _gzip(body)
    response.body = squeezed
    response.headers["Content-Encoding"] = "gzip"
    response.headers["X-Plex-Content-Original-Length"] = str(len(body))
    response.headers["X-Plex-Content-Compressed-Length"] = str(len(squeezed))


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(level=1, wbits=GZIP_WINDOW)
    return compressor.compress(body) + compressor.flush()


_gzip_again = lru_cache(maxsize=GZIP_KEPT)(_gzip)
"""The same for pages that are requested again and again: of a small library, most stay as they are."""
