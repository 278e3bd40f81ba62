"""Running coroutines for callers that cannot await: each call has its own event loop and thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

NOTICE_S = 0.5
"""Seconds within which a signal is noticed: one that arrives just before a wait does not end the wait."""

START_S = 5.0
"""Seconds to wait for a thread that may not have started yet."""

P = ParamSpec("P")
T = TypeVar("T")


def run_sync(function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **keywords: P.kwargs) -> T:
    """Await ``function(*args, **keywords)`` in a separate thread and return its result, or raise its error.

    It works outside an event loop and also inside a running one, which is blocked meanwhile as by any blocking call.
    When this returns, the loop is closed and the thread has ended. A KeyboardInterrupt during the wait cancels the
    work, waits for its clean-up, and propagates.
    """
    result: concurrent.futures.Future[T] = concurrent.futures.Future()
    begun: concurrent.futures.Future[Callable[[], object]] = concurrent.futures.Future()

    async def work() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            cancel = task.cancel
            begun.set_result(lambda: loop.call_soon_threadsafe(cancel))
        return await function(*args, **keywords)

    def run() -> None:
        try:
            value = asyncio.run(work())
        except BaseException as error:  # noqa: BLE001 -- it is raised again where the caller waits
            result.set_exception(error)
        else:
            result.set_result(value)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="retrovue-daemon run_sync")
    try:
        thread.start()
        while not concurrent.futures.wait([result], timeout=NOTICE_S).done:
            pass
    except BaseException:
        # The thread may be about to start, or may never have been started.
        either: list[concurrent.futures.Future[Any]] = [result, begun]
        concurrent.futures.wait(either, timeout=START_S, return_when=concurrent.futures.FIRST_COMPLETED)
        if begun.done() and not result.done():
            with suppress(RuntimeError):  # the loop has just been closed: there is nothing left to cancel
                begun.result()()
        raise
    finally:
        if thread.ident is not None:
            thread.join()
    return result.result()
