"""Work in a thread that nothing waits for: a look at a file on a network that does not respond may never end."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MOST: Final = 8
"""Threads at once; those that hang count."""

_running: set[threading.Thread] = set()


async def in_own_thread(work: Callable[[], T], longest_s: float) -> T:
    """Return what some work returns. Raise TimeoutError if it takes too long, or if too much other work hangs."""
    if len(_running) >= MOST:
        raise TimeoutError
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def finish(result: T | None, error: Exception | None) -> None:
        if ended.done():
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(result)  # type: ignore[arg-type]  # it is what the work returned

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 -- handed to the caller
            failure = error
        _running.discard(threading.current_thread())
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(finish, result, failure)

    thread = threading.Thread(target=run, name="looking", daemon=True)
    _running.add(thread)
    thread.start()
    async with asyncio.timeout(longest_s):
        return await ended
