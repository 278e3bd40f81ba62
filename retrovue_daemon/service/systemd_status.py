"""The watchdog signal and status line for systemd."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from retrovue_daemon.errors import StoreError

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock
    from retrovue_daemon.logs.redaction import Redactor
    from retrovue_daemon.service.supervisor import Supervisor
    from retrovue_daemon.service.systemd import Notifier
    from retrovue_daemon.store.writer import Writer
    from retrovue_daemon.sync.progress import Progress

LONGEST_PING_S = 60.0
"""Seconds that the writer may take for a step: while it waits for another program's lock, each try is one."""

STATUS_S = 1.0


async def beat(notifier: Notifier, writer: Writer, clock: Clock) -> None:
    """Tell systemd again and again that the event loop and the writer are alive; for ever, or not at all.

    The writer answers through its queue. One that has not done so yet lives too, for a minute since it last made a
    step: it may have to wait for another program's lock, with one piece of work after the other, and what systemd
    waits may be shorter than that.
    """
    if notifier.watchdog_interval is None:
        return
    lived_at, steps, answer = clock.monotonic(), writer.steps, _ask(writer)
    try:
        while True:
            if answer.done() or writer.steps != steps:
                lived_at, steps = clock.monotonic(), writer.steps
            if answer.done():
                answer = _ask(writer)
            if clock.monotonic() - lived_at < LONGEST_PING_S:
                notifier.watchdog()
            # A step may come just after that minute: it and the pause have to fit into what systemd waits.
            await clock.sleep(notifier.watchdog_interval / 2)
    finally:
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)


def _ask(writer: Writer) -> asyncio.Task[None]:
    return asyncio.create_task(_answer(writer), name="ping of the writer")


async def _answer(writer: Writer) -> None:
    # A writer that could not get the lock has answered; whether it has ended is told elsewhere.
    with suppress(StoreError):
        await writer.catch_up()


async def show_status(notifier: Notifier, supervisor: Supervisor, redactor: Redactor, clock: Clock) -> None:
    """Show in systemd's status what is being synced and what is wrong, whenever that has changed.

    Titles in it are the servers' own, who have been shown tokens.
    """
    shown = ""
    while True:
        text = redactor.text(status_line(supervisor))
        if text != shown:
            notifier.status(text)
            shown = text
        await clock.sleep(STATUS_S)


def status_line(supervisor: Supervisor) -> str:
    """Say in one line what is being synced, and what is wrong."""
    return "; ".join([_doing(supervisor.board.latest), *supervisor.wrong])


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
