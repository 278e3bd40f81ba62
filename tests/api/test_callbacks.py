"""Callbacks: plain or async, slow or broken, they learn how far a sync is and never hold it up."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.api import callbacks as callbacks_module
from retrovue_daemon.api.callbacks import Callbacks
from retrovue_daemon.sync.progress import Progress, ProgressBoard

if TYPE_CHECKING:
    from retrovue_daemon.api.importer import PlexImporter
    from retrovue_daemon.demo import SimulatedPlex
    from tests.api.conftest import Calls


async def test_both_levels_are_reported(importer: PlexImporter, calls: Calls) -> None:
    """Each step with its numbers and its name; the last call says that all is done, and what it brought."""
    await importer.sync_all_libraries(calls.on_progress)
    libraries = {library[2] for library, _, _ in calls.progress if library}
    assert {"Movies", "TV Shows", "Trailers & Bumpers"} <= libraries
    assert all(library[:2] <= (7, 7) for library, _, _ in calls.progress)
    assert (27, 27, "VTS_01_1") in [item for _, item, _ in calls.progress]
    assert all(item[1] > 0 for _, item, _ in calls.progress if item)
    last, item, message = calls.progress[-1]
    assert (last[:2], item, message) == ((7, 7), None, "server 'home': 112 added, 0 updated, 0 removed")


async def test_libraries_that_were_never_seen_reading_count() -> None:
    """Small libraries finish before they can be shown; one that waits for its first page has no progress."""
    board, steps = ProgressBoard(), list[Any]()
    done = asyncio.Event()

    async def note(*, library_progress: Any, item_progress: Any, message: Any) -> None:
        steps.append((library_progress, item_progress, message))
        done.set()

    async with Callbacks(board, note) as callbacks:
        board.begin("home", "Small").finish()
        board.begin("home", "Slow")
        board.begin("home", "Waiting")
        async with asyncio.timeout(20):
            await done.wait()
        callbacks.set_final("over")
    assert steps == [((1, 3, "Slow"), None, None), ((3, 3, "Slow"), None, "over")]


async def test_status_messages_say_what_happens(importer: PlexImporter, calls: Calls) -> None:
    """What begins, what ends, and what came of it."""
    importer.status_callback = calls.on_status
    await importer.sync_library("2")
    assert calls.messages == [
        "Movies 4K: reading",
        "Movies 4K: done",
        "server 'home': 2 added, 0 updated, 0 removed",
    ]


async def test_what_goes_wrong_is_the_last_word(importer: PlexImporter, plex: SimulatedPlex, calls: Calls) -> None:
    """Of both callbacks, before the error is raised."""
    importer.status_callback = calls.on_status
    await plex.stop()
    with pytest.raises(Exception, match="cannot be reached"):
        await importer.sync_all_libraries(calls.on_progress)
    assert calls.messages[-1].startswith("server 'home' cannot be reached")
    assert calls.progress[-1][2] == calls.messages[-1]


class Several:
    """Callables of every kind; each notes the thread that it was called in."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def plain(self, **_keywords: Any) -> None:
        self.threads.append(threading.current_thread())

    async def asynchronous(self, **_keywords: Any) -> None:
        self.threads.append(threading.current_thread())

    async def __call__(self, **_keywords: Any) -> None:
        self.threads.append(threading.current_thread())


@pytest.mark.parametrize(
    ("kind", "in_loop"),
    [("plain", False), ("asynchronous", True), ("partial", True), ("object", True), ("lambda", True)],
)
async def test_callbacks_may_be_plain_or_async(importer: PlexImporter, kind, in_loop) -> None:
    """Plain ones run in a thread, so that they may block; coroutines run in the loop, whatever makes them."""
    several = Several()
    callbacks: dict[str, Any] = {
        "plain": several.plain,
        "asynchronous": several.asynchronous,
        "partial": functools.partial(several.asynchronous, more=1),
        "object": several,
        "lambda": lambda **keywords: several(**keywords),  # noqa: PLW0108 -- plain, and gives a coroutine
    }
    await importer.sync_library("2", None, callbacks[kind])
    assert len(several.threads) >= 2
    assert {thread is threading.current_thread() for thread in several.threads} == {in_loop}


async def test_a_callback_that_blocks_delays_nothing_but_itself(
    importer: PlexImporter, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync is done while the first call still lasts; what was in between is missed, the end is not."""
    held, finished = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def blocking(**keywords: Any) -> None:
        calls.progress.append((keywords["library_progress"], None, None))
        loop.call_soon_threadsafe(begun.set)
        assert held.wait(20)

    begun = asyncio.Event()
    real = importer._sync_here

    async def until_done(*args: Any) -> Any:
        try:
            return await real(*args)
        finally:
            finished.set()

    monkeypatch.setattr(importer, "_sync_here", until_done)
    sync = asyncio.create_task(importer.sync_all_libraries(blocking))
    async with asyncio.timeout(20):
        await begun.wait()
        await finished.wait()
        assert len(calls.progress) == 1
        assert not sync.done()
        held.set()
        result = await sync
    assert result["added"] == 112
    assert len(calls.progress) < 20
    assert calls.progress[-1][0][:2] == (7, 7)


async def test_calls_never_overlap(importer: PlexImporter) -> None:
    """A callback need not be prepared for itself."""
    running = 0
    most = 0

    async def slow(**keywords: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    importer.status_callback = lambda message: slow(message=message)
    await importer.sync_all_libraries(slow)
    assert most == 1


@pytest.mark.parametrize(
    "error", [ValueError("a mistake of the program"), StopIteration(), asyncio.CancelledError(), SystemExit(3)]
)
@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_a_callback_that_raises_is_logged_once(
    importer: PlexImporter, caplog: pytest.LogCaptureFixture, kind: str, error: BaseException
) -> None:
    """And called again: it may do better, and the sync continues in any case."""
    called = []

    def plain(**keywords: Any) -> None:
        called.append(keywords)
        raise error

    async def asynchronous(**keywords: Any) -> None:
        plain(**keywords)

    caplog.set_level(logging.ERROR, logger="retrovue_daemon")
    result = await importer.sync_all_libraries(asynchronous if kind == "async" else plain)
    assert result["added"] == 112
    assert len(called) >= 2
    (record,) = [record for record in caplog.records if "event=callback.failed" in record.getMessage()]
    assert "callback=progress" in record.getMessage()
    assert type(error).__name__ in record.getMessage() or "RuntimeError" in record.getMessage()


async def test_a_cancelled_block_does_not_wait() -> None:
    """A callback that lasts is left to itself."""
    board = ProgressBoard()
    begun = asyncio.Event()

    async def endless(**keywords: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def work() -> None:
        async with Callbacks(board, endless):
            board.begin("home", "Movies").advance("movies", 1, 2)
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    async with asyncio.timeout(20):
        await begun.wait()
    task.cancel()
    await asyncio.wait({task}, timeout=20)
    assert task.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_after_the_end_a_slow_callback_is_called_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes during a call are skipped: the caller of the sync waits for one callback, not for a queue of them."""
    monkeypatch.setattr(callbacks_module, "LATE_S", 0.0)
    board, steps = ProgressBoard(), list[Any]()
    begun, held = asyncio.Event(), asyncio.Event()

    async def slow(**keywords: Any) -> None:
        steps.append((keywords["library_progress"], keywords["message"]))
        begun.set()
        await held.wait()

    async with Callbacks(board, slow) as callbacks:
        meters = [board.begin("home", title) for title in ("One", "Two", "Three", "Four")]
        for meter in meters:
            meter.advance("movies", 1, 2)
        async with asyncio.timeout(20):
            await begun.wait()
        for meter in meters:
            meter.finish()
        callbacks.set_final("over")
        asyncio.get_running_loop().call_soon(held.set)
    assert [message for _, message in steps] == ["One: reading", "over"]
    assert steps[-1][0] == (4, 4, "Four")


async def test_what_no_board_has_shown_has_a_name(calls: Calls) -> None:
    """Beside a daemon the work may be done before the first poll."""
    async with Callbacks(ProgressBoard(), calls.on_progress) as callbacks:
        board = callbacks._board
        board.mirror(Progress(1, 1))
        callbacks.set_final("over", "Movies ")
    assert calls.progress[-1] == ((1, 1, "Movies"), None, "over")


async def test_without_a_callback_there_is_no_task() -> None:
    """No callback is called."""
    async with Callbacks(ProgressBoard()) as callbacks:
        callbacks.set_final("done")
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_server_that_says_no_totals_gives_numbers_all_the_same(
    importer: PlexImporter, plex: SimulatedPlex, calls: Calls
) -> None:
    """As many as came so far: a bar has something to divide by."""
    plex.quirks.no_totals = True
    await importer.sync_library("1", None, calls.on_progress)
    items = [item for _, item, _ in calls.progress if item]
    assert items
    assert all(done == total > 0 for done, total, _ in items)


async def test_a_library_without_items_has_no_step(importer: PlexImporter, calls: Calls) -> None:
    """Nobody divides by zero."""
    await importer.sync_library("7", None, calls.on_progress)
    assert [item for _, item, _ in calls.progress if item] == []
    assert calls.progress[-1][0] == (1, 1, "Documentaries")
