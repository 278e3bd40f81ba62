"""Pages as responses: a template, filled with what every page needs."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from retrovue_daemon.version import __version__
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.viewer import viewer_of

NAVIGATION: Final = (("/", "Overview"), ("/search", "Search"), ("/changes", "Changes"))
"""The addresses of the navigation, with their names."""

MANAGE: Final = ("/manage", "Manage")
"""Shown where something can be changed at all."""


def render(request: web.Request, name: str, *, title: str, **values: Any) -> web.Response:
    """Return a page, made from a template that extends ``base.html``.

    Besides ``values``, templates know ``viewer`` (what may be offered), ``form_token`` (for every form), ``static``
    (the address of a static file), ``path`` (for the navigation), ``here`` (where to return), ``now``, ``notes``,
    ``version`` and ``title``.
    """
    context, viewer = context_of(request), viewer_of(request)
    text = context.templates.render(
        name,
        title=title,
        viewer=viewer,
        form_token=context.sessions.form_token(viewer.cookie),
        static=context.static.address,
        path=request.path,
        here=request.path_qs if request.method in {"GET", "HEAD"} else "/",
        navigation=(*NAVIGATION, MANAGE) if viewer.can_manage else NAVIGATION,
        notes=viewer.session.take_notes() if viewer.session and _is_shown(request) else (),
        now=context.clock.now(),
        version=__version__,
        **values,
    )
    # Names of files need not be text: what is none in them is shown as a question mark.
    return web.Response(body=text.encode("utf-8", "replace"), content_type="text/html", charset="utf-8")


def _is_shown(request: web.Request) -> bool:
    """Return whether a browser shows the response; scripts load pages again without showing what is said once."""
    return request.method == "GET" and request.headers.get("Sec-Fetch-Dest", "document") == "document"


def done(request: web.Request, address: str, note: str) -> web.Response:
    """Return where a browser goes after a change; the page there says what was done."""
    session = viewer_of(request).session
    if session is not None:
        session.note(context_of(request).redactor.text(note))
    return web.Response(status=303, headers={"Location": address})
