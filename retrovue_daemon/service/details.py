"""The details of one server's items, read in the background: one request at a time, and never beside a pass."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from retrovue_daemon.errors import PlexError
from retrovue_daemon.service.health import ReportFailures
from retrovue_daemon.service.report import LibraryDetails
from retrovue_daemon.service.schedule import LibraryBackoff
from retrovue_daemon.store.items.tags import delete_unused_people, delete_unused_tags
from retrovue_daemon.store.items.wanting import pending, want_again
from retrovue_daemon.sync.details import DAY_S, DetailsContext, DetailsCounts, DetailsPass, DetailsTarget
from retrovue_daemon.sync.details_abilities import DetailsAbilities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Never, TypeAlias

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import ServerSection, SyncSection
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.sync.progress import ProgressBoard
    from retrovue_daemon.sync.target import LibraryTarget

    Settings: TypeAlias = tuple[ServerSection, SyncSection]

LOOK_S: Final = 60.0
"""Seconds between two checks for items whose time to be read again has come."""

log = structlog.get_logger()


class _Call(msgspec.Struct, eq=False):
    """A call of `read_now`: the libraries to read, and how many items of each had been read ``before`` it."""

    library_ids: tuple[int, ...]
    before: Mapping[int, int]
    done: asyncio.Future[dict[int, LibraryDetails]]


class DetailsReader:
    """Reads the details of one server's libraries whenever none of its passes runs.

    The worker calls `pause` when passes start and `resume` when the last one has ended. Failures are logged when they
    begin; they are the server's, and its next poll reports them.
    """

    def __init__(self, server: str, database: Database, board: ProgressBoard, clock: Clock, interval: float) -> None:
        self._server = server
        self._database = database
        self._board = board
        self._clock = clock
        self._targets: dict[int, DetailsTarget] = {}
        self._quiet = asyncio.Event()
        self._news = asyncio.Event()
        self._backoff = LibraryBackoff(interval)
        self._failing: set[int] = set()
        self._turns: dict[int, int] = {}
        """The day on which each library's turn was last read."""
        self._is_wanted: Callable[[], bool] = lambda: True
        self._cleaned: int | None = None
        self._changed = False
        self._calls: list[_Call] = []
        self._is_called = False
        """Whether a call has come since the last look: what is read for none gives way to it."""
        self._serves_calls = False
        self._reads: dict[int, int] = {}
        """How many new and changed items of each library were read so far."""

    def set_libraries(self, server_id: int, targets: Iterable[LibraryTarget]) -> None:
        """Set the libraries that are synced."""
        self._targets = {
            each.row.id: DetailsTarget(self._server, server_id, each.row.name, each.row.id, each.row.kind)
            for each in targets
        }

    def drop_library(self, library_id: int) -> None:
        """Stop reading a library at its next request."""
        self._targets.pop(library_id, None)

    def pause(self) -> None:
        """Make no more requests until `resume`."""
        self._quiet.clear()

    def resume(self) -> None:
        """Read what is wanted, as no pass runs any more."""
        self._quiet.set()
        self._news.set()

    async def markers_made(self, library_id: int) -> None:
        """Read the chapters and markers of a library's new items again, as its server has just looked for some."""
        if await self._database.writer.run(want_again, library_id, self._clock.now()):
            self._news.set()

    def look(self) -> None:
        """Follow a changed configuration, which may want details now, or no longer."""
        if not self._is_wanted():
            self.give_up()
        self._news.set()

    async def read_now(self, library_ids: Iterable[int]) -> dict[int, LibraryDetails]:
        """Let `run` read what these libraries want, before all else; return what was read and remains, by library.

        The result is empty if no details are wanted, or if the reader ends.
        """
        if not self._is_wanted():
            return {}
        call = _Call(tuple(library_ids), dict(self._reads), asyncio.get_running_loop().create_future())
        self._calls.append(call)
        self._is_called = True
        self._news.set()
        return await call.done

    def take_over(self, other: DetailsReader) -> None:
        """Answer the calls of a reader that this one replaces."""
        self._calls, self._reads, self._is_called = list(other._calls), dict(other._reads), bool(other._calls)

    def give_up(self) -> None:
        """Answer all calls without a result."""
        calls, self._calls = self._calls, []
        for call in calls:
            if not call.done.done():
                call.done.set_result({})

    async def run(self, client: PlexClient, settings: Callable[[], Settings], fail: Callable[..., None]) -> Never:
        """Read details whenever passes have ended or a time has come, with the newest settings, until cancelled.

        A failure of the database, or a bug, is passed to ``fail``.
        """
        # A reload may turn details off while a large library is read.
        self._is_wanted = lambda: _wants_details(*settings())
        while True:
            with ReportFailures(fail):
                await self._keep_reading(client, settings)
            self.give_up()
            await self._clock.sleep(settings()[1].interval)

    async def _keep_reading(self, client: PlexClient, settings: Callable[[], Settings]) -> Never:
        while True:
            await self._quiet.wait()
            self._news.clear()
            self._is_called = False
            await self._answer_calls(client, *settings())
            section, sync = settings()
            if _wants_details(section, sync):
                await self._round(client, _cast(section, sync), tuple(self._targets.values()), again=True)
                await self._clean()
            await self._wait()

    async def _answer_calls(self, client: PlexClient, section: ServerSection, sync: SyncSection) -> None:
        """Read what the calls until now are about, and answer them."""
        calls = tuple(self._calls)
        ids = dict.fromkeys(library_id for call in calls for library_id in call.library_ids)
        targets = [self._targets[library_id] for library_id in ids if library_id in self._targets]
        found: dict[int, int] = {}
        if calls and _wants_details(section, sync):
            self._serves_calls = True
            try:
                for target in targets:
                    self._backoff.succeeded(target.library_id)  # a person waits: no failure before delays a try
                await self._round(client, _cast(section, sync), targets, again=False)
            finally:
                self._serves_calls = False
            found = {each.library_id: await self._pending(each) for each in targets}
        for call in calls:
            if not call.done.done():
                call.done.set_result(
                    {
                        library_id: LibraryDetails(
                            self._reads.get(library_id, 0) - call.before.get(library_id, 0), found[library_id]
                        )
                        for library_id in call.library_ids
                        if library_id in found
                    }
                )
        self._calls = [call for call in self._calls if not call.done.done()]

    async def _pending(self, target: DetailsTarget) -> int:
        return await self._database.reader.run(pending, [target.library_id])

    async def once(
        self, client: PlexClient, section: ServerSection, sync: SyncSection, library_ids: Iterable[int]
    ) -> dict[int, LibraryDetails]:
        """Read what these libraries want now; return what was read and what remains, by library."""
        self._quiet.set()
        targets = [self._targets[library_id] for library_id in library_ids if library_id in self._targets]
        if not _wants_details(section, sync):
            return {}
        read = await self._round(client, _cast(section, sync), targets, again=False)
        await self._clean()
        return {
            each.library_id: LibraryDetails(read.get(each.library_id, 0), await self._pending(each))
            for each in targets
        }

    # -- a round ----------------------------------------------------------------------------------------------------

    async def _round(
        self, client: PlexClient, cast: int, targets: Sequence[DetailsTarget], *, again: bool
    ) -> dict[int, int]:
        """Read libraries one after the other: what all of them want first, then what is to be read again.

        Without ``again``, that is only what the server could not send before.
        """
        if not targets:
            return {}
        read: dict[int, int] = {}
        wanted = await self._database.reader.run(pending, [target.library_id for target in targets])
        done = 0

        def progress(items: int) -> None:
            nonlocal done
            done += items
            self._board.show_details(self._server, done, max(wanted, done))

        abilities = await DetailsAbilities.of(self._database, targets[0].server_id)
        context = DetailsContext(
            client, self._database, abilities, cast, self._clock.now, self._may_continue, progress
        )
        try:
            if wanted:
                progress(0)
                for target in targets:
                    read[target.library_id] = await self._read(context, target, "new")
            if not again:
                for target in targets:
                    read[target.library_id] = read.get(target.library_id, 0) + await self._read(
                        context, target, "skipped"
                    )
            else:
                for target in targets:
                    await self._read(context, target, "again")
                for target in targets:
                    if self._turns.get(target.library_id) != (day := self._clock.now() // DAY_S):
                        await self._read(context, target, "turn")
                        if not self._is_called:
                            self._turns[target.library_id] = day
        finally:
            self._board.drop_details(self._server)
        return read

    async def _read(self, context: DetailsContext, target: DetailsTarget, what: str) -> int:
        """Do one details pass, log it, and return how many items were read."""
        library_id = target.library_id
        if not self._backoff.ready(library_id, self._clock.monotonic()):
            return 0
        one, start = DetailsPass(context, target), self._clock.monotonic()
        error: PlexError | None = None
        try:
            await {
                "new": one.read_wanted,
                "skipped": one.read_skipped,
                "again": one.read_again,
                "turn": one.read_turn,
            }[what]()
        except PlexError as failure:
            error = failure
        self._changed = self._changed or one.counts.changed > 0
        if what == "new":
            self._reads[library_id] = self._reads.get(library_id, 0) + one.counts.read
        one.log_skipped()
        if one.counts != DetailsCounts():
            log.info(
                "details.finished",
                server=target.server,
                library=target.library,
                kind=what,
                **msgspec.structs.asdict(one.counts),
                duration_s=round(self._clock.monotonic() - start, 3),
            )
        self._note_failure(target, error)
        return one.counts.read

    def _note_failure(self, target: DetailsTarget, error: PlexError | None) -> None:
        """Retry a library later if the server failed, and log when that begins."""
        library_id = target.library_id
        if error is None:
            self._backoff.succeeded(library_id)
            self._failing.discard(library_id)
            return
        self._backoff.failed(library_id, self._clock.monotonic())
        getattr(log, "debug" if library_id in self._failing else "warning")(
            "details.interrupted",
            server=target.server,
            library=target.library,
            error=str(error),
            hint="they are read on after the next poll",
        )
        self._failing.add(library_id)

    async def _may_continue(self, library_id: int) -> bool:
        """Wait until no pass of the server runs; return whether to go on with the details of the library."""
        await self._quiet.wait()
        gives_way = self._is_called and not self._serves_calls
        return library_id in self._targets and self._is_wanted() and not gives_way

    async def _wait(self) -> None:
        """Wait until passes have ended, or for a minute."""
        await self._clock.wait_for(self._news, LOOK_S, f"next details {self._server}")

    async def _clean(self) -> None:
        """Delete tags and people that nothing refers to any more, once a day at most."""
        day = self._clock.now() // DAY_S
        if not self._changed or self._cleaned == day:
            return
        self._cleaned, self._changed = day, False
        deleted = await self._database.writer.run(delete_unused_tags)
        last: int | None = 0
        while last is not None:
            gone, last = await self._database.writer.run(delete_unused_people, last)
            deleted += gone
        if deleted:
            log.debug("details.purged", server=self._server, deleted=deleted)


def _wants_details(section: ServerSection, sync: SyncSection) -> bool:
    return sync.details if section.details is None else section.details


def _cast(section: ServerSection, sync: SyncSection) -> int:
    return sync.cast if section.cast is None else section.cast
