"""Requests that other programs have put into the database, and their answers."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from retrovue_daemon.asking import Selection, ServerReport
from retrovue_daemon.errors import DaemonError, UnknownServer
from retrovue_daemon.outcome import describe, exit_code, summary
from retrovue_daemon.store.requests import finish_request, open_requests, show_progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.asking import Asked
    from retrovue_daemon.clock import Clock
    from retrovue_daemon.progress import ProgressBoard
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.requests import RequestRow

log = structlog.get_logger()

PROGRESS_S = 1.0
"""Seconds between two words on how far a request is."""


class Desk:
    """Takes requests, has them done, and writes progress and result into their rows."""

    def __init__(
        self,
        database: Database,
        board: ProgressBoard,
        ask: Callable[[Selection, str | None], list[Asked]],
        clock: Clock,
    ) -> None:
        self._database = database
        self._board = board
        self._ask = ask
        self._clock = clock
        self._serving: dict[int, asyncio.Task[None]] = {}

    async def take_requests(self) -> None:
        """Begin to serve what has come since the last time."""
        for request in await open_requests(self._database.reader):
            if request.id not in self._serving:
                task = asyncio.create_task(self._serve(request), name=f"request {request.id}")
                self._serving[request.id] = task
                task.add_done_callback(partial(self._forget, request.id))

    async def close(self) -> None:
        """Stop serving; requests that are not answered wait for the next daemon."""
        serving = list(self._serving.values())
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    def _forget(self, request_id: int, _task: asyncio.Task[None]) -> None:
        self._serving.pop(request_id, None)

    async def _serve(self, request: RequestRow) -> None:
        try:
            await self._answer(request)
        except DaemonError as error:
            # The request stays open: it is taken again when something else is written, or by the next daemon.
            log.error("request.failed", request_id=request.id, error=str(error), hint=error.hint)

    async def _answer(self, request: RequestRow) -> None:
        try:
            selection = selection_of(request)
            log.info("request.taken", request_id=request.id, server=request.server, **_named(selection))
            asked = self._ask(selection, request.server)
        except UnknownServer as error:
            result: dict[str, Any] = {"exit_code": error.exit_code, "error": describe(error), "servers": []}
            await self._finish(request, result, None)
            return
        await self._until_done(request, [one.done for one in asked])
        reports = [one.done.result() for one in asked]
        code = exit_code(reports)
        log.info("request.finished", request_id=request.id, exit_code=code)
        run_ids = [done.run_id for report in reports for done in report.passes if done.run_id is not None]
        result = summary(reports, code)
        await self._finish(request, result, max(run_ids, default=None))

    async def _finish(self, request: RequestRow, result: dict[str, Any], run_id: int | None) -> None:
        work = partial(finish_request, request_id=request.id, result=result, run_id=run_id, now=self._clock.now())
        await self._database.writer.write(work)

    async def _until_done(self, request: RequestRow, reports: list[asyncio.Future[ServerReport]]) -> None:
        """Wait for all reports; say meanwhile how far it is."""
        shown: object = None
        while pending := [report for report in reports if not report.done()]:
            tick = asyncio.create_task(self._clock.sleep(PROGRESS_S), name="tick")
            ends: list[asyncio.Future[Any]] = [*pending, tick]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                tick.cancel()
                await asyncio.gather(tick, return_exceptions=True)
            latest = self._board.latest
            if latest is not shown and any(not report.done() for report in reports):
                shown = latest
                progress = {"progress": asdict(latest)}
                work = partial(show_progress, request_id=request.id, progress=progress)
                await self._database.writer.write(work)


def selection_of(request: RequestRow) -> Selection:
    """Make what a worker is asked for of a row that any program may have written."""
    options = request.options
    library, show, year = options.get("library"), options.get("show"), options.get("year")
    return Selection(
        library=request.library_key or (library if isinstance(library, str) else None),
        show=(show, year if isinstance(year, int) else None) if isinstance(show, str) else None,
        full=request.kind == "full" or options.get("full") is True,
        accept_removals=options.get("accept_removals") is True,
    )


def _named(selection: Selection) -> dict[str, Any]:
    return {name: value for name, value in asdict(selection).items() if value not in {None, False}}
