"""The watchdog signal and status line for systemd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.service.pulse import Pulse

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock
    from retrovue_daemon.logs.redaction import Redactor
    from retrovue_daemon.service.supervisor import Supervisor
    from retrovue_daemon.service.systemd import Notifier
    from retrovue_daemon.store.writer import Writer
    from retrovue_daemon.sync.progress import Progress

STATUS_S = 1.0


async def beat(notifier: Notifier, writer: Writer, clock: Clock) -> None:
    """Notify systemd's watchdog while the event loop and the writer are alive. Return at once without a watchdog."""
    if notifier.watchdog_interval is None:
        return
    pulse = Pulse(writer, clock)
    try:
        while True:
            if pulse.is_felt():
                notifier.watchdog()
            # A step may end just after that minute: it and this pause must fit into systemd's timeout.
            await clock.sleep(notifier.watchdog_interval / 2)
    finally:
        await pulse.stop()


async def show_status(notifier: Notifier, supervisor: Supervisor, redactor: Redactor, clock: Clock) -> None:
    """Keep systemd's status line up to date: what is being synced, and what is wrong.

    Known secrets are removed: the line contains titles, and servers choose these and know their tokens.
    """
    shown = ""
    while True:
        text = redactor.text(status_line(supervisor))
        if text != shown:
            notifier.status(text)
            shown = text
        await clock.sleep(STATUS_S)


def status_line(supervisor: Supervisor) -> str:
    """Return one line that says what is being synced, which servers are live, and what is wrong."""
    return "; ".join([_doing(supervisor.board.latest), *_live(supervisor), *supervisor.wrong])


def _live(supervisor: Supervisor) -> list[str]:
    # What is wrong says it of servers that cannot be used.
    usable = {name: worker for name, worker in supervisor.workers.items() if worker.health.error is None}
    states = {name: worker.live.status.latest for name, worker in usable.items()}
    live = [name for name, state in states.items() if state.is_live]
    polled = [
        name for name, state in states.items() if not state.is_live and not state.is_off and state.reason is not None
    ]
    words = (("live", live), ("only polled", polled))
    return [f"{word}: {', '.join(names)}" for word, names in words if names]


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
