"""The memory for bodies: shared by all servers, never exceeded, and never a deadlock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.sources.plex.body import BodyBudget, DecodingTurn
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from retrovue_daemon.sources.plex.body import BodyShare


async def settle() -> None:
    """Let every task get as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


def reading(share: BodyShare, *sizes: int) -> asyncio.Task[None]:
    async def read() -> None:
        with share:
            for size in sizes:
                await share.add(bytes(size))
            share.join()
            assert len(share.content) == sum(sizes)
            await asyncio.Event().wait()

    return asyncio.create_task(read())


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_body_that_nobody_waits_for_waits_for_memory() -> None:
    """It may not take what is reserved for one whole body."""
    budget = BodyBudget(32, 16)
    wanted = asyncio.Event()
    first, second = reading(budget.share("home", wanted), 10), reading(budget.share("home", wanted), 10)
    await settle()
    assert budget.used == 10
    await end(first)
    await settle()
    assert budget.used == 10
    await end(second)
    assert budget.used == 0


async def test_a_body_whose_reader_waits_gets_to_its_end() -> None:
    """Whatever the pages behind it have taken; another one like it gets its turn."""
    budget = BodyBudget(32, 16)
    later = [reading(budget.share("home", asyncio.Event()), 8) for _ in range(4)]
    await settle()
    assert budget.used == 16
    first, second = reading(budget.share("home"), 8, 8), reading(budget.share("home"), 16)
    await settle()
    assert budget.used == 32
    await end(first)
    await settle()
    assert budget.used == 32
    await end(second, *later)
    assert (budget.used, budget.peak) == (0, 32)


async def test_a_body_goes_on_as_soon_as_its_reader_gets_to_it() -> None:
    """It was fetched early, and waits for no other body then."""
    budget = BodyBudget(32, 16)
    wanted = asyncio.Event()
    before = reading(budget.share("home", asyncio.Event()), 8)
    early, other = reading(budget.share("home", wanted), 8, 8), reading(budget.share("home", asyncio.Event()), 8)
    await settle()
    assert budget.used == 16
    wanted.set()
    await settle()
    assert budget.used == 24
    await end(early)
    await settle()
    assert budget.used == 16
    await end(before, other)


async def test_the_deadline_stands_still_while_a_body_waits_for_memory() -> None:
    """The server has done its part."""
    budget = BodyBudget(32, 16)
    blocking, share = reading(budget.share("home"), 16), budget.share("home", asyncio.Event())
    await settle()
    async with asyncio.timeout(30) as share.deadline:
        growing = asyncio.create_task(share.add(bytes(1)))
        await settle()
        assert share.deadline.when() is None
        await end(blocking)
        await growing
        when = share.deadline.when()
        assert when is not None
        assert when - asyncio.get_running_loop().time() == pytest.approx(30, abs=5)


async def test_a_body_is_dropped_although_an_exception_holds_its_response() -> None:
    """A traceback keeps the variables of the functions that it left."""
    budget = BodyBudget(32, 16)
    with budget.share("home") as share:
        await share.add(b"body")
        share.join()
        assert share.content == b"body"
    assert (share.content, budget.used) == (b"", 0)


TIMER = 0


async def decoded(turn: DecodingTurn, *sizes: int) -> list[int]:
    """Decode bodies of these sizes at once; return their sizes, and TIMER for each timer due since one of them."""
    found: list[int] = []
    end = asyncio.Event()

    def over() -> None:
        found.append(TIMER)
        if found.count(TIMER) == len(sizes):
            end.set()

    async def decode(size: int) -> None:
        await turn.begin(size)
        asyncio.get_running_loop().call_later(0, over)
        found.append(size)

    await asyncio.gather(*(decode(size) for size in sizes), end.wait())
    return found


async def test_no_timer_waits_for_two_large_bodies() -> None:
    """They are decoded in their order; the event loop gets to what is due between them."""
    found = await decoded(DecodingTurn(100), 61, 62, 1000, 63)
    assert found == [61, TIMER, 62, TIMER, 1000, TIMER, 63, TIMER]


async def test_small_bodies_are_decoded_in_one_turn() -> None:
    """Those of many servers would otherwise wait for each other."""
    assert await decoded(DecodingTurn(100), 20, 30, 50, 40) == [20, 30, 50, TIMER, TIMER, TIMER, 40, TIMER]


async def test_a_body_that_no_longer_waits_for_its_turn_holds_nothing_up() -> None:
    """A pass may be cancelled at any time."""
    turn = DecodingTurn(100)
    await turn.begin(100)
    waiting = [asyncio.create_task(turn.begin(100)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting[:2]:
        task.cancel()
    await asyncio.wait_for(waiting[2], PATIENCE_S)
