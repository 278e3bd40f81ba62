"""The end of a pass: its verdict and its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.errors import DaemonError
    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.items.changes import NamedChange
    from retrovue_daemon.store.tables.runs import Run, RunStatus
    from retrovue_daemon.sync.removal import Removal


class PassReport(msgspec.Struct, frozen=True):
    """How a pass ended; ``run_id`` is its row in sync_runs, None if there was nothing to record or that failed.

    ``cause`` is the error that ended it early, ``removal`` what was or would be removed from the library, ``hint``
    what to do about a removal that is held back, ``changes`` name the first items that it changed.
    """

    server: str
    library: str
    run: Run
    run_id: int | None
    duration_s: float
    cause: DaemonError | None = None
    removal: Removal | None = None
    hint: str | None = None
    changes: tuple[NamedChange, ...] = ()

    @property
    def found_nothing(self) -> bool:
        """Whether this was a pass that found no change and no problem, of a kind that is frequent.

        There is a quick pass per poll and library, and an events pass whenever somebody opens an item in Plex.
        """
        run = self.run
        return (
            run.kind in {"quick", "events"} and run.status == "ok" and run.error is None and not run.counts.any_change
        )


class Verdict(msgspec.Struct, frozen=True):
    """What a pass concludes from what it read.

    ``leaving`` are the rows that may be marked missing, by kind. ``displaced`` are rows that may only be re-keyed:
    their key was given to another item, and nothing proves that their own item is gone. ``settles`` means that the
    listing was complete and fully decided. ``fault`` is what could not be read or counted (``sync/faults.py``),
    ``list_again`` makes the next pass a full one. If the status is ``ok``, ``error`` is what remains in doubt.
    """

    status: RunStatus
    error: str | None = None
    leaving: Mapping[Kind, Sequence[int]] = msgspec.field(default_factory=dict)
    displaced: Mapping[Kind, Sequence[int]] = msgspec.field(default_factory=dict)
    settles: bool = True
    fault: tuple[str, ...] = ()
    list_again: bool = False
    cause: DaemonError | None = None
