"""All hooks of the running daemon: their tasks, the events that they wait for, and who notices changes."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, Never

import structlog

from retrovue_daemon.errors import StoreError
from retrovue_daemon.publish.hooks.follower import HookFollower
from retrovue_daemon.publish.hooks.unstored import UnstoredEvents
from retrovue_daemon.store.connection import data_version
from retrovue_daemon.store.database import open_reader
from retrovue_daemon.store.tables.hook_events import HookEvent, store_events
from retrovue_daemon.store.tables.hooks import keep_hooks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import HookSection
    from retrovue_daemon.logs.redaction import Redactor
    from retrovue_daemon.logs.subscriptions import Subscriptions
    from retrovue_daemon.publish.hooks.unstored import TakenEvents
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
        self._followers: dict[str, tuple[HookFollower, asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        """Tasks that were cancelled, and may still be ending a command."""
        self._changing = asyncio.Lock()
        self._is_ready = True
        self._watching: asyncio.Task[Never] | None = None
        self._unstored = UnstoredEvents()
        self._storing: asyncio.Future[dict[str, int]] | None = None
        self._losing: set[str] = set()
        """Hooks for which too many events waited when some were stored last."""
        self._is_stopping = False

    async def apply(self, sections: Sequence[HookSection]) -> None:
        """Use these hooks from now on; those that are the same as before are not disturbed.

        A hook that was changed begins once its earlier task has ended, so one receiver never gets two deliveries at a
        time. Of several calls at once, the last one counts.
        """
        for section in sections:
            for secret in section.secrets():
                self._redactor.learn(secret)
        self._sections = tuple(sections)
        self._unstored.keep_only([section.name for section in sections])
        self._subscriptions.follow({entry.partition(":")[0] for each in sections for entry in each.on}, self._take)
        async with self._changing:
            await self._change()
        if self._sections and self._watching is None and not self._is_stopping:
            self._watching = asyncio.create_task(self._watch(), name="watch of hooks")

    async def stop(self) -> None:
        """End all tasks; what was not delivered is delivered after the next start."""
        self._is_stopping = True
        self._subscriptions.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        async with self._changing:
            await self._end(list(self._followers))
        self._store_taken()
        await self._opened.aclose()

    async def _change(self) -> None:
        """Make the tasks those of the latest sections; if that fails, the watch tries it again."""
        wanted = {section.name: section for section in self._sections}
        await self._end([name for name, (each, _) in self._followers.items() if wanted.get(name) != each.section])
        if self._is_stopping:
            return
        wanted = {section.name: section for section in self._sections}
        try:
            await self._database.writer.run(keep_hooks, {name: each.wants_changes for name, each in wanted.items()})
            if wanted and self._reader is None:
                self._reader = await self._opened.enter_async_context(open_reader(self._database.path))
        except (sqlite3.Error, StoreError) as error:
            if self._is_ready:
                log.warning("hooks.not_stored", error=str(error), hint=getattr(error, "hint", None))
            self._is_ready = False
            return
        self._is_ready = True
        for name, section in wanted.items():
            if name not in self._followers and self._reader is not None:
                follower = HookFollower(section, self._reader, self._database.writer, self._redactor, self._clock)
                task = asyncio.create_task(follower.run(), name=f"hook {name}")
                self._followers[name] = follower, task

    async def _end(self, names: Sequence[str]) -> None:
        """End tasks, and wait for all that are ending. If this is cancelled, they end nevertheless."""
        for name in names:
            _, task = self._followers.pop(name)
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        if self._ending:
            await asyncio.wait(self._ending)

    async def _watch(self) -> Never:
        """Wake the hooks whenever something was committed."""
        version = -1
        while True:
            if not self._is_ready:
                async with self._changing:
                    await self._change()
            if self._reader is not None:
                with suppress(sqlite3.Error):
                    newest = await self._reader.run(data_version)
                    if newest != version:
                        version = newest
                        self._wake()
            self._store_taken()
            await self._clock.sleep(WATCH_S)

    def _wake(self) -> None:
        for follower, _ in self._followers.values():
            follower.wake()

    # -- events ---------------------------------------------------------------------------------------------------

    def _take(self, event: str, level: str, keys: dict[str, Any]) -> None:
        """Take an event in the thread that logs it, and store it as soon as the event loop has a turn."""
        at, is_first = self._clock.now(), False
        for section in self._sections:
            if section.wants(event, keys.get("status")):
                is_first |= self._unstored.add(HookEvent(section.name, at, event, level, keys))
        if is_first:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._store_taken)

    def _store_taken(self) -> None:
        """Have the writer store the events, without waiting for it; one transaction at a time keeps their order."""
        if (self._storing is not None or not self._is_ready) and not self._is_stopping:
            return
        taken = self._unstored.take()
        if taken is None:
            return
        try:
            self._storing = self._database.writer.post(store_events, taken.events, taken.dropped)
        except StoreError:
            self._lose(taken)  # the writer has ended, and with it the daemon
        else:
            self._storing.add_done_callback(lambda done: self._stored(done, taken))

    def _stored(self, done: asyncio.Future[dict[str, int]], taken: TakenEvents) -> None:
        self._storing = None
        if not done.cancelled() and done.exception() is None:
            self._wake()
            self._report_losses(done.result(), taken)
            self._store_taken()
        elif self._is_stopping:
            self._lose(taken)
        else:
            # A full disk, for example: the watch tries again.
            self._unstored.put_back(taken)

    def _report_losses(self, lost: Mapping[str, int], taken: TakenEvents) -> None:
        """Log the first loss of each hook; the receiver gets the number of all of them."""
        for name in {event.hook for event in taken.events}:
            if name in lost and name not in self._losing:
                log.warning("hook.events_dropped", hook=name, events=lost[name])
        self._losing -= {event.hook for event in taken.events}
        self._losing |= lost.keys()

    def _lose(self, taken: TakenEvents) -> None:
        log.warning("hooks.events_lost", events=len(taken.events) + sum(taken.dropped.values()))
