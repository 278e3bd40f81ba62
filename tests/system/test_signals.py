"""Signals at the edges of the service's life: before it is ready, and when a person presses Ctrl-C twice."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.logs import Log
from tests.support.patience import PATIENCE_S
from tests.support.processes import has, mask_of

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.commands("program")


async def _until(holds: Callable[[], bool]) -> None:
    """Wait for a state of another process that sends no event."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 -- there is no event for it
            await asyncio.sleep(0)


def _holds_back(process: asyncio.subprocess.Process) -> bool:
    """Tell whether a process holds SIGHUP back, and not, as for an instant while a thread begins, all signals."""
    blocked = mask_of(process, "SigBlk")
    return has(blocked, signal.SIGHUP) and not has(blocked, signal.SIGTERM)


async def test_sighup_is_no_end_from_the_first_line_on(commands, plex, config_file) -> None:
    """A storm of it while Python imports, while the database is opened, while servers are reached for.

    What comes before the file is read means nothing; what comes afterwards is a reload once the service has started.
    """
    process = await commands.start("run", "--config", config_file(plex))
    await _until(lambda: _holds_back(process))
    log = Log(process)
    for number in (signal.SIGHUP, signal.SIGUSR1) * 100:
        process.send_signal(number)
        await asyncio.sleep(0)
    await log.next("daemon.starting")
    process.send_signal(signal.SIGHUP)
    await log.next("daemon.started")
    await log.next("config.unchanged")
    assert await log.end() == (0, "")
    assert log.lines[-1]["event"] == "daemon.stopped"


async def test_a_signal_that_the_parent_had_blocked_is_a_reload_too(commands, plex, config_file) -> None:
    """The signal was sent before the program had its first turn, and waits until it can act on it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        process = await commands.start("run", "--config", config_file(plex))
        process.send_signal(signal.SIGHUP)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    log = Log(process)
    await log.next("daemon.started")
    assert (await log.end())[0] == 0


async def test_ctrl_c_while_it_starts_ends_it_without_a_traceback(commands, plex, config_file) -> None:
    """Nothing was opened yet that would have to be closed."""
    process = await commands.start("run", "--config", config_file(plex))
    await _until(lambda: _holds_back(process) and not has(mask_of(process, "SigCgt"), signal.SIGINT))
    code, err = await Log(process).end(signal.SIGINT)
    assert (code, err) == (-signal.SIGINT, "")


async def test_a_second_ctrl_c_ends_it_at_once(commands, plex, config_file, path, rows) -> None:
    """The first one waits for another program's lock to write what was read; the second ends that wait."""
    process = await commands.start("run", "--config", config_file(plex))
    log = Log(process)
    await log.next("sync.finished")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        process.send_signal(signal.SIGUSR1)
        await log.next("sync.requested")
        process.send_signal(signal.SIGINT)
        await log.next("daemon.stopping")
        assert await log.end(signal.SIGINT) == (128 + signal.SIGINT, "")
    assert "daemon.stopped" not in log.text
    assert rows("PRAGMA integrity_check") == [("ok",)]


async def test_a_reader_of_the_log_who_does_not_read_keeps_no_signal_from_ending_it(
    commands, plex, config_file
) -> None:
    """Nor the service from its work: lines are lost then, and SIGTERM is obeyed."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4_096)
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4_096)
    os.set_blocking(writing, True)
    process = await commands.start(
        "run", "--config", config_file(plex, extra='[sync]\ninterval = "1s"'), stdout=writing
    )
    os.close(writing)
    await _until(lambda: len(plex.requests_for("/identity")) > 2)
    process.terminate()
    async with asyncio.timeout(10):
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    os.close(reading)


BLOCKED = """
import asyncio, os
from retrovue_daemon.service.signals import Signals

async def block():
    _, writing = os.pipe()
    with Signals():
        print("blocked", flush=True)
        while True:
            os.write(writing, bytes(1_000_000))  # the pipe is not read

asyncio.run(block())
"""


async def test_a_second_ctrl_c_ends_it_also_where_the_event_loop_is_held_up() -> None:
    """Whatever it is that does not come back."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", BLOCKED, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"blocked\n"
        for _ in range(2):
            await _until(lambda: process.returncode is not None or _sleeps(process))
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 128 + signal.SIGINT
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _sleeps(process: asyncio.subprocess.Process) -> bool:
    """Tell whether a process waits for something, and no signal waits for it: proc_pid_status(5)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return "State:\tS" in status and not has(mask_of(process, "ShdPnd"), signal.SIGINT)
