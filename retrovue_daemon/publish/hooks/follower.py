"""One hook: it delivers events as they come and changes gathered for a while, one body at a time."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from retrovue_daemon.errors import HookFailed, InternalError, StoreError, WriterStopped
from retrovue_daemon.publish.hooks.bodies import changes_body, events_body
from retrovue_daemon.publish.hooks.delivery import deliver, refuse_unready
from retrovue_daemon.publish.hooks.portion import Portion
from retrovue_daemon.store.feed.reading import feed_state
from retrovue_daemon.store.next_changes import MOST_CHANGES, has_changes, next_changes
from retrovue_daemon.store.tables.hook_events import delete_delivered, waiting_events
from retrovue_daemon.store.tables.hooks import (
    Position,
    failing_since,
    position_of,
    store_delivery,
    store_failure,
    store_recovery,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import HookSection
    from retrovue_daemon.logs.redaction import Redactor
    from retrovue_daemon.publish.hooks.bodies import Body
    from retrovue_daemon.store.connection import Connection
    from retrovue_daemon.store.next_changes import NextChanges
    from retrovue_daemon.store.writer import Writer

log = structlog.get_logger()

EVENTS_AT_ONCE: Final = 100
"""At most: a receiver that cannot cope with so many gets as large a share of them as of changes."""

FIRST_BACKOFF_S: Final = 2.0
LONGEST_BACKOFF_S: Final = 5 * 60.0
"""Seconds between two tries; each failure doubles them."""

LASTING_BACKOFF_S: Final = 15 * 60.0
"""Seconds after a failure that only a person can end."""

LONGEST_RETRY_AFTER_S: Final = 60 * 60.0
"""Seconds that a receiver may demand."""


class _Begun(NamedTuple):
    """An entry that is larger than a portion, and how many of its changes were delivered."""

    feed_id: str
    seq: int
    changes: int


class HookFollower:
    """Delivers to one receiver, in its own task. ``reader`` is a connection on which no pass waits."""

    def __init__(
        self, section: HookSection, reader: Connection, writer: Writer, redactor: Redactor, clock: Clock
    ) -> None:
        self.section = section
        self._reader = reader
        self._writer = writer
        self._redactor = redactor
        self._clock = clock
        self._news = asyncio.Event()
        self._due: float | None = None
        """When the changes that wait are delivered, by the monotonic clock."""
        self._is_ready = False
        self._failures = 0
        self._since: int | None = None
        """When the trouble began; it may have been before this process did."""
        self._knows_since = False
        self._portion = Portion()
        self._begun: _Begun | None = None
        self._record: Callable[[], asyncio.Future[None]] | None = None
        """Has the writer record what was delivered last, until that has succeeded."""

    def wake(self) -> None:
        """Look for something to deliver."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled, or until nothing can be recorded any more because the daemon ends.

        Whatever fails is tried again, and nothing else waits for it.
        """
        name = f"hook {self.section.name}"
        while True:
            self._news.clear()
            try:
                if not self._is_ready:
                    await self._begin()
                pause = await self._step()
            except WriterStopped:
                return
            except HookFailed as error:
                if error.too_large:
                    continue
                await self._clock.sleep(await self._failed(error))
            except (sqlite3.Error, StoreError) as error:
                failed = HookFailed(str(error), hint=getattr(error, "hint", None))
                await self._clock.sleep(await self._failed(failed))
            except Exception as error:
                if not self._failures:
                    log.exception("hook.crashed", hook=self.section.name)
                await self._clock.sleep(await self._failed(HookFailed(str(InternalError(type(error).__name__)))))
            else:
                await self._clock.wait_for(self._news, pause, name)

    async def _begin(self) -> None:
        """Find out, before there is anything to deliver, that the hook lacks its secret or its program."""
        if not self._knows_since:
            self._since = await self._reader.run(failing_since, self.section.name)
            self._knows_since = True
        await asyncio.to_thread(refuse_unready, self.section)
        self._is_ready = True
        if self._failures:
            log.info("hook.recovered", hook=self.section.name)
            self._failures, self._since = 0, None
            await self._writer.run(store_recovery, self.section.name)

    async def _step(self) -> float | None:
        """Deliver what is due; return in how many seconds more is, or None if nothing waits."""
        name = self.section.name
        await self._store_record()
        most = self._portion.of(EVENTS_AT_ONCE)
        waiting = await self._reader.run(waiting_events, name, most)
        if waiting.events:
            state = await self._reader.run(feed_state)
            await self._deliver(
                events_body(name, state.feed_id, waiting),
                len(waiting.events),
                most,
                lambda: self._writer.post(delete_delivered, name, waiting, self._clock.now()),
            )
        # Not all events first: changes would have to wait as long as more events come than the receiver accepts.
        pause = await self._step_of_changes()
        return 0.0 if len(waiting.events) >= most else pause

    async def _step_of_changes(self) -> float | None:
        """Do the same for changes alone."""
        position = None
        if self.section.wants_changes:
            position = await self._reader.run(position_of, self.section.name)
        if position is None or not await self._reader.run(has_changes, *position):
            self._due = None
            return None
        now = self._clock.monotonic()
        if self._due is None:
            self._due = now + self.section.wait
        if now < self._due:
            return self._due - now
        most = self._portion.of(MOST_CHANGES)
        found = await self._reader.run(next_changes, *position, most)
        if found is None:
            self._due = None
            return None
        if await self._deliver_changes(found, most) and not found.more:
            self._due = None
        return 0.0

    async def _deliver_changes(self, found: NextChanges, most: int) -> bool:
        """Deliver changes, but not more than the most; return whether they are delivered completely.

        That one entry of the feed is larger than the most is possible. It is recorded after its last part.
        """
        name, first, begun = self.section.name, found.changes[0].seq if found.changes else 0, 0
        if self._begun is not None and self._begun[:2] == (found.feed_id, first):
            begun = self._begun.changes
        part = found._replace(changes=found.changes[begun : begun + most])
        reached: Position | None = Position(found.feed_id, found.last_seq)
        ahead = begun + len(part.changes)
        if ahead < len(found.changes):
            part, reached = part._replace(last_seq=part.changes[-1].seq), None
        await self._deliver(
            changes_body(name, part),
            len(part.changes),
            most,
            lambda: self._writer.post(store_delivery, name, reached, self._clock.now()),
        )
        self._begun = None if reached is not None else _Begun(found.feed_id, first, ahead)
        return reached is not None

    async def _deliver(self, body: Body, size: int, limit: int, record: Callable[[], asyncio.Future[None]]) -> None:
        """Deliver a body of this size, of which the portion allows ``limit``, and record that."""
        try:
            await deliver(self.section, body)
        except HookFailed as error:
            if error.too_large or error.is_slow:
                error.too_large &= self._portion.failed(size, limit)
            raise
        self._portion.accepted(is_full=size >= limit)
        self._record = record
        await self._store_record()

    async def _store_record(self) -> None:
        """Record the last delivery; if that fails, the receiver is not called again before it has succeeded."""
        if self._record is None:
            return
        try:
            await self._record()
        except WriterStopped:
            raise
        except StoreError as error:
            raise HookFailed(f"delivered, but not recorded: {error}", hint=error.hint) from None
        self._record = None
        if self._since is not None or self._failures:
            log.info("hook.recovered", hook=self.section.name)
        self._failures, self._since = 0, None

    async def _failed(self, error: HookFailed) -> float:
        """Log the first failure of a row, store it, and return the seconds until the next try."""
        self._failures += 1
        # The output of a command may hold anything.
        now, words = self._clock.now(), self._redactor.text(str(error))
        if self._failures == 1:
            log.warning("hook.failed", hook=self.section.name, error=words, hint=error.hint)
        seconds = self._pause(error)
        if self._since is None:
            self._since = now
        with suppress(StoreError):  # only `status` misses it; the watch of the database logs why
            await self._writer.run(store_failure, self.section.name, words, self._since, now + int(seconds))
        return seconds

    def _pause(self, error: HookFailed) -> float:
        if error.lasting:
            return LASTING_BACKOFF_S
        longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(self._failures - 1, 10))
        demanded = min(error.retry_after or 0.0, LONGEST_RETRY_AFTER_S)
        return max(demanded, longest * random.uniform(0.75, 1.0))  # noqa: S311 -- spreads load, guards nothing
