"""The way of changed items to the writer: in batches, a few of them on their way at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from retrovue_daemon.errors import WriterStopped
from retrovue_daemon.store.upserts import write_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.rows import Target
    from retrovue_daemon.store.runs import Counts
    from retrovue_daemon.store.upserts import BatchResult, Change
    from retrovue_daemon.store.writer import Work, Writer
    from retrovue_daemon.sync.seen import SeenIds


class BatchFeed:
    """Collects the changes of one listing, hands full batches to the writer and takes in what they brought."""

    def __init__(
        self,
        writer: Writer,
        target: Target,
        kind: Kind,
        *,
        batch_size: int,
        now: Callable[[], int],
        seen: SeenIds,
        counts: Counts,
    ) -> None:
        self._writer = writer
        self._target = target
        self._kind = kind
        self._batch_size = batch_size
        self._now = now
        self._seen = seen
        self._counts = counts
        self._waiting: list[Change] = []
        self._under_way: list[asyncio.Future[BatchResult]] = []

    async def put(self, changes: Iterable[Change]) -> None:
        """Add changes; waits where the writer cannot keep up, and raises what an earlier batch failed with."""
        self._waiting.extend(changes)
        while len(self._waiting) >= self._batch_size:
            await self._submit(self._batch_size)

    async def settle(self) -> None:
        """Write what is left and wait until everything is committed."""
        if self._waiting:
            await self._submit(len(self._waiting))
        while self._under_way:
            # Shielded: being cancelled here must not lose the count of what is committed all the same.
            self._take_in(await asyncio.shield(self._under_way[0]))
            del self._under_way[0]

    def hand_over(self) -> None:
        """Leave everything to the writer without waiting: it is written and counted, its errors are not ours."""
        if self._waiting:
            with suppress(WriterStopped):
                self._under_way.append(self._writer.post(self._work(self._waiting)))
            self._waiting = []
        for future in self._under_way:
            future.add_done_callback(self._take_in_late)
        self._under_way = []

    async def _submit(self, size: int) -> None:
        self._under_way.append(await self._writer.submit(self._work(self._waiting[:size])))
        del self._waiting[:size]
        while self._under_way and self._under_way[0].done():
            self._take_in(self._under_way.pop(0).result())

    def _work(self, batch: list[Change]) -> Work[BatchResult]:
        target, kind, now = self._target, self._kind, self._now()
        return lambda connection: write_items(connection, target, kind, batch, now)

    def _take_in_late(self, done: asyncio.Future[BatchResult]) -> None:
        if not done.cancelled() and done.exception() is None:
            self._take_in(done.result())

    def _take_in(self, result: BatchResult) -> None:
        self._seen.update(result.ids)
        self._counts.added += result.added
        self._counts.updated += result.updated
        self._counts.restored += result.restored
