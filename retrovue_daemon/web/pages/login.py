"""``/login`` and ``/logout``: a browser sends the token once, and gets a session."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from retrovue_daemon.web import access
from retrovue_daemon.web.bodies import read_form
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.rendering import render
from retrovue_daemon.web.viewer import viewer_of

LONGEST_TOKEN: Final = 4096

_OWN_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,2000}")
"""An address of this page: no other host, no backslash, no control characters."""


async def show(request: web.Request) -> web.Response:
    """Show the form for the token; who is signed in needs none."""
    following = request.query.get("next", "/")
    if viewer_of(request).session is not None:
        return web.Response(status=303, headers={"Location": _own(following)})
    return _form(request, following)


async def sign_in(request: web.Request) -> web.Response:
    """Begin a session, if the token is right."""
    form = await read_form(request)
    token, following = form.get("token", "").strip(), form.get("next", "/")
    if not context_of(request).sessions.has_token:
        return _form(request, following, status=403)
    if not token:
        return _form(request, following, "Enter the token.", status=422)
    if len(token) > LONGEST_TOKEN or not access.check_token(request, token):
        return _form(request, following, "This is not the token.", status=403)
    response = web.Response(status=303, headers={"Location": _own(following)})
    access.sign_in(request, response)
    return response


async def sign_out(request: web.Request) -> web.Response:
    """End the session."""
    response = web.Response(status=303, headers={"Location": access.SIGN_IN if viewer_of(request).session else "/"})
    access.sign_out(request, response)
    return response


def _own(address: str) -> str:
    return address if _OWN_PATH.fullmatch(address) else "/"


def _form(request: web.Request, following: str, error: str = "", *, status: int = 200) -> web.Response:
    access.give_form_cookie(request)
    has_token = context_of(request).sessions.has_token
    response = render(
        request, "login.html", title="Sign in", error=error, following=_own(following), has_token=has_token
    )
    response.set_status(status)
    access.set_form_cookie(request, response)
    return response
