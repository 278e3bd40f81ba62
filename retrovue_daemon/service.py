"""What the service tells systemd while it runs: that it is alive, and what it does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from retrovue_daemon.errors import WriteFailed

if TYPE_CHECKING:
    import aiosqlite

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.progress import Progress
    from retrovue_daemon.store.writer import Writer
    from retrovue_daemon.supervisor import Supervisor
    from retrovue_daemon.systemd import Notifier

LONGEST_PING_S = 60.0
"""Seconds that the writer may take to answer: so long another program's lock is waited for."""

STATUS_S = 1.0


async def beat(notifier: Notifier, writer: Writer, clock: Clock) -> None:
    """Tell systemd again and again that the event loop and the writer are alive; for ever, or not at all."""
    if notifier.watchdog_interval is None:
        return
    while True:
        if await _answers(writer):
            notifier.watchdog()
        # The writer may take a minute to answer: that and the pause have to fit into what systemd waits.
        await clock.sleep(notifier.watchdog_interval / 2)


async def _answers(writer: Writer) -> bool:
    """Tell whether the writer does an empty piece of work; one that waits for another program's lock lives too."""
    try:
        async with asyncio.timeout(LONGEST_PING_S):
            await writer.write(_nothing)
    except WriteFailed:
        return True
    except TimeoutError:
        return False
    return True


async def _nothing(connection: aiosqlite.Connection) -> None:
    """Change nothing."""
    del connection


async def show_status(notifier: Notifier, supervisor: Supervisor, clock: Clock) -> None:
    """Show in systemd's status what is being synced and what is wrong, whenever that has changed."""
    shown = ""
    while True:
        text = status_line(supervisor)
        if text != shown:
            notifier.status(text)
            shown = text
        await clock.sleep(STATUS_S)


def status_line(supervisor: Supervisor) -> str:
    """Say in one line what is being synced, and which servers cannot be used."""
    doing = _doing(supervisor.board.latest)
    wrong = [str(worker.trouble.error) for worker in supervisor.workers.values() if worker.trouble.error is not None]
    return "; ".join([doing, *wrong])


def _doing(progress: Progress) -> str:
    if not progress.running:
        return "idle"
    running = [
        f"{one.server}/{one.library}"
        + (f" {one.listing} {one.done:,}" if one.listing else "")
        + (f" of {one.total:,}" if one.listing and one.total is not None else "")
        for one in progress.running
    ]
    return "syncing " + ", ".join(running)
