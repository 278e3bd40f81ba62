"""The way of changed items to the writer: in batches, a few of them on their way at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrovue_daemon.store.upserts import write_items

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.rows import Target
    from retrovue_daemon.store.upserts import BatchResult, Change
    from retrovue_daemon.store.writer import Writer
    from retrovue_daemon.sync.seen import SeenIds


@dataclass(slots=True)
class Tally:
    """What a pass has done so far; each item counts once."""

    listed: int = 0
    added: int = 0
    updated: int = 0
    restored: int = 0
    unchanged: int = 0
    skipped: int = 0
    pages: int = 0
    bytes: int = 0


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
        tally: Tally,
    ) -> None:
        self._writer = writer
        self._target = target
        self._kind = kind
        self._batch_size = batch_size
        self._now = now
        self._seen = seen
        self._tally = tally
        self._waiting: list[Change] = []
        self._under_way: list[asyncio.Future[BatchResult]] = []

    async def put(self, changes: Iterable[Change]) -> None:
        """Add changes; waits where the writer cannot keep up, and raises what an earlier batch failed with."""
        self._waiting.extend(changes)
        while len(self._waiting) >= self._batch_size:
            batch, self._waiting = self._waiting[: self._batch_size], self._waiting[self._batch_size :]
            await self._submit(batch)

    async def settle(self) -> None:
        """Write what is left and wait until everything is committed."""
        if self._waiting:
            batch, self._waiting = self._waiting, []
            await self._submit(batch)
        while self._under_way:
            self._take_in(await self._under_way.pop(0))

    def abandon(self) -> None:
        """Stop caring for the batches that are under way; they are written all the same."""
        for future in self._under_way:
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._under_way.clear()

    async def _submit(self, batch: list[Change]) -> None:
        target, kind, now = self._target, self._kind, self._now()
        future = await self._writer.submit(lambda connection: write_items(connection, target, kind, batch, now))
        self._under_way.append(future)
        while self._under_way and self._under_way[0].done():
            self._take_in(self._under_way.pop(0).result())

    def _take_in(self, result: BatchResult) -> None:
        self._seen.update(result.ids)
        self._tally.added += result.added
        self._tally.updated += result.updated
        self._tally.restored += result.restored
