"""Places for passes: never too many, none lost, and one for each server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrovue_daemon.service.slots import ADMIT_S, FIRST_LOOK_S, STALL_S, TURN_S, Slots
from tests.support.clocks import FakeClock


class Guests:
    """Tasks that want slots: which hold one, and which were cancelled."""

    def __init__(self, slots: Slots) -> None:
        self.inside: list[str] = []
        self.numbers: list[int] = []
        self._slots = slots
        self._tasks: list[tuple[asyncio.Task[None], asyncio.Event]] = []

    async def arrive(self, server: str) -> int:
        leave, number = asyncio.Event(), len(self._tasks)

        async def stay() -> None:
            async with self._slots.slot_for(server):
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


class Reading:
    """A pass that reads responses, each of which arrives when the test says so."""

    def __init__(self, slots: Slots, server: str) -> None:
        self.processed = 0
        self._responses: asyncio.Queue[None] = asyncio.Queue()
        self._slot = slots.slot_for(server)
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async with self._slot:
            while True:
                await self._slot.wait_for(self._responses.get())
                self.processed += 1

    async def arrive(self, seconds: float = 0.0, clock: FakeClock | None = None) -> None:
        """Let a response arrive after a time."""
        if clock is not None:
            clock.advance(seconds)
        self._responses.put_nowait(None)
        await _settle()

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


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


@pytest.fixture
async def start_reading():
    """Start a pass that reads, and end it with the test."""
    async with AsyncExitStack() as stack:

        async def start(slots: Slots, server: str) -> Reading:
            reading = Reading(slots, server)
            stack.push_async_callback(reading.end)
            await _settle()
            return reading

        yield start


async def test_a_server_alone_may_take_all_places(open_slots) -> None:
    """There is no server to reserve one for."""
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


async def test_fewer_slots_end_no_pass(open_slots) -> None:
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
    """At once: no holder has to leave first."""
    slots, guests = open_slots(1, "home")
    for _ in range(4):
        await guests.arrive("home")
    slots.share(3, ["home"])
    await _settle()
    assert guests.inside == ["home"] * 3


async def test_who_is_cancelled_at_the_moment_of_being_let_in_leaves_the_place(open_slots) -> None:
    """The slot was assigned, but its task can no longer release it."""
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


async def test_a_pass_lends_its_slot_while_its_server_does_not_respond(open_slots, start_reading, clock) -> None:
    """It waits for a free one before it goes on."""
    slots, guests = open_slots(1, "hangs", "fine")
    hanging = await start_reading(slots, "hangs")
    await guests.arrive("fine")
    assert (slots.held, guests.inside) == (1, [])
    clock.advance(STALL_S)
    slots.admit()
    await _settle()
    assert (slots.held, guests.inside) == (1, ["fine"])
    await hanging.arrive()
    assert hanging.processed == 0
    await guests.leave(0)
    assert hanging.processed == 1


async def test_a_pass_that_lent_its_slot_goes_before_new_ones_of_its_server(open_slots, start_reading, clock) -> None:
    """It ends sooner: else ever more of them would be under way."""
    slots, guests = open_slots(1, "slow", "fine")
    slow = await start_reading(slots, "slow")
    fine = await guests.arrive("fine")
    clock.advance(STALL_S)
    slots.admit()
    await guests.arrive("slow")
    await slow.arrive()
    await guests.leave(fine)
    assert slow.processed == 1


async def test_a_pass_of_a_slow_server_lends_its_slot_at_once(open_slots, start_reading, clock) -> None:
    """Until a response comes quickly."""
    slots, guests = open_slots(1, "slow", "fine")
    slow = await start_reading(slots, "slow")
    await slow.arrive(STALL_S, clock)
    assert (slow.processed, slots.held) == (1, 0)
    await slow.arrive()
    assert (slow.processed, slots.held) == (2, 1)
    await guests.arrive("fine")
    assert guests.inside == []


async def test_a_server_that_does_not_respond_tries_other_libraries(open_slots, start_reading, clock) -> None:
    """Perhaps only one of them hangs; but no more passes wait for it than there are slots."""
    slots, _ = open_slots(2, "hangs", "fine")
    tried = [await start_reading(slots, "hangs") for _ in range(5)]
    for number in range(1, 6):
        clock.advance(STALL_S)
        slots.admit()
        await _settle()
        begun = [reading for reading in tried if reading._slot.is_resumed]
        assert len(begun) == min(number + 1, 2)
    await tried[1].end()
    await _settle()
    assert tried[2]._slot.is_resumed
    assert not tried[3]._slot.is_resumed


async def test_servers_whose_passes_timed_out_share_half_of_the_slots(open_slots) -> None:
    """One each, whoever else needs one or not; a pass that ends otherwise lifts that."""
    slots, guests = open_slots(4, "a", "b", "c")
    for server in "abc":
        slots.note_pass(server, timed_out=True)
        await guests.arrive(server)
        await guests.arrive(server)
    assert guests.inside == ["a", "b"]
    slots.note_pass("c", timed_out=False)
    await _settle()
    assert guests.inside == ["a", "b", "c", "c"]


async def test_nothing_is_kept_for_servers_whose_passes_timed_out(open_slots) -> None:
    """The others may have all places meanwhile."""
    slots, guests = open_slots(4, "fine", "a", "b")
    for server in "ab":
        slots.note_pass(server, timed_out=True)
    for _ in range(5):
        await guests.arrive("fine")
    assert guests.inside == ["fine"] * 4


async def test_servers_whose_passes_timed_out_and_others_take_turns(open_slots) -> None:
    """However many of them there are."""
    slots, guests = open_slots(1, "fine", *"abc")
    for server in "abc":
        slots.note_pass(server, timed_out=True)
        await guests.leave(await guests.arrive(server))
    await guests.leave(await guests.arrive("fine"))
    for server in ("a", "b", "c", "a", "fine", "fine", "fine"):
        await guests.arrive(server)
    turns = []
    while guests.inside:
        turns += guests.inside
        await guests.leave(guests.numbers[0])
    assert turns == ["a", "fine", "b", "fine", "c", "fine", "a"]


async def test_a_server_that_never_had_a_slot_goes_first(open_slots, clock) -> None:
    """Nothing is known against it yet."""
    slots, guests = open_slots(1, "a", "b", "new")
    slots.note_pass("b", timed_out=True)
    for server in "aabb":
        await guests.arrive(server)
    await guests.leave(0)
    await guests.leave(guests.numbers[0])
    await guests.arrive("new")
    assert guests.inside == ["a"]
    await guests.leave(guests.numbers[0])
    assert guests.inside == ["new"]


async def test_a_large_library_offers_its_slot_between_two_responses(open_slots, start_reading, clock) -> None:
    """Whoever has nothing but large libraries would keep the others waiting for hours."""
    slots, guests = open_slots(1, "large", "fine")
    large = await start_reading(slots, "large")
    await guests.arrive("fine")
    for number in range(1, int(TURN_S)):
        await large.arrive(1, clock)
        assert (large.processed, guests.inside) == (number, [])
    await large.arrive(1, clock)
    assert (large.processed, guests.inside) == (TURN_S - 1, ["fine"])
    await guests.leave(0)
    assert large.processed == TURN_S


@pytest.mark.parametrize("number", [1, 4])
async def test_good_servers_are_served_within_two_intervals_with_35_of_40_bad(clock, number) -> None:
    """All poll three libraries every five minutes; the listings of the bad ones end after as long, by a timeout."""
    interval, hours = 300.0, 1
    bad, good = [f"bad {n}" for n in range(35)], [f"good {n}" for n in range(5)]
    slots = Slots(number, clock)
    slots.share(number, (*bad, *good))
    served: dict[str, list[float]] = {server: [clock.time] * 3 for server in good}
    gaps: list[float] = []

    async def hang(server: str) -> None:
        async with slots.slot_for(server) as slot:
            await slot.wait_for(clock.sleep(interval))
        slots.note_pass(server, timed_out=True)

    async def read(server: str, library: int) -> None:
        async with slots.slot_for(server) as slot:
            for _ in range(3):
                await slot.wait_for(clock.sleep(1))
        slots.note_pass(server, timed_out=False)
        gaps.append(clock.time - served[server][library])
        served[server][library] = clock.time

    async def poll(server: str) -> None:
        while True:
            slots.keep(server)
            async with asyncio.TaskGroup() as group:
                for library in range(3):
                    group.create_task(hang(server) if server in bad else read(server, library))
            await clock.sleep(interval)

    polls = [asyncio.create_task(poll(server)) for server in (*bad, *good)]
    for _ in range(int(hours * 3600 / ADMIT_S)):
        await asyncio.sleep(0)
        clock.advance(ADMIT_S)
        slots.admit()
    for task in polls:
        task.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    assert len(gaps) > len(good) * 3 * hours * 3600 / interval / 2
    assert max(gaps) < 2 * interval


SERVERS = ("a", "b", "c")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.sampled_from(SERVERS)),
        st.tuples(st.just("leave"), st.integers(0, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.sampled_from(("keep", "give_up")), st.sampled_from(SERVERS)),
        st.tuples(st.just("note_pass"), st.sampled_from(SERVERS), st.booleans()),
        st.tuples(st.just("respond"), st.integers(0, 30)),
        st.tuples(st.just("advance"), st.integers(0, int(TURN_S))),
        st.tuples(st.just("share"), st.tuples(st.integers(1, 5), st.sets(st.sampled_from(SERVERS)))),
    ),
    max_size=40,
)


class House:
    """Slots with guests and readings, a pair for each pass that arrived, and the steps of the property below."""

    def __init__(self) -> None:
        self.number = 2
        self.clock = FakeClock()
        self.slots = Slots(self.number, self.clock)
        self.guests = Guests(self.slots)
        self.readings: list[Reading] = []
        self.slots.share(self.number, SERVERS)

    async def take(self, step: str, *values: Any) -> None:
        """Take one step."""
        arrived = len(self.readings)
        match step:
            case "arrive":
                await self.guests.arrive(*values)
                self.readings.append(Reading(self.slots, *values))
            case "keep" | "give_up":
                getattr(self.slots, step)(*values)
            case "note_pass":
                self.slots.note_pass(values[0], timed_out=values[1])
            case "advance":
                self.clock.advance(*values)
                self.slots.admit()
            case "share":
                self.number = values[0][0]
                self.slots.share(*values[0])
            case "respond" if arrived:
                await self.readings[values[0] % arrived].arrive()
            case "leave" | "cancel" if arrived:
                await getattr(self.guests, step)(values[0] % arrived)
        await _settle()

    async def empty(self) -> None:
        """Let everything leave."""
        for server in SERVERS:
            self.slots.note_pass(server, timed_out=False)
        self.slots.share(self.number, ())
        for number, reading in enumerate(self.readings):
            await reading.end()
            await self.guests.leave(number)

    async def end(self) -> None:
        for reading in self.readings:
            await reading.end()
        await self.guests.end()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_place_is_given_twice_or_lost(steps) -> None:
    """Whatever comes, goes, is cancelled, stalls or is changed, in whatever order."""

    async def live() -> None:
        house = House()
        slots, guests = house.slots, house.guests
        try:
            for step in steps:
                before = slots.held
                await house.take(*step)
                assert slots.held <= max(house.number, before)
                assert len(guests.inside) <= slots.held
            await house.empty()
            assert (guests.inside, slots.held, slots._servers) == ([], 0, {})
            for _ in range(house.number + 1):
                await guests.arrive("a")
            assert len(guests.inside) == house.number
        finally:
            await house.end()

    asyncio.run(live())
