"""``/metrics``: the state of the mirror for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from retrovue_daemon.store.feed.reading import FeedState, feed_state
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.metrics import MetricsOfStatus

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from retrovue_daemon.service.status import Status


async def show(request: web.Request) -> web.Response:
    """Show the metrics of this moment, in the format that is asked for."""
    context = context_of(request)
    status, feed = await context.reading.run(_read, context.status_in)
    registry = CollectorRegistry()
    registry.register(MetricsOfStatus(status, feed, context.board.latest, context.started_at))
    ProcessCollector(registry=registry)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(registry), headers={"Content-Type": content_type})


def _read(
    connection: sqlite3.Connection, status_in: Callable[[sqlite3.Connection], Status]
) -> tuple[Status, FeedState]:
    return status_in(connection), feed_state(connection)
