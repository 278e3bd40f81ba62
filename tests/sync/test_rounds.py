"""What the passes of one round share: which still list, and which rows took over which."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.rekeying import Rekeyed
from retrovue_daemon.sync import rounds
from retrovue_daemon.sync.rounds import MergedRows, Round
from retrovue_daemon.sync.seen import SeenIds

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest


def _seen(*ids: int) -> SeenIds:
    seen = SeenIds()
    seen.update(ids)
    return seen


def _rekeyed(pairs: dict[Kind, Mapping[int, int]], **arrived: int) -> Rekeyed:
    return Rekeyed(pairs, Counter({int(name.removeprefix("library")): number for name, number in arrived.items()}))


def test_a_row_that_took_over_a_listed_one_is_listed() -> None:
    """The listing showed the younger one, under the id that is gone; every other row must have been shown itself."""
    merged_rows = MergedRows()
    assert merged_rows.unlisted(Kind.MOVIE, [1, 2], _seen(9), 5) == [1, 2]
    merged_rows.note(_rekeyed({Kind.MOVIE: {1: 9, 2: 8}}))
    assert list(merged_rows.unlisted(Kind.MOVIE, [1, 2, 3], _seen(9), 5)) == [2, 3]
    assert merged_rows.unlisted(Kind.SHOW, [1], _seen(9), 5) == [1]


def test_heirs_of_several_passes_are_remembered_until_none_runs() -> None:
    """They are shared by all rounds over a server: passes of two rounds may overlap."""
    merged_rows = MergedRows()
    first, second = Round(merged_rows), Round(merged_rows)
    first.note(_rekeyed({Kind.MOVIE: {1: 9}}, library5=1))
    second.note(_rekeyed({Kind.MOVIE: {2: 8}}, library5=2, library6=1))
    assert not merged_rows.unlisted(Kind.MOVIE, [1, 2], _seen(8, 9), 5)
    assert (first.arrived, second.arrived) == (Counter({5: 1}), Counter({5: 2, 6: 1}))
    first.note(_rekeyed({Kind.SHOW: {3: 7}}, library5=1))
    assert first.arrived == Counter({5: 2})
    merged_rows.forget()
    assert merged_rows.unlisted(Kind.MOVIE, [1, 2], _seen(8, 9), 5) == [1, 2]


def test_a_row_read_one_by_one_is_listed() -> None:
    """Only if it was requested since the listing began, which may not have shown it."""
    merged_rows = MergedRows()
    merged_rows.note_read(Kind.MOVIE, [1, 2], 5)
    merged_rows.note_read(Kind.MOVIE, [2], 6)
    assert list(merged_rows.unlisted(Kind.MOVIE, [1, 2, 3], _seen(9), 5)) == [1, 3]
    assert merged_rows.unlisted(Kind.SHOW, [1], _seen(9), 4) == [1]
    merged_rows.forget()
    assert merged_rows.unlisted(Kind.MOVIE, [1, 2], _seen(9), 5) == [1, 2]


async def _waits(waiting: asyncio.Task[None]) -> bool:
    """Give a task every chance to end, and return whether it still runs."""
    for _ in range(10):
        await asyncio.sleep(0)
    return not waiting.done()


async def test_who_removes_waits_until_the_others_have_looked() -> None:
    """At libraries of the same type only: films do not become episodes."""
    round_ = Round(MergedRows())
    for kind, library in (("movie", 1), ("movie", 2), ("show", 3)):
        round_.begin(kind, library)
    round_.end_listing("movie", 1)
    waiting = asyncio.create_task(round_.wait_for_listings("movie"))
    assert await _waits(waiting)
    round_.end_listing("movie", 2)
    assert not await _waits(waiting)


async def test_who_adds_waits_until_the_others_have_judged() -> None:
    """Having looked is not enough. A pass that ends has looked, too, and one that never began is not waited for."""
    round_ = Round(MergedRows())
    round_.begin("movie", 1)
    round_.begin("movie", 2)
    round_.end("movie", 1)
    round_.end_listing("movie", 2)
    waiting = asyncio.create_task(round_.wait_for_removals("movie"))
    assert await _waits(waiting)
    round_.end("movie", 2)
    assert not await _waits(waiting)
    round_.end("movie", 7)
    assert not await _waits(asyncio.create_task(round_.wait_for_listings("movie")))


async def test_a_pass_that_hangs_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others continue without it."""
    monkeypatch.setattr(rounds, "LONGEST_WAIT_S", 0.01)
    round_ = Round(MergedRows())
    round_.begin("movie", 1)
    await round_.wait_for_listings("movie")
    await round_.wait_for_removals("movie")


async def test_a_pass_whose_library_does_not_respond_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by those who remove nor by those who add; its own items are looked for when it has listed them."""
    monkeypatch.setattr(rounds, "SILENT_S", 0.01)
    round_ = Round(MergedRows())
    round_.begin("movie", 1)
    page: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asking = asyncio.create_task(round_.page("movie", 1, page))
    async with asyncio.timeout(10):
        await round_.wait_for_listings("movie")
        await round_.wait_for_removals("movie")
    page.set_result(7)
    assert await asking == 7


async def test_a_pass_that_is_busy_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes, or waits for its turn: nothing shows that its library does not respond."""
    monkeypatch.setattr(rounds, "SILENT_S", 0.001)
    round_ = Round(MergedRows())
    round_.begin("movie", 1)
    await round_.page("movie", 1, asyncio.sleep(0))
    waiting = asyncio.create_task(round_.wait_for_listings("movie"))
    await asyncio.sleep(0.01)  # longer than a silence, so that a wait that ended with it would show
    assert await _waits(waiting)
    round_.end_listing("movie", 1)
    assert not await _waits(waiting)
