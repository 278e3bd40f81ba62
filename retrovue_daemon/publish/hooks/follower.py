"""One hook: it delivers events as they come and changes gathered for a while, one body at a time."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from typing import TYPE_CHECKING, Final, Never

import structlog

from retrovue_daemon.errors import HookFailed, InternalError, StoreError
from retrovue_daemon.publish.hooks.bodies import changes_body, events_body
from retrovue_daemon.publish.hooks.delivery import deliver, refuse_unready
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
    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import HookSection
    from retrovue_daemon.logs.redaction import Redactor
    from retrovue_daemon.publish.hooks.bodies import Body
    from retrovue_daemon.store.connection import Connection
    from retrovue_daemon.store.writer import Writer

log = structlog.get_logger()

EVENTS_AT_ONCE: Final = 100
"""At most: a receiver that refuses so many gets as large a share of them as of changes."""

FIRST_BACKOFF_S: Final = 2.0
LONGEST_BACKOFF_S: Final = 5 * 60.0
"""Seconds between two tries; each failure doubles them."""

LASTING_BACKOFF_S: Final = 15 * 60.0
"""Seconds after a failure that only a person can end."""

LONGEST_RETRY_AFTER_S: Final = 60 * 60.0
"""Seconds that a receiver may demand."""


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
        self._halvings = 0
        """How often the receiver refused content because it is too large."""

    def wake(self) -> None:
        """Look for something to deliver."""
        self._news.set()

    async def run(self) -> Never:
        """Deliver until cancelled. Whatever fails is tried again, and nothing else waits for it."""
        name = f"hook {self.section.name}"
        while True:
            self._news.clear()
            try:
                if not self._is_ready:
                    await self._begin()
                pause = await self._step()
            except HookFailed as error:
                if error.too_large and MOST_CHANGES >> self._halvings > 1:
                    self._halvings += 1
                    continue
                await self._clock.sleep(await self._failed(error))
            except (sqlite3.Error, StoreError) as error:
                await self._clock.sleep(await self._failed(HookFailed(str(error))))
            except Exception as error:
                if not self._failures:
                    log.exception("hook.crashed", hook=self.section.name)
                await self._clock.sleep(await self._failed(HookFailed(str(InternalError(type(error).__name__)))))
            else:
                await self._clock.wait_for(self._news, pause, name)

    async def _begin(self) -> None:
        """Find out, before there is anything to deliver, that the hook lacks its secret or its program."""
        await asyncio.to_thread(refuse_unready, self.section)
        self._is_ready = True
        if self._failures:
            log.info("hook.recovered", hook=self.section.name)
            self._failures, self._since = 0, None
            await self._writer.run(store_recovery, self.section.name)

    async def _step(self) -> float | None:
        """Deliver what is due; return in how many seconds more is, or None if nothing waits."""
        name = self.section.name
        while (waiting := await self._reader.run(waiting_events, name, self._share(EVENTS_AT_ONCE))).events:
            state = await self._reader.run(feed_state)
            await self._deliver(events_body(name, state.feed_id, waiting))
            await self._writer.run(delete_delivered, name, waiting, self._clock.now())
        position = await self._reader.run(position_of, name) if self.section.wants_changes else None
        if position is None or not await self._reader.run(has_changes, *position):
            self._due = None
            return None
        now = self._clock.monotonic()
        if self._due is None:
            self._due = now + self.section.wait
        if now < self._due:
            return self._due - now
        found = await self._reader.run(next_changes, *position, self._share(MOST_CHANGES))
        if found is not None:
            await self._deliver(changes_body(name, found))
            reached = Position(found.feed_id, found.last_seq)
            await self._writer.run(store_delivery, name, reached, self._clock.now())
        if found is None or not found.more:
            self._due = None
        return 0.0

    def _share(self, most: int) -> int:
        return max(1, most >> self._halvings)

    async def _deliver(self, body: Body) -> None:
        await deliver(self.section, body)
        if self._failures:
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
        try:
            if self._since is None:
                self._since = await self._reader.run(failing_since, self.section.name) or now
            next_try_at = now + int(seconds)
            await self._writer.run(store_failure, self.section.name, words, self._since, next_try_at)
        except (sqlite3.Error, StoreError):
            pass  # only `status` misses it; the watch of the database logs why
        return seconds

    def _pause(self, error: HookFailed) -> float:
        if error.lasting:
            return LASTING_BACKOFF_S
        longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(self._failures - 1, 10))
        demanded = min(error.retry_after or 0.0, LONGEST_RETRY_AFTER_S)
        return max(demanded, longest * random.uniform(0.75, 1.0))  # noqa: S311 -- spreads load, guards nothing
