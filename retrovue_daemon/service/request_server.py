"""Serving the sync requests that other programs write into the database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from retrovue_daemon.errors import BadRequest, DaemonError, StoreError, UnknownServer
from retrovue_daemon.service.report import describe, exit_code, summary, unmet
from retrovue_daemon.service.roster import choose_active
from retrovue_daemon.service.selection import EVERYTHING, Selection, is_name
from retrovue_daemon.store.tables.requests import finish_request, open_requests, show_progress
from retrovue_daemon.sync.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.service.job import Job
    from retrovue_daemon.service.report import ServerReport
    from retrovue_daemon.service.worker import ServerWorker
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.tables.requests import RequestRow
    from retrovue_daemon.sync.progress import ProgressBoard

log = structlog.get_logger()

PROGRESS_S = 1.0
"""Seconds between two progress updates."""

_KINDS = ("quick", "full", "show")
_OPTIONS: dict[str, tuple[type, str]] = {
    "library": (str, "a text"),
    "show": (str, "a text"),
    "year": (int, "a number"),
    "full": (bool, "true or false"),
    "accept_removals": (bool, "true or false"),
    "details": (bool, "true or false"),
}
_DEFAULTS = msgspec.structs.replace(EVERYTHING, details=False)


class RequestServer:
    """Reads requests, submits their jobs, and writes progress and results into their rows.

    ``workers`` are the present ones, by the names of their servers.
    """

    def __init__(
        self,
        database: Database,
        board: ProgressBoard,
        workers: Mapping[str, ServerWorker],
        clock: Clock,
    ) -> None:
        self._database = database
        self._board = board
        self._workers = workers
        self._clock = clock
        self._serving: dict[int, asyncio.Task[None]] = {}
        self._ended: set[int] = set()
        """Requests that finished since the table was last read: that reading may show them as open."""
        self._jobs: dict[int, list[Job]] = {}
        self._publishing: asyncio.Task[None] | None = None

    async def take_requests(self) -> None:
        """Start to serve new requests."""
        self._ended.clear()
        for request in await self._database.reader.run(open_requests):
            if request.id not in self._serving and request.id not in self._ended:
                task = asyncio.create_task(self._answer(request), name=f"request {request.id}")
                self._serving[request.id] = task
                task.add_done_callback(partial(self._end, request.id))
        if self._serving and (self._publishing is None or self._publishing.done()):
            self._publishing = asyncio.create_task(self._publish_progress(), name="progress of requests")

    async def close(self) -> None:
        """Stop serving; unfinished requests wait for the next daemon."""
        tasks = [*self._serving.values(), *([self._publishing] if self._publishing else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, request_id: int, answering: asyncio.Task[None]) -> None:
        """Log why a request could not be answered, if so; it stays open.

        It is retried at the next write to the database, or by the next daemon.
        """
        self._serving.pop(request_id, None)
        self._ended.add(request_id)
        self._jobs.pop(request_id, None)
        error = None if answering.cancelled() else answering.exception()
        if isinstance(error, DaemonError):
            log.error("request.failed", request_id=request_id, error=str(error), hint=error.hint)
        elif error is not None:
            log.error("request.failed", request_id=request_id, exc_info=error)

    async def _answer(self, request: RequestRow) -> None:
        try:
            selection = selection_of(request)
            server = request.owner if request.server is None else request.server
            log.info("request.taken", request_id=request.id, server=server, **_named(selection))
            jobs = [worker.submit(selection) for worker in choose_active(self._workers.values(), server)]
            self._jobs[request.id] = jobs
        except (BadRequest, UnknownServer) as error:
            result: dict[str, Any] = {"exit_code": error.exit_code, "error": describe(error), "servers": []}
            await self._finish(request, result, None)
            log.warning("request.refused", request_id=request.id, error=str(error), hint=error.hint)
            return
        reports = await asyncio.gather(*(self._report(job) for job in jobs))
        result = summary(reports, exit_code(reports))
        if (nothing := unmet(selection, result)) is not None:
            result["error"] = describe(nothing)
        run_ids = [done.run_id for report in reports for done in report.passes if done.run_id is not None]
        await self._finish(request, result, max(run_ids, default=None))
        log.info("request.finished", request_id=request.id, exit_code=result["exit_code"])

    async def _report(self, job: Job) -> ServerReport:
        """Return the report of a job, after its details if it waits for them."""
        report = await job.done
        worker = self._workers.get(job.server)
        if job.selection.details and report.error is None and worker is not None:
            report = replace(report, details=await worker.details.read_now(job.library_ids))
        return report

    async def _finish(self, request: RequestRow, result: dict[str, Any], run_id: int | None) -> None:
        await self._database.writer.run(finish_request, request.id, result, run_id, self._clock.now())

    async def _publish_progress(self) -> None:
        """Write the progress of each request into its row while there are any."""
        shown: dict[int, Progress] = {}
        while self._serving:
            latest = {request_id: self._progress(jobs) for request_id, jobs in self._jobs.items()}
            news = {request_id: each for request_id, each in latest.items() if each != shown.get(request_id)}
            shown = latest
            # Before a server has listed its libraries, there is no progress to show.
            progress = {
                request_id: {"progress": msgspec.to_builtins(each)}
                for request_id, each in news.items()
                if each.libraries_total
            }
            if progress:
                try:
                    await self._database.writer.run(show_progress, progress)
                except StoreError as error:
                    # The task whose work the database failure affects reports it.
                    log.debug("request.progress_lost", error=str(error))
            await self._clock.sleep(PROGRESS_S)

    def _progress(self, jobs: Sequence[Job]) -> Progress:
        """Return the progress of a request over all its servers."""
        each = [job.progress(self._board.latest) for job in jobs]
        details = [self._board.details_of(job.server) for job in jobs if job.selection.details and job.done.done()]
        return Progress(
            sum(one.libraries_done for one in each),
            sum(one.libraries_total for one in each),
            tuple(library for one in each for library in one.running),
            details_read=sum(read for read, _ in details),
            details_total=sum(total for _, total in details),
        )


def selection_of(request: RequestRow) -> Selection:
    """Return the selection of a request that any program may have written. Raises BadRequest.

    Nothing is guessed or ignored: a request meant for one library must not remove items from all.
    """
    options = request.options
    if options is None:
        raise BadRequest("options is no JSON object, or too long")
    if request.kind not in _KINDS:
        raise BadRequest(f"there is no kind {request.kind!r}")
    # SQLite does not enforce foreign keys by default: an id may refer to nothing, which is not the same as NULL.
    if request.server_id is not None and request.server is None:
        raise BadRequest(f"there is no server with the id {request.server_id}")
    if request.library_id is not None and (request.library_key is None or request.owner is None):
        raise BadRequest(f"there is no library with the id {request.library_id}")
    if request.server is not None and request.owner is not None and request.server != request.owner:
        raise BadRequest("server_id is not the server of library_id")
    for name, value in options.items():
        _check_option(name, value)
    library, show, year = options.get("library"), options.get("show"), options.get("year")
    if request.library_key is not None and library is not None:
        raise BadRequest("library_id and options name a library")
    if show is None and (request.kind == "show" or year is not None):
        raise BadRequest("options name no show")
    return Selection(
        library=library if request.library_key is None else request.library_key,
        show=None if show is None else (show, year),
        full=request.kind == "full" or options.get("full") is True,
        accept_removals=options.get("accept_removals") is True,
        details=options.get("details") is True,
    )


def _check_option(name: str, value: object) -> None:
    if name not in _OPTIONS:
        raise BadRequest(f"there is no option {name[:40]!r}")
    kind, words = _OPTIONS[name]
    if value is None:
        return
    if type(value) is not kind or (isinstance(value, str) and not is_name(value)):
        raise BadRequest(f"{name} has to be {words}")


def _named(selection: Selection) -> dict[str, Any]:
    return {
        name: value for name, value in msgspec.structs.asdict(selection).items() if value != getattr(_DEFAULTS, name)
    }
