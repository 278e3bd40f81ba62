"""A library that its server no longer lists: its rows stay until a person says that it is really gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from retrovue_daemon.store.lookup import listed_ids
from retrovue_daemon.store.runs import Counts, Run, record_run
from retrovue_daemon.store.sweep import counts, forget_library, mark_missing
from retrovue_daemon.sync.passes import PassReport
from retrovue_daemon.sync.targets import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiosqlite

    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.libraries import LibraryRow
    from retrovue_daemon.store.runs import RunStatus


async def vanished_library(
    database: Database,
    server: str,
    server_id: int,
    row: LibraryRow,
    *,
    accept_removals: bool,
    now: Callable[[], int],
) -> PassReport | None:
    """Hold back, or accept, the removal of a whole library; None where there is nothing to remove."""
    started_at, start = now(), time.monotonic()
    kinds = [kind for kind, _ in LISTINGS.get(row.kind, ())]
    present = sum([(await counts(database.reader, kind, row.id, started_at))[0] for kind in kinds])
    if present == 0:
        return None
    leaving = []
    if accept_removals:
        for kind in kinds:
            leaving += [(kind, ids) async for ids in listed_ids(database.reader, kind, row.id)]
    result = Counts()

    def run() -> Run:
        error = None if accept_removals else f"the server no longer lists this library, which had {present} items"
        status: RunStatus = "ok" if accept_removals else "blocked"
        return Run(server_id, row.id, "full", started_at, now(), status, result, error)

    async def work(connection: aiosqlite.Connection) -> int:
        result.removed = 0
        for kind, ids in leaving:
            result.removed += await mark_missing(connection, kind, row.id, ids, now())
        if accept_removals:
            await forget_library(connection, row.id)
        return await record_run(connection, run(), None)

    run_id = await database.writer.write(work)
    return PassReport(server, row.name, run(), run_id, round(time.monotonic() - start, 3))
