"""Coroutines for callers that cannot await: each call has an event loop and a thread of its own."""

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
"""Seconds after which a signal is noticed at the latest: one that comes just before a wait does not end it."""

START_S = 5.0
"""Seconds within which a thread has started, if it was started."""

P = ParamSpec("P")
T = TypeVar("T")


def run_sync(function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **keywords: P.kwargs) -> T:
    """Await ``function(*args, **keywords)`` in a thread of its own and return its result, or raise its error.

    It works wherever it is called: outside of any event loop, and also below one that runs, which stands still
    meanwhile like at any blocking call. Nothing is left behind: the loop is closed and the thread has ended when this
    returns. A KeyboardInterrupt while it waits cancels the work, lets it clean up, and goes on.
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
        # The thread may be about to start, or not have been started at all.
        either: list[concurrent.futures.Future[Any]] = [result, begun]
        concurrent.futures.wait(either, timeout=START_S, return_when=concurrent.futures.FIRST_COMPLETED)
        if begun.done() and not result.done():
            with suppress(RuntimeError):  # the loop has just been closed: nothing is left to be cancelled
                begun.result()()
        raise
    finally:
        if thread.ident is not None:
            thread.join()
    return result.result()
