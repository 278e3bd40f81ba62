"""Who asks, and what they may do."""

from __future__ import annotations

import re
import secrets
from enum import Enum
from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec
import structlog
from aiohttp import web

from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.problems import Refusal, is_api
from retrovue_daemon.web.security import is_encrypted, is_foreign, is_local, peer
from retrovue_daemon.web.viewer import VIEWER, Viewer, viewer_of

if TYPE_CHECKING:
    from retrovue_daemon.web.context import Context

log = structlog.get_logger()

HOW_TO_SET_ONE: Final = (
    "set [web] token_file (or token, token_env, token_credential) in the configuration, and reload"
)
SIGN_IN: Final = "/login"

_FORM_COOKIE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class Access(Enum):
    """Who may use an address."""

    PUBLIC = "everyone"
    READ = "programs of this machine, and those who have the token"
    MANAGE = "those who have the token, unless [web] manage is false"


def identify(request: web.Request) -> Viewer:
    """Find out who sent a request, and note it there. Raise Refusal for a wrong token."""
    context = context_of(request)
    session = context.sessions.find(request.cookies.get(cookie_name(context, "session")))
    form_cookie = request.cookies.get(cookie_name(context, "form"), "")
    # Anyone may send anything in a cookie, also what is no text.
    given = form_cookie if _FORM_COOKIE.fullmatch(form_cookie) else ""
    viewer = Viewer(
        cookie=session.id if session else given,
        session=session,
        by_header=_has_token(request),
        is_local=is_local(request, context.web),
        can_manage=context.web.manage and context.sessions.has_token,
        why_not=_why_not(context),
    )
    request[VIEWER] = viewer
    return viewer


def _why_not(context: Context) -> str:
    if not context.web.manage:
        return "[web] manage = false in the configuration: nothing can be changed here"
    return "" if context.sessions.has_token else f"to change anything here, {HOW_TO_SET_ONE}"


def check_access(request: web.Request, access: Access) -> web.Response | None:
    """Return where a browser has to go first, or None if the request may be served. Raise Refusal."""
    viewer, context = viewer_of(request), context_of(request)
    if access is Access.PUBLIC or (access is Access.READ and viewer.may_read):
        return None
    if access is Access.MANAGE and viewer.may_manage:
        return None
    if access is Access.MANAGE and not viewer.can_manage:
        raise Refusal(403, "nothing can be changed here", hint=viewer.why_not)
    if not context.sessions.has_token:
        raise Refusal(403, "a token is required here, and none is configured", hint=HOW_TO_SET_ONE)
    if is_api(request) or request.method not in {"GET", "HEAD"}:
        raise Refusal(
            401,
            "the token is required",
            hint="send the header Authorization: Bearer TOKEN, or sign in at /login",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return _sign_in_first(request)


def _sign_in_first(request: web.Request) -> web.Response:
    """Lead a browser to the form, from which it returns at once if it is signed in.

    Behind a link of another website, browsers send no session (SameSite=Strict), and also none with redirects. A
    page that goes on by itself is no part of that website, so that the session comes with the next request.
    """
    address = f"{SIGN_IN}?next={quote(request.path_qs, safe='/')}"
    if not is_foreign(request):
        return web.Response(status=303, headers={"Location": address})
    text = f'<!DOCTYPE html><title>Sign in</title><a href="{escape(address)}">Sign in</a>'
    return web.Response(text=text, content_type="text/html", headers={"Refresh": f"0; url={address}"})


def check_token(request: web.Request, text: str) -> bool:
    """Return whether a text is the token; wrong ones are counted and logged. Raise Refusal if there were too many."""
    context, address = context_of(request), peer(request)
    if (wait := context.attempts.wait_s(address)) > 0:
        raise Refusal(
            429,
            "too many wrong tokens",
            hint="wait a minute",
            headers={"Retry-After": str(max(1, round(wait + 0.5)))},
        )
    if context.sessions.is_token(text):
        return True
    context.attempts.failed(address)
    log.warning("web.login_failed", address=address, hint="a wrong token was sent to the page")
    return False


def _has_token(request: web.Request) -> bool:
    header = request.headers.get("Authorization")
    if header is None:
        return False
    kind, _, text = header.partition(" ")
    if kind.lower() == "basic":
        # Not for this page: reverse proxies that require a password pass it on.
        return False
    if kind.lower() == "bearer" and check_token(request, text.strip()):
        return True
    raise Refusal(401, "the token is wrong", headers={"WWW-Authenticate": "Bearer"})


# -- cookies --------------------------------------------------------------------------------------------------------


def cookie_name(context: Context, purpose: str) -> str:
    """Return the name of a cookie; browsers send cookies to all ports of a host, where another daemon may be."""
    listen = context.web.listen
    return f"retrovue-{purpose}-{listen[1] if listen else 0}"


def sign_in(request: web.Request, response: web.StreamResponse) -> None:
    """Begin a session. What the browser had before is worth nothing from now on."""
    context, viewer = context_of(request), viewer_of(request)
    if viewer.session is not None:
        context.sessions.end(viewer.session)
    _set_cookie(request, response, "session", context.sessions.begin().id)
    response.del_cookie(cookie_name(context, "form"))


def sign_out(request: web.Request, response: web.StreamResponse) -> None:
    """End the session."""
    context, viewer = context_of(request), viewer_of(request)
    if viewer.session is not None:
        context.sessions.end(viewer.session)
    response.del_cookie(cookie_name(context, "session"))


def give_form_cookie(request: web.Request) -> str:
    """Bind the forms of a browser without a session to a cookie, and return the cookie's value.

    A cookie that the browser has is kept: the form may be open in several tabs.
    """
    viewer = viewer_of(request)
    if viewer.session is None and not viewer.cookie:
        viewer = msgspec.structs.replace(viewer, cookie=secrets.token_urlsafe(32))
        request[VIEWER] = viewer
    return viewer.cookie


def set_form_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """Let the browser keep the cookie that `give_form_cookie` chose."""
    viewer = viewer_of(request)
    if viewer.session is None:
        _set_cookie(request, response, "form", viewer.cookie)


def _set_cookie(request: web.Request, response: web.StreamResponse, purpose: str, value: str) -> None:
    response.set_cookie(
        cookie_name(context_of(request), purpose),
        value,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=is_encrypted(request),
    )
