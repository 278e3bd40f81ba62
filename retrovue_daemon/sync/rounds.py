"""The state shared by the passes of one round over a server."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping, Sequence

    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.items.rekeying import Rekeyed
    from retrovue_daemon.sync.seen import SeenIds


T = TypeVar("T")

LONGEST_WAIT_S = 60.0
"""Seconds that a pass waits for the others before it removes anything: one that hangs must not block the rest."""

SILENT_S = 15.0
"""Seconds without a page after which a pass is not waited for: its library may not respond for hours."""


class MergedRows:
    """What overlapping passes of a server must know of each other's rows.

    Rows that took over a younger row (``store/items/rekeying.py``): per kind, their ids and the deleted ids. A pass
    over another library may have seen the younger row listed. And rows that were read one by one: the listing of a
    pass that had begun before may lack them, because they were added or moved behind its back.
    """

    def __init__(self) -> None:
        self._younger: dict[Kind, list[Mapping[int, int]]] = {}
        self._read: dict[Kind, dict[int, int]] = {}

    def note(self, rekeyed: Rekeyed) -> None:
        """Record which rows took over which."""
        for kind, pairs in rekeyed.pairs.items():
            self._younger.setdefault(kind, []).append(pairs)

    def note_read(self, kind: Kind, row_ids: Iterable[int], moment: int) -> None:
        """Record that the server has these items, which were requested one by one at a ``moment``."""
        self._read.setdefault(kind, {}).update(dict.fromkeys(row_ids, moment))

    def forget(self) -> None:
        """Forget all of them; call this when no pass is running."""
        self._younger.clear()
        self._read.clear()

    def unlisted(self, kind: Kind, row_ids: Sequence[int], seen: SeenIds, began: int) -> Sequence[int]:
        """Return the rows that were not seen, neither under their own id nor under that of the row they took over.

        Rows that were read one by one since the moment at which the listing ``began`` count as seen.
        """
        for younger in self._younger.get(kind, ()):
            unlisted = (row_id for row_id in row_ids if row_id not in younger or younger[row_id] not in seen)
            row_ids = array("q", unlisted)
        if read := self._read.get(kind):
            row_ids = array("q", (row_id for row_id in row_ids if read.get(row_id, began) <= began))
        return row_ids


class Round(msgspec.Struct):
    """One poll of a server and the passes that follow.

    ``merged_rows`` is shared by all rounds of a server, because their passes may overlap. ``is_first`` means that no
    library of the server has ever been listed completely, so nothing can have moved.
    """

    merged_rows: MergedRows
    is_first: bool = False
    arrived: Counter[int] = msgspec.field(default_factory=Counter)
    """Per library id, how many rows that its pass counted as new turned out to be existing items."""
    _listing: dict[tuple[str, int], asyncio.Event] = msgspec.field(default_factory=dict)
    _removing: dict[tuple[str, int], asyncio.Event] = msgspec.field(default_factory=dict)
    _asked_at: dict[tuple[str, int], float] = msgspec.field(default_factory=dict)
    """When the pages were requested that passes wait for, by the clock of the event loop."""

    def begin(self, kind: str, library_id: int) -> None:
        """Announce a full pass over a library of this kind, before any of them has finished reading."""
        self._listing[kind, library_id] = asyncio.Event()
        self._removing[kind, library_id] = asyncio.Event()

    async def page(self, kind: str, library_id: int, response: Awaitable[T]) -> T:
        """Return a page that such a pass waits for."""
        self._asked_at[kind, library_id] = asyncio.get_running_loop().time()
        try:
            return await response
        finally:
            del self._asked_at[kind, library_id]

    def end_listing(self, kind: str, library_id: int) -> None:
        """Report that such a pass has listed its library."""
        _end(self._listing, kind, library_id)

    def end(self, kind: str, library_id: int) -> None:
        """Report that such a pass is over, or will remove nothing."""
        self.end_listing(kind, library_id)
        _end(self._removing, kind, library_id)

    async def wait_for_listings(self, kind: str) -> None:
        """Wait up to a minute until all libraries of a kind are listed: items to remove may have moved there."""
        await self._wait_for(self._listing, kind)

    async def wait_for_removals(self, kind: str) -> None:
        """Wait up to a minute until passes of a kind have removed items: added items may have moved from there."""
        await self._wait_for(self._removing, kind)

    def note(self, rekeyed: Rekeyed) -> None:
        """Record which rows took over which."""
        self.arrived.update(rekeyed.arrived)
        self.merged_rows.note(rekeyed)

    async def _wait_for(self, running: dict[tuple[str, int], asyncio.Event], kind: str) -> None:
        """Wait until the passes of a kind have set their events, except for those whose library does not respond."""
        clock = asyncio.get_running_loop().time
        end = clock() + LONGEST_WAIT_S
        for key, ended in list(running.items()):
            while key[0] == kind and not ended.is_set():
                wait = min(end, self._asked_at.get(key, end) + SILENT_S) - clock()
                if wait <= 0:
                    break
                with suppress(TimeoutError):
                    # A page may be requested at any moment from now on.
                    async with asyncio.timeout(min(wait, SILENT_S)):
                        await ended.wait()


def _end(running: dict[tuple[str, int], asyncio.Event], kind: str, library_id: int) -> None:
    ended = running.pop((kind, library_id), None)
    if ended is not None:
        ended.set()
