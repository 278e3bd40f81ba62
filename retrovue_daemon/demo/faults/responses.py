"""Kinds of random faults that replace a response: statuses, pages of HTML, redirects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from retrovue_daemon.demo.pages import error_page, other_program

if TYPE_CHECKING:
    from retrovue_daemon.demo.faults.disturbance import Disturbance

STATUSES = (400, 401, 403, 404, 408, 410, 413, 418, 423, 425, 429, 429, 500, 500, 501, 502, 503, 503, 504, 520, 599)
NOT_GONE = tuple(status for status in STATUSES if status not in (404, 410))
"""For single items: there, 404 is not a fault but the statement that the item is gone."""
RETRY_AFTER = (
    "0", "1", "2", "7", "120", "86400", "-5", "1.5", "soon", "", "99999999999999999999",
    "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 2099 23:59:59 GMT",
)  # fmt: skip
HTML = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form action='/login'></form></body></html>",
    "<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>",
    "<html>" + "<p>Please wait.</p>" * 5000,
    "",
)
SUCCESSES_WITHOUT_CONTENT = (202, 204, 205, 206, 226)


async def status(it: Disturbance) -> web.StreamResponse:
    """Send an error status, or a success that has no content, with or without Retry-After."""
    if it.chooser.random() < 0.1:  # noqa: PLR2004  # one in ten
        return web.Response(status=it.chooser.choice(SUCCESSES_WITHOUT_CONTENT))
    is_item = it.request.path.startswith("/library/metadata/")
    chosen = it.chooser.choice(NOT_GONE if is_item else STATUSES)
    retry_after = it.chooser.choice(RETRY_AFTER) if it.chooser.random() < 0.5 else None  # noqa: PLR2004  # half of them
    try:
        return error_page(chosen, retry_after=retry_after)
    except ValueError:  # a status without a phrase, as some proxies use
        return web.Response(status=chosen, text="<html></html>", content_type="text/html")


async def html(it: Disturbance) -> web.StreamResponse:
    """Send a page of HTML with status 200, as login pages of hotels and proxies do, or as another program."""
    if it.chooser.random() < 0.2:  # noqa: PLR2004  # one in five
        return other_program(it.chooser.choice(("html", "json")))
    content_type = it.chooser.choice(("text/html", "application/json", "text/xml"))
    return web.Response(text=it.chooser.choice(HTML), content_type=content_type)


async def redirect(it: Disturbance) -> web.StreamResponse:
    """Redirect: to the same path, to another server, to a file, to nothing."""
    here = str(it.request.rel_url)
    location = it.chooser.choice(
        (
            here,
            f"http://127.0.0.1:9{here}",
            f"https://127.0.0.1:9{here}",
            "file:///etc/passwd",
            "//[",
            "",
            "/web/index.html",
        )
    )
    headers = {} if it.chooser.random() < 0.1 else {"Location": location}  # noqa: PLR2004  # one in ten has none
    return web.Response(status=it.chooser.choice((301, 302, 303, 307, 308, 300, 304)), headers=headers)
