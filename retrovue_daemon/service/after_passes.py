"""What follows the passes of a round: the collections of the server, and the labels of its items."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from retrovue_daemon.errors import PlexError
from retrovue_daemon.sync.collections import CollectionReader
from retrovue_daemon.sync.labels import LabelReader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrovue_daemon.service.due import LibraryWork
    from retrovue_daemon.service.worker_context import WorkerContext
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.sync.target import LibraryTarget
    from retrovue_daemon.sync.verdict import PassReport

MOST_REQUESTS: Final = 22
"""Requests after complete listings, besides the list of collections, up to which unchanged collections are read."""

log = structlog.get_logger()


class AfterPasses:
    """Reads the collections and labels of one server after its passes; one round at a time.

    The worker reports each pass with `note`. A failure of the server is logged when it begins; the next poll reports
    it if it lasts.
    """

    def __init__(self, server: str, context: WorkerContext) -> None:
        self._server = server
        self._clock = context.clock
        self._collections = CollectionReader(server, context.database, context.observed, context.clock.now)
        self._labels = LabelReader(server, context.database, context.clock.now)
        self._server_id = 0
        self._targets: dict[int, LibraryTarget] = {}
        self._listed: set[int] = set()
        self._fully: set[int] = set()
        self._everything = False
        self._is_failing = False
        self._one = asyncio.Lock()
        self.ended: set[int] = set()
        """The libraries whose passes have ended, but not the reading that `run` does for them."""

    def set_libraries(self, server_id: int, targets: Iterable[LibraryTarget]) -> None:
        """Set the libraries that are synced."""
        self._server_id = server_id
        self._targets = {target.row.id: target for target in targets}

    def note(self, work: LibraryWork, report: PassReport) -> None:
        """Record that a pass over a whole library has ended."""
        if report.run.kind == "show" or report.run.status in {"failed", "cancelled"} or work.vanished:
            return
        self._listed.add(work.library_id)
        if report.run.kind == "full" and report.run.status != "blocked":
            # In a library that lists too little, the lists of labels may lack as much.
            self._fully.add(work.library_id)
            self._everything = self._everything or any(job.selection.full for job in work.jobs)

    async def run(self, client: PlexClient, page_size: int, library_id: int) -> None:
        """Read what the passes since the last call have made due, the one over this library among them.

        Raise StoreError.
        """
        self.ended.add(library_id)
        try:
            await self._run(client, page_size)
        finally:
            self.ended.discard(library_id)

    async def _run(self, client: PlexClient, page_size: int) -> None:
        async with self._one:
            if not self._listed:
                return
            fully, everything = self._fully & self._targets.keys(), self._everything
            self._listed, self._fully, self._everything = set(), set(), False
            start = self._clock.monotonic()
            try:
                await self._read(client, page_size, fully, start, everything=everything)
            except PlexError as error:
                level = "debug" if self._is_failing else "warning"
                getattr(log, level)("collections.failed", server=self._server, error=str(error))
                self._is_failing = True
                # What is only read after complete listings is read after the next pass.
                self._fully |= fully
                self._everything = self._everything or everything
            else:
                self._is_failing = False

    async def _read(
        self, client: PlexClient, page_size: int, fully: set[int], start: float, *, everything: bool
    ) -> None:
        libraries = {target.row.key: library_id for library_id, target in self._targets.items()}
        counts = await self._collections.update(client, self._server_id, libraries, fully, everything=everything)
        rows = [target.row for library_id, target in self._targets.items() if library_id in fully]
        labels = await self._labels.update(client, self._server_id, rows, page_size)
        if fully:
            left = MOST_REQUESTS + 1 - counts.pages - labels.pages
            await self._collections.read_more(client, self._server_id, fully, left, counts)
        changed = counts.changes or labels.labelled or labels.unlabelled
        getattr(log, "info" if changed else "debug")(
            "collections.finished",
            server=self._server,
            **msgspec.structs.asdict(counts),
            labels=labels.labels,
            labelled=labels.labelled,
            unlabelled=labels.unlabelled,
            requests=counts.pages + labels.pages,
            duration_s=round(self._clock.monotonic() - start, 3),
        )
