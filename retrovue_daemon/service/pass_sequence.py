"""The passes over one library, in the order in which they run."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from retrovue_daemon.sync.passes.full import FullPass
from retrovue_daemon.sync.passes.quick import QuickPass
from retrovue_daemon.sync.passes.show import ShowPass
from retrovue_daemon.sync.passes.vanished import VanishedPass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from retrovue_daemon.service.planning import LibraryWork
    from retrovue_daemon.sync.passes.base import LibraryPass
    from retrovue_daemon.sync.progress import Meter
    from retrovue_daemon.sync.target import PassContext

    Slot = AbstractAsyncContextManager[object]


def passes_of(
    work: LibraryWork, meters: Sequence[Meter], slot: Callable[[], Slot]
) -> Iterator[tuple[LibraryPass, PassContext, Slot]]:
    """Yield each pass with its context and the slot to hold; a vanished library needs no slot.

    The meter of a pass is finished when the next pass is requested.
    """
    remaining = iter(meters)
    if work.plan is not None:
        meter = next(remaining)
        if work.vanished:
            yield VanishedPass(work.context, work.target), work.context, nullcontext()
        elif work.plan.kind == "full":
            yield FullPass(work.context, work.target, meter), work.context, slot()
        else:
            quick = QuickPass(work.context, work.target, meter, settled=work.plan.settled)
            yield quick, work.context, slot()
        meter.finish()
    for (show, context), meter in zip(work.shows, remaining, strict=True):
        yield ShowPass(context, work.target, meter, show), context, slot()
        meter.finish()
