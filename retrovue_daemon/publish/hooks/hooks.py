"""All hooks of the running daemon: their tasks, the events that they wait for, and who notices changes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, Never

import structlog

from retrovue_daemon.errors import StoreError
from retrovue_daemon.publish.hooks.follower import HookFollower
from retrovue_daemon.store.connection import data_version
from retrovue_daemon.store.database import open_reader
from retrovue_daemon.store.tables.hook_events import MOST_WAITING, HookEvent, store_events
from retrovue_daemon.store.tables.hooks import keep_hooks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import HookSection
    from retrovue_daemon.logs.redaction import Redactor
    from retrovue_daemon.logs.subscriptions import Subscriptions
    from retrovue_daemon.store.connection import Connection
    from retrovue_daemon.store.database import Database

log = structlog.get_logger()

WATCH_S: Final = 0.5
"""Seconds between two looks whether anything was committed; a look takes microseconds."""


class Hooks:
    """The hooks of a configuration. Nothing here is awaited by a pass."""

    def __init__(self, database: Database, subscriptions: Subscriptions, redactor: Redactor, clock: Clock) -> None:
        self._database = database
        self._subscriptions = subscriptions
        self._redactor = redactor
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._opened = AsyncExitStack()
        self._reader: Connection | None = None
        self._sections: tuple[HookSection, ...] = ()
        self._followers: dict[str, tuple[HookFollower, asyncio.Task[Never]]] = {}
        self._watching: asyncio.Task[Never] | None = None
        self._taken: deque[HookEvent] = deque(maxlen=10 * MOST_WAITING)
        self._is_kept = True

    async def apply(self, sections: Sequence[HookSection]) -> None:
        """Use these hooks from now on; those that are the same as before are not disturbed."""
        wanted = {section.name: section for section in sections}
        for section in sections:
            for secret in section.secrets():
                self._redactor.learn(secret)
        await self._end([name for name, (each, _) in self._followers.items() if wanted.get(name) != each.section])
        self._sections = tuple(sections)
        self._subscriptions.follow({entry.partition(":")[0] for each in sections for entry in each.on}, self._take)
        await self._keep()
        if sections and self._reader is None:
            self._reader = await self._opened.enter_async_context(open_reader(self._database.path))
            self._watching = asyncio.create_task(self._watch(self._reader), name="watch of hooks")
        for name, section in wanted.items():
            if name not in self._followers and self._reader is not None:
                follower = HookFollower(section, self._reader, self._database.writer, self._redactor, self._clock)
                task = asyncio.create_task(follower.run(), name=f"hook {name}")
                self._followers[name] = follower, task

    async def stop(self) -> None:
        """End all tasks; what was not delivered is delivered after the next start."""
        self._subscriptions.stop()
        await self._end(list(self._followers))
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self._store_taken()
        await self._opened.aclose()

    async def _end(self, names: Sequence[str]) -> None:
        tasks = [self._followers.pop(name)[1] for name in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self) -> None:
        """Store which hooks there are; a failure is tried again by the watch."""
        try:
            await self._database.writer.run(keep_hooks, {each.name: each.wants_changes for each in self._sections})
        except StoreError as error:
            if self._is_kept:
                log.warning("hooks.not_stored", error=str(error), hint=error.hint)
            self._is_kept = False
        else:
            self._is_kept = True

    async def _watch(self, reader: Connection) -> Never:
        """Wake the hooks whenever something was committed."""
        version = -1
        while True:
            with suppress(sqlite3.Error):
                newest = await reader.run(data_version)
                if newest != version:
                    version = newest
                    self._wake()
            if not self._is_kept:
                await self._keep()
            self._store_taken()
            await self._clock.sleep(WATCH_S)

    def _wake(self) -> None:
        for follower, _ in self._followers.values():
            follower.wake()

    # -- events ---------------------------------------------------------------------------------------------------

    def _take(self, event: str, level: str, keys: dict[str, Any]) -> None:
        """Take an event in the thread that logs it, and store it as soon as the event loop has a turn."""
        at, before = self._clock.now(), len(self._taken)
        for section in self._sections:
            if section.wants(event, keys.get("status")):
                self._taken.append(HookEvent(section.name, at, event, level, keys))
        if not before and self._taken:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._store_taken)

    def _store_taken(self) -> None:
        """Have the writer store the events, without waiting for it."""
        if not self._taken or not self._is_kept:
            return
        # One by one: another thread may add to them meanwhile.
        events = [self._taken.popleft() for _ in range(len(self._taken))]
        try:
            stored = self._database.writer.post(store_events, events)
        except StoreError:
            return  # the writer has ended, and with it the daemon
        stored.add_done_callback(lambda done: self._stored(done, events))

    def _stored(self, done: asyncio.Future[None], events: list[HookEvent]) -> None:
        if done.cancelled():
            return
        if done.exception() is None:
            self._wake()
        else:
            # A full disk, for example: the watch tries again.
            self._taken.extendleft(reversed(events))
