"""The passes over one library, in the order in which they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from retrovue_daemon.sync.passes.full import FullPass
from retrovue_daemon.sync.passes.quick import QuickPass
from retrovue_daemon.sync.passes.show import ShowPass
from retrovue_daemon.sync.passes.vanished import VanishedPass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from retrovue_daemon.service.planning import LibraryWork
    from retrovue_daemon.sync.passes.base import LibraryPass
    from retrovue_daemon.sync.progress import Meter
    from retrovue_daemon.sync.slot import Slot
    from retrovue_daemon.sync.target import PassContext


def passes_of(
    work: LibraryWork, meters: Sequence[Meter], new_slot: Callable[[], Slot]
) -> Iterator[tuple[LibraryPass, PassContext]]:
    """Yield each pass with its context, which has a slot of its own; a vanished library needs none.

    The meter of a pass is finished when the next pass is requested.
    """
    remaining = iter(meters)
    if work.plan is not None:
        meter = next(remaining)
        if work.vanished:
            yield VanishedPass(work.context, work.target), work.context
        else:
            context = replace(work.context, slot=new_slot())
            if work.plan.kind == "full":
                yield FullPass(context, work.target, meter), context
            else:
                yield QuickPass(context, work.target, meter, settled=work.plan.settled), context
        meter.finish()
    for (show, shared), meter in zip(work.shows, remaining, strict=True):
        context = replace(shared, slot=new_slot())
        yield ShowPass(context, work.target, meter, show), context
        meter.finish()
