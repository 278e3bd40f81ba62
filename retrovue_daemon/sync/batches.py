"""Passing changed items to the writer in batches.

A pass waits for each batch before it compares more items; meanwhile its next pages are fetched. More batches in
flight were tried and are slower: the interpreter runs one thread at a time, and two busy threads cost each other more
than they gain. The batches of several passes wait in the writer's queue.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import WriterStopped
from retrovue_daemon.store.items.upserts import write_items

if TYPE_CHECKING:
    from collections.abc import Collection

    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.items.rows import Target
    from retrovue_daemon.store.items.upserts import BatchResult, Change
    from retrovue_daemon.store.tables.runs import Counts
    from retrovue_daemon.sync.changed_items import ChangedItems
    from retrovue_daemon.sync.seen import SeenIds
    from retrovue_daemon.sync.target import PassContext


LARGEST_BATCH: Final = 8 * 1024 * 1024
"""Bytes of the pages of a batch; 2,000 episodes take 5 MiB."""


class Batches:
    """Collects the changes of one listing, submits full batches to the writer and adds up the results."""

    def __init__(
        self,
        context: PassContext,
        target: Target,
        kind: Kind,
        *,
        seen: SeenIds,
        counts: Counts,
        changed: ChangedItems,
    ) -> None:
        self._writer = context.database.writer
        self._batch_size = context.settings.batch_size
        self._now = context.now
        self._target = target
        self._kind = kind
        self._seen = seen
        self._counts = counts
        self._changed = changed
        self._waiting: list[Change] = []
        self._waiting_bytes = 0
        self.displaced = 0
        """The number of rows whose keys now belong to other items."""

    async def put(self, changes: Collection[Change], *, size: int = 0) -> None:
        """Add changes, and wait until each batch that they fill is committed. Raises the batch's error.

        ``size`` is that of the page which they come from, in bytes. A batch of very large pages is small.
        """
        if changes:
            self._waiting.extend(changes)
            self._waiting_bytes += size
        while len(self._waiting) >= self._batch_size:
            await self._write(self._batch_size)
            self._waiting_bytes = size  # at most: what is left came with the last page
        if self._waiting_bytes > LARGEST_BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Write the remaining changes and wait until they are committed."""
        if self._waiting:
            await self._write(len(self._waiting))
            self._waiting_bytes = 0

    def post_rest(self) -> None:
        """Queue the remaining changes without waiting: they are written and counted, their errors are ignored."""
        if self._waiting:
            with suppress(WriterStopped):
                writing = self._writer.post(write_items, self._target, self._kind, self._waiting, self._now())
                writing.add_done_callback(self._count)
            self._waiting = []

    async def _write(self, size: int) -> None:
        batch = self._waiting[:size]
        writing = await self._writer.submit(write_items, self._target, self._kind, batch, self._now())
        # Called before the tasks that wait for the batch continue.
        writing.add_done_callback(self._count)
        del self._waiting[:size]
        # Shielded: a batch is committed and counted even if the waiting pass is cancelled.
        await asyncio.shield(writing)

    def _count(self, done: asyncio.Future[BatchResult]) -> None:
        """Count the result of a batch, unless it failed."""
        if done.cancelled() or done.exception() is not None:
            return
        result = done.result()
        self._seen.update(result.ids)
        self.displaced += result.displaced
        self._counts.take_in(result)
        self._changed.add(result)
