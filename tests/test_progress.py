"""The progress board: watchers see the newest value, and always the last one."""

from __future__ import annotations

import asyncio

from retrovue_daemon.progress import LibraryProgress, ProgressBoard


async def test_a_watcher_sees_the_newest_value_and_the_last_one() -> None:
    """Values in between may be missed by who is slow; the end never is."""
    board = ProgressBoard()
    seen = []

    async def watch() -> None:
        async for latest in board.watch():
            seen.append(latest)
            await asyncio.sleep(0)

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0)
    meter, _ = board.begin("home", "Movies"), board.begin("home", "TV Shows")
    for done in range(0, 1000, 100):
        meter.advance("movies", done, 1000)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen[-1].running[0] == LibraryProgress(1, "home", "Movies", "movies", 900, 1000)
    meter.finish()
    board.close()
    await watcher
    assert (seen[-1].libraries_done, seen[-1].libraries_total, seen[-1].running) == (
        1,
        2,
        (LibraryProgress(2, "home", "TV Shows"),),
    )
    assert seen[-1].closed
    assert len(seen) < 10


async def test_a_watcher_that_comes_late_sees_where_things_stand() -> None:
    """Also when everything is over already."""
    board = ProgressBoard()
    board.begin("home", "Movies").finish()
    board.close()
    values = [value async for value in board.watch()]
    assert [value.libraries_done for value in values] == [1]


async def test_libraries_of_one_name_are_counted_apart() -> None:
    """Two libraries of a server may share a title."""
    board = ProgressBoard()
    first, second = board.begin("home", "Movies"), board.begin("home", "Movies")
    first.advance("movies", 1, 2)
    second.advance("movies", 3, 4)
    running = board.latest.running
    assert [(one.number, one.done, one.total) for one in running] == [(1, 1, 2), (2, 3, 4)]
