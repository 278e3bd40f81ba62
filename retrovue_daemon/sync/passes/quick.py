"""The quick pass: reads only items updated since the last poll. It removes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from retrovue_daemon.store.tables.runs import Counts, note_look, record_run
from retrovue_daemon.sync.faults import describe_unreadable, unreadable_parent
from retrovue_daemon.sync.listing import ListingReader
from retrovue_daemon.sync.passes.base import Conclusion
from retrovue_daemon.sync.verdict import Verdict

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.store.tables.runs import RunKind
    from retrovue_daemon.sync.passes.base import RunRecorder
    from retrovue_daemon.sync.progress import Meter
    from retrovue_daemon.sync.target import LibraryTarget, PassContext

OVERLAP_S = 10 * 60
"""Seconds before the highest known updatedAt: items are not always listed in time order."""


class QuickPass:
    """Requests updated items, about one request per listing; a server that ignores the filter is listed in full.

    ``settled`` means that the library needs no full pass now: then its earlier failure is over.
    """

    kind: ClassVar[RunKind] = "quick"

    def __init__(self, context: PassContext, library: LibraryTarget, meter: Meter, *, settled: bool) -> None:
        self.counts = Counts()
        self._context = context
        self._library = library
        self._settled = settled
        self._reader = ListingReader(context, library, self.counts, meter, complete=False)
        self.changed = self._reader.changed

    async def read(self) -> Verdict:
        """Read what was updated."""
        watermark = self._library.row.watermark
        since = 0 if watermark is None else watermark - OVERLAP_S
        notes: list[str] = []
        list_again = False
        for kind, listing in self._library.listings:
            pages = self._context.client.pages_since(
                self._library.row.key, listing, since, page_size=self._context.settings.page_size
            )
            listed = await self._reader.read(kind, listing.value, pages)
            if unreadable := listed.log.unreadable:
                notes.append(f"{listing.value}: {describe_unreadable(unreadable)}")
                # A full pass then identifies the entry, once.
                known = any(fault.startswith(f"{kind} unreadable") for fault in self._library.faults.all)
                list_again = list_again or not known
        parents = {unreadable_parent(*parent) for parent in self._reader.unreadable_parents}
        list_again = list_again or not self._library.faults.knows(parents)
        return self._reader.hidden_paths.adjust_verdict(
            Verdict("ok", "; ".join(notes) or None, list_again=list_again)
        )

    def finish(self, connection: sqlite3.Connection, verdict: Verdict, recorder: RunRecorder) -> Conclusion:
        """Move the watermark; record the pass only if it changed something."""
        run = recorder.run(verdict, self.counts)
        run_id = record_run(connection, run) if self.counts.any_change else None
        marks = [mark for mark in (self._library.row.watermark, self._reader.watermark) if mark is not None]
        note_look(
            connection,
            run,
            max(marks, default=None),
            settled=self._settled,
            list_again=verdict.list_again or self._reader.list_again,
        )
        return Conclusion(run, run_id)
