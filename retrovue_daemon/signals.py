"""The one place that knows signals."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from retrovue_daemon.errors import Interrupted

if TYPE_CHECKING:
    from types import TracebackType


class Signals:
    """What the process was told by signals, as things that tasks can wait for; a context manager.

    ``stop`` becomes the number of the first SIGTERM or SIGINT. A second SIGINT ends the process on the spot: somebody
    at a keyboard does not want to wait. ``reload`` is set by SIGHUP, ``sync_now`` by SIGUSR1; whoever acts on one
    clears it first, so that a storm of them is one.
    """

    def __init__(self) -> None:
        self.reload = asyncio.Event()
        self.sync_now = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.stop: asyncio.Future[int] = self._loop.create_future()
        self._handlers = {
            signal.SIGTERM: self._end,
            signal.SIGINT: self._end,
            signal.SIGHUP: lambda _: self.reload.set(),
            signal.SIGUSR1: lambda _: self.sync_now.set(),
        }

    def __enter__(self) -> Self:
        for number, handler in self._handlers.items():
            self._loop.add_signal_handler(number, handler, number)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number in self._handlers:
            self._loop.remove_signal_handler(number)

    async def pause(self, seconds: float) -> None:
        """Wait; raises Interrupted where the end comes first."""
        with suppress(TimeoutError):
            raise Interrupted(await asyncio.wait_for(asyncio.shield(self.stop), seconds))

    def _end(self, number: int) -> None:
        if not self.stop.done():
            self.stop.set_result(number)
        elif number == signal.SIGINT == self.stop.result():
            os._exit(128 + number)
