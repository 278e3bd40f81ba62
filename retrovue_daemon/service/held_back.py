"""What to do about removals that the guard holds back: which command accepts them, and what to check first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.sync.guard import accept_hint

if TYPE_CHECKING:
    from retrovue_daemon.service.health import Health
    from retrovue_daemon.service.planning import LibraryWork
    from retrovue_daemon.sync.verdict import PassReport


async def with_hint(report: PassReport, work: LibraryWork, health: Health) -> PassReport:
    """Add the hint to the report of a pass that was held back, and store it; it depends on whose token is used.

    Other reports are returned as they are.
    """
    if report.run.status != "blocked":
        return report
    owner = await work.context.client.is_owner()
    row, target = work.target.row, work.target.target
    libraries = await work.context.database.reader.run(read_libraries, target.server_id)
    has_namesake = sum(library.name == row.name for library in libraries) > 1
    hint = accept_hint(report.server, row.key if has_namesake else row.name.strip(), owner=owner)
    health.store_hint(work.library_id, hint)
    return msgspec.structs.replace(report, hint=hint)
