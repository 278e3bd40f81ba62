"""The daemon as the harness starts it: ``python -m tests.chaos.child COMMAND…``.

It is the ordinary program, with four changes that environment variables switch on:

- ``CHAOS_SPEED``: waits are so many times shorter, and the monotonic clock so many times faster. Timeouts of the
  network stay as they are, except the one for a whole response.
- ``CHAOS_CLOCK``: a file with the seconds by which the system clock is wrong; it may change at any time.
- ``CHAOS_KILL``: ``statement:N``, ``step:N`` or ``commit:N``: the process kills itself at its Nth SQL statement,
  after N times twenty steps of SQLite's virtual machine, or at the first statement after its Nth commit: before, in,
  or between transactions.
- ``CHAOS_REPORT``: a file that gets the measurements when the process ends by itself.
- ``CHAOS_FILE_SIZE``: no file may become larger than so many bytes, as on a full disk.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

STEPS = 20
STARTED = "supervisor"
"""Blocks count from the moment at which a task of this name exists: before, modules are imported."""


class Measurements:
    """What is reported at the end."""

    statements = 0
    steps = 0
    commits = 0
    block_cpu_s = 0.0
    """The most processor time that one callback of the event loop took: that of other processes does not count."""
    block_in = ""

    @classmethod
    def write(cls, path: Path) -> None:
        values = {name: getattr(cls, name) for name in ("statements", "steps", "block_cpu_s", "block_in")}
        path.write_text(json.dumps(values))


def main() -> None:
    """Run the command line."""
    speed = float(os.environ.get("CHAOS_SPEED", "1"))
    _count_sql(os.environ.get("CHAOS_KILL", ""))
    if "CHAOS_FILE_SIZE" in os.environ:
        most = int(os.environ["CHAOS_FILE_SIZE"])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    if speed != 1:
        _hurry(speed)
    if "CHAOS_CLOCK" in os.environ:
        _shift_clock(Path(os.environ["CHAOS_CLOCK"]))
    report = os.environ.get("CHAOS_REPORT")
    if report is not None:
        _measure_blocks()
    from retrovue_daemon.cli import main as command_line  # noqa: PLC0415 -- after the changes

    try:
        command_line()
    finally:
        if report is not None:
            Measurements.write(Path(report))


def _count_sql(kill: str) -> None:
    """Count statements and steps of all connections; kill the process at the one that ``kill`` names."""
    what, _, number = kill.partition(":")
    at = int(number) if number else -1
    connect = sqlite3.connect

    def statement(text: str) -> None:
        Measurements.statements += 1
        if at == {"statement": Measurements.statements, "commit": Measurements.commits}.get(what):
            os.kill(os.getpid(), signal.SIGKILL)
        Measurements.commits += text.strip().upper().startswith(("COMMIT", "RELEASE"))

    def step() -> int:
        Measurements.steps += 1
        if what == "step" and Measurements.steps == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def counted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(statement)
        connection.set_progress_handler(step, STEPS)
        return connection

    sqlite3.connect = counted  # type: ignore[assignment]  # with the same arguments


def _hurry(speed: float) -> None:
    import asyncio  # noqa: PLC0415 -- a tenth of a second, which other commands would not take

    from retrovue_daemon import clock  # noqa: PLC0415 -- imported only once all connections are counted
    from retrovue_daemon.sources.plex import transport  # noqa: PLC0415 -- likewise

    sleep = asyncio.sleep

    def monotonic(_clock: clock.Clock) -> float:
        return time.monotonic() * speed

    async def hurried(delay: float, result: Any = None) -> Any:
        return await sleep(delay / speed, result)

    asyncio.sleep = hurried
    clock.Clock.monotonic = monotonic  # type: ignore[method-assign, assignment]
    transport.ANSWER_TIMEOUT /= speed  # type: ignore[misc]  # final, except here


def _shift_clock(file: Path) -> None:
    now = time.time

    def shifted() -> float:
        try:
            return now() + float(file.read_text())
        except (OSError, ValueError):  # while it is written
            return now()

    time.time = shifted


def _measure_blocks() -> None:
    """Measure how much processor time each callback of the event loop takes."""
    import asyncio  # noqa: PLC0415 -- likewise

    run = asyncio.Handle._run

    def is_serving() -> bool:
        return any(task.get_name() == STARTED for task in asyncio.all_tasks())

    def name(handle: asyncio.Handle) -> str:
        """Return which task a callback continued, if any."""
        task = getattr(getattr(handle, "_callback", None), "__self__", None)
        if not isinstance(task, asyncio.Task):
            return repr(handle)[:300]
        return f"{task.get_name()}: {task.get_coro()!r}"[:300]

    def measured(self: asyncio.Handle) -> None:
        began = time.thread_time()
        run(self)
        took = time.thread_time() - began
        if took > Measurements.block_cpu_s and is_serving():
            Measurements.block_cpu_s = took
            Measurements.block_in = name(self)

    asyncio.Handle._run = measured  # type: ignore[method-assign]  # the same signature


if __name__ == "__main__":
    main()
