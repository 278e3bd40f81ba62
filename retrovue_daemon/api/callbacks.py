"""Reporting the progress of a sync to a program's callbacks, without delaying the sync.

A separate task watches the progress board and calls. During a call, intermediate values are skipped, never the last
one. After the work ends, remaining calls are made for one second. Plain functions run in a thread, so that a blocking
one delays only itself.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

import msgspec
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from retrovue_daemon.sync.progress import LibraryProgress, Progress, ProgressBoard

log = structlog.get_logger()

LATE_S = 1.0
"""Seconds after the end of the work during which calls other than the last are still made."""

Step: TypeAlias = tuple[int, int, str]
"""The number done, the total, and the name of the current library or item."""


class ProgressCallback(Protocol):
    """A plain or async function that takes these keywords."""

    def __call__(self, *, library_progress: Step | None, item_progress: Step | None, message: str | None) -> object:
        """Receive the progress of a sync."""


StatusCallback: TypeAlias = "Callable[[str], object]"
"""A plain or async function that takes one line of text."""


class _News(msgspec.Struct, frozen=True):
    library: Step | None
    item: Step | None = None
    message: str | None = None


class Callbacks:
    """Makes the calls during its ``async with`` block; leaving the block waits for the last call.

    If the block raises, its error is the last message; if it is cancelled, no call is awaited. An exception from a
    callback is logged the first time and does not stop the sync.
    """

    def __init__(
        self, board: ProgressBoard, progress: ProgressCallback | None = None, status: StatusCallback | None = None
    ) -> None:
        self._board = board
        self._progress = progress
        self._status = status
        self._task: asyncio.Task[None] | None = None
        self._last_words: str | None = None
        self._deadline: float | None = None
        self._shown: dict[int, LibraryProgress] = {}
        self._name = ""
        self._step = (0, 0)
        self._failed: set[str] = set()

    def set_final(self, message: str, library: str = "") -> None:
        """Set the message of the last call, and its library if the progress board has shown none."""
        self._last_words = message
        self._name = self._name or library.strip()

    async def __aenter__(self) -> Self:
        if self._progress is not None or self._status is not None:
            self._task = asyncio.create_task(self._watch(), name="callbacks")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is None:
            return
        if error is not None and not isinstance(error, Exception):
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            return
        if error is not None:
            self._last_words = str(error) or type(error).__name__
        self._deadline = asyncio.get_running_loop().time() + LATE_S
        self._board.close()
        await self._task

    async def _watch(self) -> None:
        async for latest in self._board.watch():
            for news in list(self._news(latest)) or self._whole(latest):
                if not self._is_late():
                    await self._tell(news)
        total = self._board.latest.libraries_total
        await self._tell(_News((total, total, self._name) if total else None, None, self._last_words))

    def _is_late(self) -> bool:
        return self._deadline is not None and asyncio.get_running_loop().time() >= self._deadline

    def _news(self, latest: Progress) -> Iterator[_News]:
        """Yield the changes since the last call: libraries that ended, started or advanced."""
        # A library that is still waiting for a slot has no listing yet.
        running = {each.number: each for each in latest.running if each.listing}
        before, self._shown = self._shown, running
        for number, last in before.items():
            if number not in running:
                yield self._of(latest, last, None, "done")
        for number, now in running.items():
            if number not in before:
                yield self._of(latest, now, _items(now), "reading")
            elif now != before[number]:
                yield self._of(latest, now, _items(now))

    def _whole(self, latest: Progress) -> Iterator[_News]:
        """Yield the number of finished libraries if nothing else has changed."""
        step = (latest.libraries_done, latest.libraries_total)
        if step != self._step and latest.libraries_total and not latest.closed:
            self._name = latest.running[0].library.strip() if latest.running else self._name
            self._step = step
            yield _News((*step, self._name))

    def _of(self, latest: Progress, one: LibraryProgress, item: Step | None, message: str | None = None) -> _News:
        self._name = one.library.strip()
        self._step = (latest.libraries_done, latest.libraries_total)
        return _News((*self._step, self._name), item, f"{self._name}: {message}" if message else None)

    async def _tell(self, news: _News) -> None:
        if self._status is not None and news.message is not None:
            await self._call("status", self._status, news.message)
        if self._progress is not None:
            keywords = {"library_progress": news.library, "item_progress": news.item, "message": news.message}
            await self._call("progress", self._progress, **keywords)

    async def _call(self, name: str, callback: Callable[..., object], *args: object, **keywords: object) -> None:
        try:
            if inspect.iscoroutinefunction(callback):
                await callback(*args, **keywords)
                return
            answer, error = await asyncio.to_thread(_outcome, callback, args, keywords)
            if inspect.isawaitable(answer):
                await answer
        except (Exception, SystemExit) as raised:  # noqa: BLE001 -- whatever a callback raises must not end the sync
            error = raised
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            error = cancelled  # the callback's own doing
        if error is not None and name not in self._failed:
            self._failed.add(name)
            log.error("callback.failed", callback=name, exc_info=error)


def _outcome(
    callback: Callable[..., object], args: tuple[object, ...], keywords: dict[str, Any]
) -> tuple[object, BaseException | None]:
    """Call ``callback`` and return its result and error; asyncio cannot pass on every exception from a thread."""
    try:
        return callback(*args, **keywords), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- likewise
        return None, error


def _items(running: LibraryProgress) -> Step | None:
    """Return the progress of a library; if the server reports no total, the number of items so far replaces it."""
    total = running.done if running.total is None else running.total
    return (running.done, total, running.title or running.listing) if total else None
