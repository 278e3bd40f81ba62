"""The progress board: watchers see the newest value, and always the last one."""

from __future__ import annotations

import asyncio

from retrovue_daemon.sync.progress import LibraryProgress, Progress, ProgressBoard


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


async def test_a_slow_reader_delays_nothing_and_misses_only_intermediate_values() -> None:
    """The writer never waits: it goes through a thousand values while the reader looks at two."""
    board = ProgressBoard()
    watch = board.watch()
    seen = [await anext(watch)]
    meter = board.begin("home", "Movies")
    for done in range(1_000):
        meter.advance("movies", done, 1_000)
    seen.append(await anext(watch))
    assert [one.done for one in seen[-1].running] == [999]
    meter.finish()
    board.close()
    seen += [value async for value in watch]
    assert len(seen) == 3
    assert (seen[-1].libraries_done, seen[-1].closed) == (1, True)


async def test_every_reader_sees_the_last_value() -> None:
    """Those that wait, those that are busy with an older one, and those that come when all is over."""
    board = ProgressBoard()
    lasts = []

    async def watch(pauses: int) -> None:
        values = []
        async for latest in board.watch():
            values.append(latest)
            for _ in range(pauses):
                await asyncio.sleep(0)
        lasts.append(values[-1])

    watchers = [asyncio.create_task(watch(pauses)) for pauses in (0, 1, 7, 50)]
    for number in range(20):
        meter = board.begin("home", f"library {number}")
        await asyncio.sleep(0)
        meter.finish()
    board.close()
    watchers.append(asyncio.create_task(watch(0)))
    await asyncio.gather(*watchers)
    assert [(last.libraries_done, last.libraries_total) for last in lasts] == [(20, 20)] * 5


async def test_what_is_done_and_what_is_to_do_never_drift_apart() -> None:
    """A library counts once, even if its pass is cancelled and its meter ends twice, or continues after its end."""
    board = ProgressBoard()
    for _ in range(1_000):
        first, second = board.begin("home", "Movies"), board.begin("home", "TV Shows")
        first.finish()
        first.finish()
        first.advance("movies", 1, 2)
        second.finish()
    assert board.latest == Progress(libraries_done=2_000, libraries_total=2_000)
    assert board._running == {}


async def test_a_service_counts_anew_when_nothing_is_under_way() -> None:
    """After months, "8,640,000 of 8,640,003" would be useless."""
    board = ProgressBoard()
    first, second = board.begin("home", "Movies"), board.begin("home", "TV Shows")
    first.finish()
    board.new_round()
    assert (board.latest.libraries_done, board.latest.libraries_total) == (1, 2)
    second.finish()
    board.new_round()
    board.begin("home", "Movies")
    assert (board.latest.libraries_done, board.latest.libraries_total) == (0, 1)
