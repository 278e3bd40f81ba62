"""A library that its server no longer lists: its rows stay until a person confirms the removal."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from retrovue_daemon.store.items.sweep import forget_library
from retrovue_daemon.store.tables.runs import Counts, record_failure, record_run
from retrovue_daemon.sync.changed_items import ChangedItems
from retrovue_daemon.sync.passes.base import Conclusion
from retrovue_daemon.sync.removal import carry_out, plan_removal
from retrovue_daemon.sync.seen import SeenIds, unseen_rows
from retrovue_daemon.sync.verdict import Verdict

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.store.tables.runs import RunKind
    from retrovue_daemon.sync.passes.base import RunRecorder
    from retrovue_daemon.sync.target import LibraryTarget, PassContext


class VanishedPass:
    """Remove a library the server no longer lists, if confirmed; otherwise block.

    Items that moved to other libraries are re-keyed. The pass counts as a full pass that listed nothing.
    """

    kind: ClassVar[RunKind] = "full"

    def __init__(self, context: PassContext, library: LibraryTarget) -> None:
        self.counts = Counts()
        self.changed = ChangedItems()
        self._context = context
        self._library = library

    async def read(self) -> Verdict:
        """Collect all rows of the library."""
        reader = self._context.database.reader
        none = {kind: SeenIds() for kind, _ in self._library.listings}
        return Verdict("ok", leaving=await unseen_rows(reader, self._library.row.id, none))

    def finish(self, connection: sqlite3.Connection, verdict: Verdict, recorder: RunRecorder) -> Conclusion:
        """Re-key moved items, then mark the other rows missing or block."""
        removal = plan_removal(connection, self._context, self._library, verdict.leaving, vanished=True)
        removed = carry_out(connection, self._context, self._library, removal)
        if removal.refusal is not None:
            verdict = Verdict("blocked", removal.refusal)
        run = recorder.run(verdict, self.counts, removal, removed)
        if removal.refusal is None:
            forget_library(connection, self._library.row.id)
        else:
            record_failure(connection, run)
        return Conclusion(run, record_run(connection, run), removal)
