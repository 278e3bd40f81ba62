"""How a pass ends: what it concludes from what it saw, and its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.errors import PlexError
    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.tables.runs import Run, RunStatus
    from retrovue_daemon.sync.removal import Removal


class PassReport(msgspec.Struct, frozen=True):
    """How a pass ended; ``run_id`` is its row in sync_runs, None where nothing was to be told or it failed.

    ``cause`` is what the server did to end it early, ``removal`` what left, or would leave, the library.
    """

    server: str
    library: str
    run: Run
    run_id: int | None
    duration_s: float
    cause: PlexError | None = None
    removal: Removal | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What a pass concludes from what it saw.

    ``leaving`` are the rows that may go missing, by kind; ``displaced`` are those that may only live on under another
    key, because their own was given to another item and nothing proves that theirs is gone. ``settles`` says that the
    listing was complete and that nothing of it waits to be judged; ``fault`` is what could not be read or counted
    (``sync/faults.py``), and ``list_again`` that the next pass must be a full one. The ``error`` of one that is
    ``ok`` is what stays in doubt.
    """

    status: RunStatus
    error: str | None = None
    leaving: Mapping[Kind, list[int]] = msgspec.field(default_factory=dict)
    displaced: Mapping[Kind, list[int]] = msgspec.field(default_factory=dict)
    settles: bool = True
    fault: tuple[str, ...] = ()
    list_again: bool = False
    cause: PlexError | None = None
