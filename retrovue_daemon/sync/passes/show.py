"""The pass over one requested show: its seasons and episodes, and nothing else of the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from retrovue_daemon.records import Kind, Page
from retrovue_daemon.store.items.lookup import ids_of_show, known_rows
from retrovue_daemon.store.tables.runs import Counts, list_library_again, record_failure, record_run
from retrovue_daemon.sync.confirmation import confirm
from retrovue_daemon.sync.faults import describe_unreadable
from retrovue_daemon.sync.listing import ListingReader
from retrovue_daemon.sync.passes.base import Conclusion
from retrovue_daemon.sync.removal import carry_out, plan_removal, still_unlisted
from retrovue_daemon.sync.verdict import Verdict

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator

    from retrovue_daemon.records import Show
    from retrovue_daemon.store.tables.runs import RunKind
    from retrovue_daemon.sync.completeness import Listed
    from retrovue_daemon.sync.passes.base import RunRecorder
    from retrovue_daemon.sync.progress import Meter
    from retrovue_daemon.sync.target import LibraryTarget, PassContext


class ShowPass:
    """Lists one show completely; only seasons and episodes of this show can go missing."""

    kind: ClassVar[RunKind] = "show"

    def __init__(self, context: PassContext, library: LibraryTarget, meter: Meter, show: Show) -> None:
        self.counts = Counts()
        self._context = context
        self._library = library
        self._show = show
        self._reader = ListingReader(context, library, self.counts, meter)
        self.changed = self._reader.changed
        self._listed: dict[Kind, Listed] = {}
        self._began = 0

    async def read(self) -> Verdict:
        """List the show, and find its seasons and episodes that are gone."""
        client, key = self._context.client, self._show.rating_key
        self._began = self._library.target.moments.advance()
        page_size = self._context.settings.page_size
        await self._reader.read(Kind.SHOW, "shows", _alone(self._show))
        notes: list[str] = []
        for kind, name, pages in (
            (Kind.SEASON, "seasons", client.seasons_of(key, page_size=page_size)),
            (Kind.EPISODE, "episodes", client.episodes_of(key, page_size=page_size)),
        ):
            listed = self._listed[kind] = await self._reader.read(kind, name, pages)
            if listed.doubt is not None:
                return Verdict("incomplete", f"{name}: {listed.doubt}")
            if listed.log.unreadable:
                notes.append(f"{name}: {describe_unreadable(listed.log.unreadable)}")
        doubt = "; ".join(notes) or None
        if self._reader.unwritten is not None:
            return Verdict("incomplete", self._reader.unwritten, list_again=True)
        if self._library.listing.refreshing:
            return Verdict("incomplete", "the server is scanning this library")
        reader, target = self._context.database.reader, self._library.target
        row = (await reader.run(known_rows, Kind.SHOW, target.server_id, [key]))[key]
        leaving = {
            kind: [
                row_id
                for row_id in await reader.run(ids_of_show, kind, target.library_id, row.id)
                if row_id not in listed.rows
            ]
            for kind, listed in self._listed.items()
            # These listings are not sorted by key: any row may be the entry that the server cannot send.
            if not listed.log.unreadable
        }
        if not any(leaving.values()):
            return Verdict("ok", doubt, leaving=leaving)
        # An item no longer listed under this show may now be under another, which this pass does not read.
        listed_rows = {kind: listed.rows for kind, listed in self._listed.items()}
        confirmed = await confirm(self._context, self._library, leaving, listed_rows)
        if confirmed is None:
            return Verdict("incomplete", "the server responds with 404 for an item that it lists")
        return Verdict("ok", doubt, leaving={**leaving, **confirmed.gone})

    def finish(self, connection: sqlite3.Connection, verdict: Verdict, recorder: RunRecorder) -> Conclusion:
        """Re-key and remove rows, and record the run; the library's marks stay, because it was not listed."""
        library = self._library
        listed = {kind: each.rows for kind, each in self._listed.items()}
        leaving = still_unlisted(connection, library, verdict.leaving, listed, self._began)
        removal = plan_removal(connection, self._context, library, leaving)
        removed = carry_out(connection, self._context, library, removal)
        if removal.refusal is not None:
            verdict = Verdict("blocked", removal.refusal)
        verdict = self._reader.hidden_paths.adjust_verdict(verdict)
        run = recorder.run(verdict, self.counts, removal, removed)
        if removal.refusal is not None:
            record_failure(connection, run)
        if self._reader.displaced or self._reader.list_again:
            # An item that lost its key may be under another show now.
            list_library_again(connection, library.row.id)
        return Conclusion(run, record_run(connection, run), removal)


async def _alone(show: Show) -> AsyncGenerator[Page, None]:
    """Yield a page with one show that was found before."""
    yield Page(offset=0, total=1, entries=1, items=(show,))
