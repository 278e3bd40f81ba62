"""``/``: the servers and what is wrong, as ``retrovue-daemon status`` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.rendering import render

if TYPE_CHECKING:
    from aiohttp import web


async def show(request: web.Request) -> web.Response:
    """Show all servers with their conditions."""
    status = await context_of(request).status()
    return render(request, "overview.html", title="Overview", status=status, condition=status.condition)
