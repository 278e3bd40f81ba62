"""Signals at the edges of the service's life: before it can do anything, and when somebody does not want to wait."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.system.service import PATIENCE_S, Log, has, mask_of

if TYPE_CHECKING:
    from collections.abc import Callable


async def _until(holds: Callable[[], bool]) -> None:
    """Wait for what another process does to itself, of which nobody tells."""
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


async def test_one_that_was_held_back_by_whoever_started_it_is_a_reload_too(commands, plex, config_file) -> None:
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
    """The first one waits for another program's lock, to write what was read; somebody does not want to."""
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
