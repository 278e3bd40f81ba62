"""``/healthz`` and ``/readyz``, for containers, load balancers and monitoring. They need no token and say little."""

from __future__ import annotations

from aiohttp import web

from retrovue_daemon.web.context import context_of


async def is_alive(request: web.Request) -> web.Response:
    """Say whether the event loop and the writer are alive; media servers do not matter."""
    return _answer(context_of(request).pulse.is_felt(), "the writer does not respond")


async def is_ready(request: web.Request) -> web.Response:
    """Say whether the daemon has applied its configuration and syncs."""
    return _answer(context_of(request).supervisor.started.is_set(), "the daemon is starting")


def _answer(is_good: bool, otherwise: str) -> web.Response:  # noqa: FBT001 -- what is answered
    return web.Response(text="ok\n" if is_good else f"{otherwise}\n", status=200 if is_good else 503)
