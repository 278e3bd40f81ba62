"""Work that goes on after the response, such as deleting a large server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import structlog

from retrovue_daemon.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = structlog.get_logger()

PATIENCE_S: Final = 2.0
"""Seconds for which a response waits."""


class Tasks:
    """Work by its name: what is going on already is not begun again."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._running: dict[str, asyncio.Task[DaemonError | None]] = {}

    async def run(self, name: str, work: Coroutine[Any, Any, Any]) -> bool:
        """Do some work, and return whether it is done; after two seconds it goes on by itself.

        Raise DaemonError if it fails before.
        """
        if name in self._running:
            work.close()
        else:
            self._running[name] = asyncio.create_task(self._log_failure(name, work), name=name)
            self._running[name].add_done_callback(lambda _: self._running.pop(name))
        task = self._running[name]
        await asyncio.wait([task], timeout=self._patience_s)
        if not task.done():
            return False
        error = task.result()
        if error is not None:
            raise error
        return True

    async def _log_failure(self, name: str, work: Coroutine[Any, Any, Any]) -> DaemonError | None:
        try:
            await work
        except DaemonError as error:
            log.warning("web.task_failed", task=name, error=str(error), hint=error.hint)
            return error
        return None

    async def close(self) -> None:
        """End all work; what is half done can be begun again."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
