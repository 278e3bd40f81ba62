"""``/static/…``: the style sheet, the scripts and the icon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.web.context import context_of

if TYPE_CHECKING:
    from aiohttp import web


async def show(request: web.Request) -> web.StreamResponse:
    """Send a file."""
    return await context_of(request).static.respond(request)
