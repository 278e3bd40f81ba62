"""``/``: all servers and libraries, what is wrong, and how far running passes are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.service.words.hooks import hook_state
from retrovue_daemon.service.words.libraries import contents_text, last_pass, without_libraries
from retrovue_daemon.service.words.live import live_cell
from retrovue_daemon.service.words.publishing import publish_text
from retrovue_daemon.service.words.reloads import reload_changes
from retrovue_daemon.store.feed.reading import FeedState, feed_state
from retrovue_daemon.store.overview import PassRecord, recent_passes
from retrovue_daemon.web.charts import MOST_BARS, Chart, chart_of
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.rendering import render

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from aiohttp import web

    from retrovue_daemon.service.status import Finding, Status
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.servers import StoredServer
    from retrovue_daemon.sync.progress import LibraryProgress, Progress

PERIOD_S: Final = 0.25
"""Seconds between two events of progress."""

_KINDS: Final = {"movies": "film", "shows": "show", "episodes": "episode"}


@dataclass(frozen=True, slots=True)
class LibraryRow:
    """A library as a row of the table; ``state`` is the class of a word and the word itself."""

    id: int
    name: str
    state: tuple[str, str]
    contents: str
    details_pending: int
    synced_at: float | None
    ending: str
    chart: Chart
    progress: LibraryProgress | None


@dataclass(frozen=True, slots=True)
class ServerPart:
    """A server with everything that is wrong with it or its libraries; ``without`` is why it has no libraries."""

    server: StoredServer
    state: tuple[str, str]
    next_poll: float | None
    live: list[str]
    findings: list[Finding]
    libraries: list[LibraryRow]
    without: str


async def show(request: web.Request) -> web.Response:
    """Show the state of the mirror."""
    context = context_of(request)
    status, feed, passes = await context.reading.run(_read, context.status_in)
    progress = context.board.latest
    return render(
        request,
        "overview.html",
        title="Overview",
        status=status,
        findings=[each for each in status.condition.findings if each.server is None],
        parts=[_part(server, status, passes, progress) for server in status.condition.servers],
        totals=[(word, status.totals.get(name, 0)) for name, word in _KINDS.items()],
        progress=progress,
        feed=feed,
        hooks=[(hook, hook_state(hook)) for hook in status.hooks],
        publishing=publish_text(status.publishing) if status.publishing else None,
        reload_changes=reload_changes,
        started_at=context.started_at,
    )


async def follow(request: web.Request) -> web.StreamResponse:
    """Send the progress of running passes whenever it changes, as server-sent events."""
    context = context_of(request)
    async with context.streams.open(request) as stream:
        async for progress in context.board.watch():
            await stream.send(msgspec.json.encode(progress).decode())
            await asyncio.sleep(PERIOD_S)
    return stream


def _read(
    connection: sqlite3.Connection, status_in: Callable[[sqlite3.Connection], Status]
) -> tuple[Status, FeedState, dict[int, list[PassRecord]]]:
    return status_in(connection), feed_state(connection), recent_passes(connection, MOST_BARS)


def _part(
    server: StoredServer, status: Status, passes: dict[int, list[PassRecord]], progress: Progress
) -> ServerPart:
    running = {each.library: each for each in progress.running if each.server == server.name}
    live = status.live.get(server.id) if server.is_active and not server.fails else None
    own = [library for library in status.condition.libraries if library.server_id == server.id]
    return ServerPart(
        server,
        _server_state(server, is_live=live is not None and live.is_live),
        status.next_poll(server),
        [] if live is None or live.is_off else live_cell(live, fails=server.fails),
        [each for each in status.condition.findings if each.server == server.name],
        [_row(library, status, passes.get(library.id, ()), running.get(library.name)) for library in own],
        without_libraries(server),
    )


def _server_state(server: StoredServer, *, is_live: bool) -> tuple[str, str]:
    if not server.is_active:
        return "off", "off"
    if server.fails:
        return "bad", "failing"
    if server.machine_identifier is None:
        return "off", "not contacted yet"
    return "good", "live" if is_live else "polled"


def _row(
    library: StoredLibrary, status: Status, passes: Iterable[PassRecord], progress: LibraryProgress | None
) -> LibraryRow:
    synced_at, ending = last_pass(library, status.passes.get(library.id))
    return LibraryRow(
        library.id,
        library.name,
        _library_state(library),
        contents_text(status.contents.get(library.id)),
        status.details_pending.get(library.id, 0),
        synced_at,
        ending,
        chart_of(list(passes)),
        progress,
    )


def _library_state(library: StoredLibrary) -> tuple[str, str]:
    if not library.sync_enabled:
        return "off", "off"
    if not library.selected:
        return "off", "not selected"
    if library.state == "blocked":
        return "warn", "held back"
    if library.state == "missing":
        return "warn", "missing"
    if library.fails:
        return "bad", "failing"
    return ("warn", "in doubt") if library.doubt else ("good", "on")
