"""The same calls for programs that cannot await: outside a loop, and below one that runs."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

import pytest

from retrovue_daemon import Database, SyncResult, create_plex_importer, run_sync
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.errors import UnknownId
from tests.support.processes import DEVELOPMENT, SLOW
from tests.support.servers import served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.conftest import Calls


async def mirrored(path: Path, plex: SimulatedPlex, calls: Calls) -> SyncResult:
    async with Database(path) as database:
        server_id = await database.add_plex_server("home", plex.url, plex.token)
        importer = create_plex_importer(server_id, database, calls.on_status)
        return await importer.sync_all_libraries(calls.on_progress)


def test_outside_a_loop(path: Path, calls: Calls) -> None:
    """A whole sync with callbacks is one call; the thread and all that it opened are gone."""
    with served(built_in_library()) as plex:
        before = set(threading.enumerate())
        assert run_sync(mirrored, path, plex, calls=calls)["added"] == 112
        assert set(threading.enumerate()) == before
    assert calls.progress[-1][0][:2] == (7, 7)


async def test_below_a_running_loop(path: Path, calls: Calls) -> None:
    """It blocks as every plain call does, and the loop continues afterwards."""
    with served(built_in_library()) as plex:
        assert run_sync(mirrored, path, plex, calls)["added"] == 112
    await asyncio.sleep(0)


def test_below_itself(path: Path) -> None:
    """A plain callback or helper may use it again."""

    async def outer() -> int:
        return await asyncio.to_thread(run_sync, inner) + run_sync(inner)

    async def inner() -> int:
        async with Database(path) as database:
            return len(await database.get_plex_servers()) + 1

    assert run_sync(outer) == 2


def test_errors_are_raised_where_it_was_called(path: Path) -> None:
    """As themselves."""

    async def work(server_id: int) -> NoReturn:
        async with Database(path) as database:
            create_plex_importer(server_id, database)
        raise AssertionError

    with pytest.raises(UnknownId) as caught:
        run_sync(work, server_id=9)
    assert caught.value.row_id == 9

    async def leave() -> NoReturn:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run_sync(leave)


def test_context_variables_are_seen() -> None:
    """What a program has bound for its logs holds for this as well."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("seen")

    async def look() -> str:
        return variable.get()

    assert run_sync(look) == "seen"


PROGRAM = """
import asyncio, threading
from retrovue_daemon import run_sync

async def work():
    try:
        print("begun", flush=True)
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        print("cleaned", flush=True)

try:
    run_sync(work)
except KeyboardInterrupt:
    print("interrupted", threading.active_count(), flush=True)
"""


async def test_an_interrupt_ends_the_work_first() -> None:
    """What it opened is closed before the program continues."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(*DEVELOPMENT, "-c", PROGRAM),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert await process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert out.decode().splitlines() == ["cleaned", "interrupted 1"]
    assert SLOW.sub("", err.decode()) == ""
