"""All handling of Unix signals."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, Self

from retrovue_daemon.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType


class OtherProcess:
    """The process that currently has an id, never a later one that reuses it; a context manager.

    This leaves time to check that it is the right process. Raises ProcessLookupError if no process has the id.
    """

    def __init__(self, pid: int) -> None:
        self._descriptor = os.pidfd_open(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def hang_up(self) -> None:
        """Send SIGHUP. Raises ProcessLookupError if it has ended, PermissionError if it is another user's."""
        signal.pidfd_send_signal(self._descriptor, signal.SIGHUP)

    def ends_within(self, seconds: float) -> bool:
        """Wait for the process to end, and return whether it did within that time; blocks."""
        ended, _, _ = select.select([self._descriptor], [], [], seconds)
        return bool(ended)


class Signals:
    """Signals as events that tasks can wait for; a context manager.

    ``stop`` becomes the number of the first SIGTERM or SIGINT. A second SIGINT ends the process at once: a person at
    a keyboard does not want to wait. ``reload`` is set by SIGHUP, ``sync_now`` by SIGUSR1. The task that handles an
    event clears it first, so that a burst of signals counts once. Signals blocked before the block arrive in it.
    """

    def __init__(self) -> None:
        self.reload = asyncio.Event()
        self.sync_now = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.stop: asyncio.Future[int] = self._loop.create_future()
        self._interrupts = 0
        self._handlers: dict[signal.Signals, Callable[[int], None]] = {
            signal.SIGTERM: self._end,
            signal.SIGINT: self._end,
            signal.SIGHUP: lambda _: self.reload.set(),
            signal.SIGUSR1: lambda _: self.sync_now.set(),
        }
        self._before = {number: signal.getsignal(number) for number in self._handlers}

    def __enter__(self) -> Self:
        for number, handler in self._handlers.items():
            self._loop.add_signal_handler(number, handler, number)
        # Python calls this handler directly, even while the event loop is blocked; the loop still gets the signal.
        signal.signal(signal.SIGINT, self._interrupt)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._handlers)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # asyncio would restore the default actions for a moment, and SIGHUP's is to end the process.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._handlers)
        for number, before in self._before.items():
            self._loop.remove_signal_handler(number)
            if before is not None:  # None: not set by Python
                signal.signal(number, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    async def pause(self, seconds: float) -> None:
        """Wait. Raises Interrupted if a stop signal arrives first."""
        with suppress(TimeoutError):
            raise Interrupted(await asyncio.wait_for(asyncio.shield(self.stop), seconds))

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            os._exit(128 + number)

    def _end(self, number: int) -> None:
        if not self.stop.done():
            self.stop.set_result(number)


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Raise Interrupted on SIGTERM or SIGINT in work without an event loop, so that its clean-up runs."""

    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: not set by Python
                signal.signal(number, handler)
