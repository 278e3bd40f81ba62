"""The whole service in this process: started, controlled by real signals, ended without leftovers."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.errors import DatabaseBusy, DatabaseHeld, WriterStopped
from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service import daemon
from retrovue_daemon.service.daemon import SyncOptions, sync_once
from retrovue_daemon.service.reload import Process
from retrovue_daemon.service.report import exit_code
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.service.systemd import Notifier
from retrovue_daemon.store import writer
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.file.lock import holder
from retrovue_daemon.store.file.maintenance import backup
from retrovue_daemon.store.file.restoring import restore
from retrovue_daemon.store.items import upserts
from retrovue_daemon.sync import batches
from retrovue_daemon.sync.progress import ProgressBoard
from tests.service.conftest import table
from tests.support.patience import IMPATIENT, PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from retrovue_daemon.config import Config
    from retrovue_daemon.store.database import Database

LONGEST_END_S = 10


@pytest.fixture
async def run(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[Config], asyncio.Task[None]]]:
    """Run the daemon in this process, until a signal ends it."""
    monkeypatch.setattr(daemon, "PATIENT", IMPATIENT)
    tasks: list[asyncio.Task[None]] = []

    def begin(config: Config) -> asyncio.Task[None]:
        process = Process(None, None, sys.stdout, Redactor(), Notifier())
        tasks.append(asyncio.create_task(daemon.run(config, process), name="daemon"))
        return tasks[-1]

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _end(running: asyncio.Task[None], number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)
    async with asyncio.timeout(LONGEST_END_S):
        await running


async def _released(path: Path) -> None:
    """Wait for the thread that prepares a database: a signal ends the waiting for it, not its work."""
    async with asyncio.timeout(PATIENCE_S):
        while holder(path).held:  # noqa: ASYNC110 -- there is no event for it
            await asyncio.sleep(0)


def _check(path: Path) -> None:
    """Check that the database is intact and closed: no log is left, so any user may read it."""
    assert not path.with_name(path.name + "-wal").exists()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def _held() -> tuple[int, list[str], list[str]]:
    """Return what this process holds: open files, threads, tasks."""
    gc.collect()
    files = len(list(Path("/proc/self/fd").iterdir()))
    # The loop's own executor keeps its threads for the next piece of work.
    threads = sorted(thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_"))
    return files, threads, sorted(task.get_name() for task in asyncio.all_tasks())


@pytest.mark.time_limit(120)
async def test_many_rounds_leave_nothing_behind(run, config, plex, events, path) -> None:
    """No task, no thread, no socket, no file: after the last round there is no more than after the first."""
    settings = config(table(plex))
    held = []
    for number in range(20):
        running = run(settings)
        await events.count(3, "sync.finished")
        await _end(running)
        runner = plex._runner
        async with asyncio.timeout(PATIENCE_S):
            # The other ends of the connections are in this process, too.
            while runner is not None and runner.server is not None and runner.server.connections:  # noqa: ASYNC110
                await asyncio.sleep(0)
        if number in {0, 19}:
            held.append(_held())
    assert held[1] == held[0]
    _check(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_in_the_middle_of_a_batch_lets_it_be_committed(
    run, config, plex, events, path, rows, monkeypatch, number
) -> None:
    """And what was read and waits for the rest of its batch, too; the pass is recorded as cancelled."""
    write = upserts.write_items

    def write_slowly(*arguments):
        os.kill(os.getpid(), number)
        stopping.wait(LONGEST_END_S)
        return write(*arguments)

    stopping = threading.Event()
    monkeypatch.setattr(batches, "write_items", write_slowly)
    running = run(config(table(plex, libraries=["Dramas"])))
    await events.next("daemon.stopping")
    stopping.set()
    async with asyncio.timeout(LONGEST_END_S):
        await running
    assert [line["event"] for line in events.lines[-4:]] == [
        "daemon.stopping",
        "sync.finished",
        "items.changed",
        "daemon.stopped",
    ]
    assert rows("SELECT title FROM movies ORDER BY 1") == [("Dramas 1",), ("Dramas 2",)]
    told, named = events.lines[-3:-1]
    assert [(item["op"], item["title"]) for item in named["items"]] == [
        ("added", "Dramas 1 (1921)"),
        ("added", "Dramas 2 (1922)"),
    ]
    assert rows("SELECT id, status FROM sync_runs") == [(told["run_id"], told["status"])]
    assert told["status"] == "cancelled"
    _check(path)


async def test_a_signal_during_a_backoff_ends_it(run, config, plex, events, path) -> None:
    """Nothing is waited for."""
    await plex.stop()
    running = run(config(table(plex)))
    await events.next("server.unreachable")
    await _end(running)
    assert events.lines[-1]["event"] == "daemon.stopped"
    _check(path)


async def test_a_signal_while_a_server_hangs_ends_it(run, config, plex, events, path, rows) -> None:
    """In the middle of a page, and of the first contact with another server."""
    for film in list(plex.world.movies()):
        # A page with ids needs no second request without streams.
        plex.changes.edit(film.id, external_guids=("imdb://tt0012349",))
    page = plex.faults.hang("/library/sections/2/all", after=1)
    running = run(config(table(plex), sync={"page_size": 1}))
    await page.reached.wait()
    await events.count(2, "sync.finished")
    await _end(running)
    assert rows("SELECT count(*) FROM movies") == [(5,)]
    _check(path)


async def test_a_signal_during_the_start_ends_it(run, config, plex, events, path, locked) -> None:
    """Before anything was opened, and while another program keeps the database from being opened."""
    running = run(config(table(plex)))
    await events.next("daemon.starting")
    await _end(running)
    assert not events.of("daemon.started")
    await _released(path)
    again = run(config(table(plex)))
    await events.count(3, "sync.finished")
    await _end(again)
    async with locked():
        waiting = run(config(table(plex)))
        await events.next("daemon.starting")
        await _end(waiting)
    await _released(path)
    _check(path)


async def test_a_signal_while_another_program_writes_ends_it(run, config, plex, events, locked, monkeypatch) -> None:
    """Its lock is waited for, but for seconds only: of the ten that the end may take, half are kept for that."""
    assert writer.CLOSING_S <= LONGEST_END_S / 2
    monkeypatch.setattr(writer, "CLOSING_S", 0.1)
    running = run(config(table(plex)))
    await events.count(3, "sync.finished")
    plex.changes.add_movie("2", "Pandora's Box", 1929)
    async with locked():
        os.kill(os.getpid(), signal.SIGUSR1)
        await plex.asked("/library/sections", 2)
        await _end(running)
    assert events.lines[-1]["event"] == "daemon.stopped"


@pytest.mark.parametrize("since", ["the start", "the listing"])
async def test_a_sync_that_another_program_locks_out_is_worth_another_try(
    config, plex, locked, monkeypatch, since
) -> None:
    """Whenever that program began to write: an operator's script may try again at exit code 75."""
    monkeypatch.setattr(writer, "BUSY_TRIES", 1)
    settings = config(table(plex))
    await sync_once(settings, SyncOptions(), ProgressBoard(), Redactor(), retry=IMPATIENT)
    plex.changes.add_movie("2", "Pandora's Box", 1929)
    if since == "the start":
        async with locked():
            with pytest.raises(DatabaseBusy):
                await sync_once(settings, SyncOptions(), ProgressBoard(), Redactor(), retry=IMPATIENT)
        return
    page = plex.faults.hang("/library/sections/2/all")
    options = SyncOptions(selection=Selection(full=True))
    syncing = asyncio.create_task(sync_once(settings, options, ProgressBoard(), Redactor(), retry=IMPATIENT))
    await page.reached.wait()
    async with locked():
        page.release.set()
        assert exit_code(await syncing) == DatabaseBusy.exit_code


async def test_sigusr1_looks_at_every_server_at_once(run, config, plex, start_plex, events) -> None:
    """However long their intervals are; a storm of it is one look or two."""
    other = await start_plex("Musicals", name="Bijou")
    running = run(config(table(plex), table(other, "attic"), sync={"interval": "7d"}))
    await events.count(4, "sync.finished")
    looks = len(plex.requests_for("/identity"))
    for _ in range(50):
        os.kill(os.getpid(), signal.SIGUSR1)
    await events.count(3, "sync.finished", server="home")
    assert len(plex.requests_for("/identity")) - looks <= 2
    assert len(other.requests_for("/identity")) >= 2
    await _end(running)


async def test_a_writer_that_dies_ends_the_service(run, config, plex, events) -> None:
    """Nothing could be stored any more; systemd starts it anew."""
    running = run(config(table(plex)))
    await events.count(3, "sync.finished")
    (writing,) = [task for task in asyncio.all_tasks() if task.get_name() == "writer"]
    writing.cancel()
    with pytest.raises(WriterStopped):
        async with asyncio.timeout(LONGEST_END_S):
            await running


async def test_a_sync_that_takes_a_restored_database_is_waited_for(
    run, config, plex, events, path, tmp_path, monkeypatch
) -> None:
    """The lock is free for a moment while the daemon begins anew; at its first start it does not wait."""
    openings = 0

    @asynccontextmanager
    async def open_late(*arguments: Any, **options: Any) -> AsyncIterator[Database]:
        nonlocal openings
        openings += 1
        if openings == 2:
            raise DatabaseHeld(path, None)
        async with open_database(*arguments, **options) as database:
            yield database

    monkeypatch.setattr(daemon, "HELD_S", 0)
    monkeypatch.setattr(daemon, "open_database", open_late)
    running = run(config(table(plex)))
    await events.count(3, "sync.finished")
    await asyncio.to_thread(backup, path, tmp_path / "copy.db")
    restored = await asyncio.to_thread(restore, path, tmp_path / "copy.db")
    assert restored.beside_daemon
    await events.next("store.restored")
    await events.next("daemon.started")
    assert openings == 3
    await _end(running)
    openings = 1
    with pytest.raises(DatabaseHeld):
        await run(config(table(plex)))
