"""Places for passes: never too many, none lost, and one for each server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrovue_daemon.service.slots import FIRST_LOOK_S, Slots
from tests.support.clocks import FakeClock


class Guests:
    """Tasks that want places: who is in, and who has been sent away."""

    def __init__(self, slots: Slots) -> None:
        self.inside: list[str] = []
        self.numbers: list[int] = []
        self._slots = slots
        self._tasks: list[tuple[asyncio.Task[None], asyncio.Event]] = []

    async def arrive(self, server: str) -> int:
        leave, number = asyncio.Event(), len(self._tasks)

        async def stay() -> None:
            async with self._slots.of(server):
                self.inside.append(server)
                self.numbers.append(number)
                try:
                    await leave.wait()
                finally:
                    self.inside.remove(server)
                    self.numbers.remove(number)

        self._tasks.append((asyncio.create_task(stay()), leave))
        await _settle()
        return number

    async def leave(self, number: int) -> None:
        self._tasks[number][1].set()
        await _settle()

    async def cancel(self, number: int) -> None:
        self._tasks[number][0].cancel()
        await _settle()

    async def end(self) -> None:
        for task, _ in self._tasks:
            task.cancel()
        await asyncio.gather(*(task for task, _ in self._tasks), return_exceptions=True)


async def _settle() -> None:
    """Let every task go on until it waits."""
    for _ in range(8):
        await asyncio.sleep(0)


@pytest.fixture
async def open_slots(clock):
    async with AsyncExitStack() as stack:

        def make(number: int, *servers: str) -> tuple[Slots, Guests]:
            slots = Slots(number, clock)
            slots.share(number, servers)
            guests = Guests(slots)
            stack.push_async_callback(guests.end)
            return slots, guests

        yield make


async def test_a_server_alone_may_take_all_places(open_slots) -> None:
    """There is nobody to keep one for."""
    _, guests = open_slots(3, "home")
    for _ in range(5):
        await guests.arrive("home")
    assert guests.inside == ["home"] * 3


async def test_a_server_that_fills_its_places_leaves_one_for_each_other(open_slots) -> None:
    """It may hang in all of them for minutes: the healthy ones must not wait for it."""
    _, guests = open_slots(4, "hangs", "fine", "good")
    for _ in range(6):
        await guests.arrive("hangs")
    assert guests.inside == ["hangs", "hangs"]
    for server in ("fine", "good", "fine"):
        await guests.arrive(server)
    assert guests.inside == ["hangs", "hangs", "fine", "good"]


async def test_nothing_is_kept_for_a_server_that_is_not_reached(open_slots) -> None:
    """Until it is: then there is a place for it again, as soon as one is free."""
    slots, guests = open_slots(4, "fine", "dead", "gone")
    for _ in range(6):
        await guests.arrive("fine")
    assert guests.inside == ["fine", "fine"]
    for server in ("dead", "gone"):
        slots.give_up(server)
    await _settle()
    assert guests.inside == ["fine"] * 4
    slots.keep("dead")
    await guests.leave(0)
    assert guests.inside == ["fine"] * 3
    await guests.arrive("dead")
    assert guests.inside == ["fine", "fine", "fine", "dead"]


async def test_a_server_that_was_not_reached_yet_is_kept_a_place_for_a_moment_only(open_slots, clock) -> None:
    """It may hang before it has said a word; that it was reached in time is what keeps the place for good."""
    slots, guests = open_slots(3, "fine", "silent", "good")
    slots.keep("good")
    for _ in range(4):
        await guests.arrive("fine")
    assert guests.inside == ["fine"]
    clock.advance(FIRST_LOOK_S)
    slots.admit()
    await _settle()
    assert guests.inside == ["fine", "fine"]


async def test_a_new_configuration_forgets_nothing_about_servers_that_stay(open_slots) -> None:
    """A dead one is not waited for once more, and one that left is not waited for at all."""
    slots, guests = open_slots(3, "fine", "dead", "left")
    slots.give_up("dead")
    slots.share(3, ["fine", "dead"])
    for _ in range(3):
        await guests.arrive("fine")
    assert guests.inside == ["fine"] * 3


async def test_more_servers_than_places_take_turns(open_slots) -> None:
    """However many libraries the first one has, and however long each takes: the next place is another's."""
    _, guests = open_slots(1, "a", "b", "c")
    for server in "aaabbc":
        await guests.arrive(server)
    turns = []
    while guests.inside:
        turns += guests.inside
        await guests.leave(guests.numbers[0])
    assert "".join(turns) == "abcaba"


async def test_fewer_places_send_nobody_away(open_slots) -> None:
    """Who is in stays in; the next one comes when there is room under the new number."""
    slots, guests = open_slots(3, "home")
    inside = [await guests.arrive("home") for _ in range(3)]
    waiting = await guests.arrive("home")
    slots.share(1, ["home"])
    for number in inside[:2]:
        await guests.leave(number)
    assert guests.inside == ["home"]
    await guests.leave(inside[2])
    assert guests.inside == ["home"]
    await guests.leave(waiting)
    assert guests.inside == []


async def test_more_places_let_in_who_waits(open_slots) -> None:
    """At once: nobody has to leave first."""
    slots, guests = open_slots(1, "home")
    for _ in range(4):
        await guests.arrive("home")
    slots.share(3, ["home"])
    await _settle()
    assert guests.inside == ["home"] * 3


async def test_who_is_cancelled_at_the_moment_of_being_let_in_leaves_the_place(open_slots) -> None:
    """The place was given, but nobody is there to give it back later."""
    _, guests = open_slots(1, "home")
    first = await guests.arrive("home")
    second = await guests.arrive("home")
    third = await guests.arrive("home")
    guests._tasks[first][1].set()
    await asyncio.sleep(0)  # the first one leaves, the second one has its place but has not woken up yet
    guests._tasks[second][0].cancel()
    await _settle()
    assert guests.inside == ["home"]
    await guests.leave(third)
    assert guests.inside == []


SERVERS = ("a", "b", "c")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.sampled_from(SERVERS)),
        st.tuples(st.just("leave"), st.integers(0, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.sampled_from(("keep", "give_up")), st.sampled_from(SERVERS)),
        st.tuples(st.just("share"), st.tuples(st.integers(1, 5), st.sets(st.sampled_from(SERVERS)))),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_place_is_given_twice_or_lost(steps) -> None:
    """Whatever comes, goes, is cancelled or is changed, in whatever order."""

    async def live() -> None:
        slots, number = Slots(2, FakeClock()), 2
        slots.share(2, SERVERS)
        guests, arrived = Guests(slots), 0
        try:
            for step, value in steps:
                before = len(guests.inside)
                if step == "arrive":
                    await guests.arrive(value)
                    arrived += 1
                elif step in {"keep", "give_up"}:
                    getattr(slots, step)(value)
                    await _settle()
                elif step == "share":
                    number = value[0]
                    slots.share(*value)
                    await _settle()
                elif arrived:
                    await getattr(guests, step)(value % arrived)
                assert len(guests.inside) <= max(number, before)
            slots.share(number, ())
            for one in range(arrived):
                await guests.leave(one)
            assert guests.inside == []
            for _ in range(number + 1):
                await guests.arrive("a")
            assert len(guests.inside) == number
        finally:
            await guests.end()

    asyncio.run(live())
