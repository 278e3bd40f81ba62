"""Requests to a server that becomes faster or slower."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from retrovue_daemon.clock import Clock
from retrovue_daemon.errors import ServerTimeout
from retrovue_daemon.records import Kind
from retrovue_daemon.sources.plex.client import Listing, PlexClient
from retrovue_daemon.sources.plex.pace import LONGEST_REST_S, Asked, Pace
from retrovue_daemon.sources.plex.paging import Pager
from tests.sources.plex.test_client import movies
from tests.sources.plex.test_paging import Pages, listing

if TYPE_CHECKING:
    from aiohttp import web

    from tests.sources.plex.conftest import FakePlex

PATIENCE_S = 10


class StillClock(Clock):
    """A clock on which sleeping takes as long as a test says, and is kept."""

    def __init__(self) -> None:
        self.rests: list[float] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.asleep.set()
        await self.gate.wait()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def pace(clock: StillClock) -> Pace:
    return Pace("home", clock)


def note(
    pace: Pace,
    seconds: float,
    *,
    asked: int = 500,
    entries: int | None = None,
    kind: str = "episode",
    listing: str = "",
) -> None:
    """Take in a page where 500 entries are allowed."""
    entries = asked if entries is None else entries
    request = Asked(listing, kind, asked, 500)
    pace.arrived(request, entries=entries, seconds=seconds)
    pace.counted(request, entries=entries, seconds=seconds)


def test_pages_shrink_while_they_take_long_and_grow_again(pace: Pace) -> None:
    """Each long one halves them, down to the smallest; each short one doubles them, up to what is allowed."""
    sizes = []
    for seconds in (7, 7, 7, 7, 7, 7, 3, 1, 1, 1, 1, 1, 1, 1):
        note(pace, seconds, asked=pace.page_size(500))
        sizes.append(pace.page_size(500))
    assert sizes == [250, 125, 62, 31, 25, 25, 25, 31, 62, 125, 250, 500, 500, 500]
    assert pace.page_size(10) == 10


def test_pages_shrink_once_for_all_that_are_under_way(pace: Pace) -> None:
    """Three of them meet the same slow moment; and one that is not full says nothing of larger ones."""
    for _ in range(3):
        note(pace, 7)
    assert pace.page_size(500) == 250
    note(pace, 0.1, asked=250, entries=3)
    note(pace, 0.1, asked=250, entries=0)
    assert pace.page_size(500) == 250


async def test_a_slow_server_gets_one_request_at_a_time_after_a_rest(pace: Pace, clock: StillClock) -> None:
    """The rest is as long as the last page took; once a page comes as fast as usual, all is as before."""
    note(pace, 0.4)
    note(pace, 1.5)  # under four times
    assert (pace.slow, pace.ahead(3)) == (False, 3)
    async with pace.turn():
        assert clock.rests == []

    note(pace, 4.0)
    assert (pace.slow, pace.ahead(3)) == (True, 1)
    clock.gate.clear()
    under_way: list[int] = []

    async def ask(number: int) -> None:
        async with pace.turn():
            under_way.append(number)
            await asyncio.Event().wait()

    asking = [asyncio.create_task(ask(number)) for number in range(2)]
    await asyncio.sleep(0)
    assert (under_way, clock.rests) == ([], [4.0])
    clock.gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert under_way == [0]
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)

    note(pace, 0.5)
    assert not pace.slow


async def test_a_page_that_does_not_come_in_time_says_it_all(pace: Pace) -> None:
    """The next one is half as large, and requested after the longest rest."""
    for _ in range(2):
        with pytest.raises(ServerTimeout):
            async with pace.turn():
                raise ServerTimeout("home", "after 10 s")
        assert (pace.slow, pace._rest) == (True, LONGEST_REST_S)
        pace.timed_out(500, 500)
    assert (pace.page_size(500), pace.slow, pace._rest) == (250, True, LONGEST_REST_S)
    for _ in range(99):
        note(pace, 0.1, asked=250)
        assert (pace.page_size(500), pace.slow) == (250, False)
    note(pace, 0.1, asked=250)
    assert pace.page_size(500) == 500


async def test_a_listing_that_times_out_beside_others_concerns_itself_alone(pace: Pace, clock: StillClock) -> None:
    """The server is not slow: its other listings keep their page size, their number of requests and their pace."""
    with pytest.raises(ServerTimeout):  # noqa: PT012 -- the context is what is tested
        async with pace.turn("/stuck"):
            note(pace, 0.2, listing="/good")
            raise ServerTimeout("home", "after 10 s")
    pace.timed_out(500, 500, "/stuck")
    assert not pace.slow
    assert (pace.page_size(500, "/stuck"), pace.ahead(3, "/stuck")) == (250, 1)
    assert (pace.page_size(500, "/good"), pace.ahead(3, "/good")) == (500, 3)
    async with pace.detour("/good"), pace.turn("/good"):
        assert clock.rests == []
    note(pace, 0.2, asked=250, listing="/stuck")
    assert (pace.page_size(500, "/stuck"), pace.ahead(3, "/stuck")) == (250, 3)


async def test_a_listing_that_times_out_alone_slows_the_server_until_another_one_arrives(
    pace: Pace, clock: StillClock
) -> None:
    """Until then, nothing shows that the server itself is well. The other one need not wait behind one that hangs."""
    with capture_logs() as logs:
        with pytest.raises(ServerTimeout):
            async with pace.turn("/stuck"):
                raise ServerTimeout("home", "after 10 s")
        pace.timed_out(500, 500, "/stuck")
        assert pace.ahead(3) == 1
        async with pace.turn("/another that hangs"), pace.turn("/good"):
            assert clock.rests == []
        async with pace.turn("/stuck"), pace.turn():
            assert clock.rests == [LONGEST_REST_S]
        note(pace, 0.1, entries=3, listing="/good")
        assert pace.ahead(3) == 3
    assert [line["event"] for line in logs] == ["server.slow", "server.fast_again"]


async def test_listings_that_time_out_are_requested_one_at_a_time(pace: Pace, clock: StillClock) -> None:
    """Each after the longest rest, so that the server's other places are left to the others."""
    clock.gate.clear()
    under_way: list[str] = []

    async def ask(listing: str) -> None:
        async with pace.detour(listing):
            under_way.append(listing)
            await asyncio.Event().wait()

    for number in range(3):
        pace.timed_out(500, 500, f"/stuck/{number}")
    asking = [asyncio.create_task(ask(f"/stuck/{number}")) for number in range(3)]
    await asyncio.sleep(0)
    assert (under_way, clock.rests) == ([], [LONGEST_REST_S])
    clock.gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert under_way == ["/stuck/0"]
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


def test_no_rest_is_longer_than_ten_seconds(pace: Pace) -> None:
    """However long a page took."""
    note(pace, 0.1)
    note(pace, 100.0)
    assert pace._rest == LONGEST_REST_S


def test_what_is_always_so_is_not_slow(pace: Pace) -> None:
    """A weak machine, or one whose first page came from a cache, gets normal requests after a while."""
    note(pace, 0.3)
    seen = set()
    for _ in range(2_000):
        note(pace, 2.0)
        seen.add(pace.slow)
    assert seen == {True, False}
    assert not pace.slow


def test_a_kind_whose_entries_are_small_is_no_measure_for_another(pace: Pace) -> None:
    """A season has no files: that episodes take ten times as long is no sign of anything."""
    for _ in range(5):
        note(pace, 0.15, kind="season")
    for _ in range(20):
        note(pace, 1.5)
        assert not pace.slow


def test_a_small_page_does_not_end_slowness_but_a_few_do(pace: Pace) -> None:
    """Their time is that of a request. Small pages alone would else keep a server slow forever."""
    note(pace, 0.3)
    note(pace, 2.0, entries=3)
    assert not pace.slow
    note(pace, 4.0)
    note(pace, 0.1, entries=3)
    assert (pace.slow, pace._rest) == (True, 2.0)
    for _ in range(3):
        note(pace, 0.1, entries=3)
    assert not pace.slow


async def test_a_listing_continues_where_it_was_in_pages_of_another_size(pace: Pace) -> None:
    """Every entry comes once, whatever the pace wants in between."""
    seconds = iter([7.0, 7.0, 1.0, 1.0, 1.0, 1.0, 7.0] + [1.0] * 100)
    pages = Pages(listing(3_000))
    pager = Pager(pages.fetch, server="home", path="/all", page_size=200, ahead=2, pace=pace)
    found = []
    async for page in pager.pages():
        note(pace, next(seconds), asked=page.entries)
        found += [item.rating_key for item in page.items]
    assert found == [str(number) for number in range(3_000)]
    assert len({size for _, size in pages.asked}) == 3
    assert all(task.done() and not task.cancelled() for task in pages.tasks)


class SteppingClock(StillClock):
    """A clock on which every answer takes as long as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.step = 0.2
        self._time = 0.0

    def monotonic(self) -> float:
        self._time += self.step
        return self._time


async def test_a_client_rests_where_its_server_becomes_slow(plex: FakePlex, section) -> None:
    """What was requested by then comes as it does; each later page, and any item, is requested after a rest."""
    clock = SteppingClock()
    plex.answer("/library/sections/1/all", plex.listing(*movies(1_000)))
    plex.answer("/library/metadata/1", plex.reply({"MediaContainer": {"size": 1, "Metadata": movies(1)}}))
    async with PlexClient(section(), client_identifier="c", version="1", clock=clock) as client:
        numbers = []
        async for _page in client.pages("1", Listing.MOVIES, page_size=100):
            numbers.append(len(plex.requests))
            if len(numbers) == 3:
                assert clock.rests == []
                clock.step = 2.0
        rests = len(clock.rests)
        assert await client.metadata.has_item("1", Kind.MOVIE, None)
        assert len(clock.rests) == rests + 1
    # One request more than pages: these films show neither genres nor ids, so the first page is compared with one
    # that is requested without streams.
    assert [len(numbers), numbers[-1]] == [10, 11]
    assert len(clock.rests) >= 4
    assert min(clock.rests) >= 2.0


async def test_a_server_that_becomes_slow_is_noticed_while_its_pages_wait(plex: FakePlex, section) -> None:
    """The reader is busy; other requests to the server must still rest."""
    clock = SteppingClock()
    plex.answer("/library/sections/1/all", plex.listing(*movies(1_000)))
    plex.answer("/library/metadata/1", plex.reply({"MediaContainer": {"size": 1, "Metadata": movies(1)}}))
    plex.answer("/identity", plex.reply({"MediaContainer": {"size": 0, "machineIdentifier": "9f"}}))
    async with (
        PlexClient(section(), client_identifier="c", version="1", clock=clock) as client,
        aclosing(client.pages("1", Listing.MOVIES, page_size=100)) as pages,
        asyncio.timeout(PATIENCE_S),
    ):
        await anext(pages)
        await anext(pages)
        clock.step = 2.0
        with capture_logs() as logs:
            while not [line for line in logs if line["event"] != "http.request"]:
                await client.identity()
        assert {line["event"] for line in logs} == {"http.request", "server.slow"}
        rests = len(clock.rests)
        assert await client.metadata.has_item("1", Kind.MOVIE, None)
        assert len(clock.rests) > rests


async def test_what_waits_for_its_place_already_rests_too(plex: FakePlex, section) -> None:
    """It was requested while the server was fast, and is sent when it no longer is."""
    clock = SteppingClock()
    listing = plex.listing(*movies(300))

    async def held_behind_the_first(request: web.Request) -> web.StreamResponse:
        if request.query["X-Plex-Container-Start"] != "0":
            plex.held.set()
            await plex.release.wait()
        return await listing(request)

    plex.answer("/library/sections/1/all", held_behind_the_first)
    plex.answer("/library/metadata/1", plex.reply({"MediaContainer": {"size": 1, "Metadata": movies(1)}}))
    async with (
        PlexClient(section(concurrency=1), client_identifier="c", version="1", clock=clock) as client,
        aclosing(client.pages("1", Listing.MOVIES, page_size=100)) as pages,
        asyncio.timeout(PATIENCE_S),
    ):
        await anext(pages)
        await plex.held.wait()
        asking = [asyncio.create_task(client.metadata.has_item("1", Kind.MOVIE, None)) for _ in range(3)]
        await asyncio.sleep(0)  # each comes as far as it can: to the one place, which is taken
        assert clock.rests == []
        clock.step = 2.0
        plex.release.set()
        assert await asyncio.gather(*asking) == [True] * 3
    assert len(clock.rests) >= 3


async def test_a_library_that_hangs_keeps_no_place_while_it_rests(plex: FakePlex, section) -> None:
    """Its server has only one: the other library and the next poll are served meanwhile, without a rest."""
    clock = StillClock()
    for library in ("1", "2"):
        plex.answer(f"/library/sections/{library}/all", plex.listing(*movies(300)))
    plex.answer("/identity", plex.reply({"MediaContainer": {"size": 0, "machineIdentifier": "9f"}}))
    async with PlexClient(section(concurrency=1), client_identifier="c", version="1", clock=clock) as client:

        async def read(library: str) -> int:
            async with aclosing(client.pages(library, Listing.MOVIES, page_size=100)) as pages:
                return sum([page.entries async for page in pages])

        client._source._pace.timed_out(100, 100, "/library/sections/1/all")
        clock.gate.clear()
        async with asyncio.timeout(PATIENCE_S):
            stuck = asyncio.create_task(read("1"))
            await clock.asleep.wait()
            assert await read("2") == 300
            assert (await client.identity()).machine_identifier == "9f"
            assert clock.rests == [LONGEST_REST_S]
            clock.gate.set()
            assert await stuck == 300


async def test_a_server_that_sends_fewer_than_requested_is_not_slow(plex: FakePlex, section) -> None:
    """Its first page would else be the fastest of all, by entries that did not come."""
    clock = SteppingClock()
    clock.step = 1.5
    plex.answer("/library/sections/1/all", plex.listing(*movies(1_000), cap=100))
    async with PlexClient(section(concurrency=1), client_identifier="c", version="1", clock=clock) as client:
        assert len([page async for page in client.pages("1", Listing.MOVIES, page_size=500)]) == 10
    assert clock.rests == []


async def test_an_item_is_requested_while_the_next_page_of_a_slow_server_waits(plex: FakePlex, section) -> None:
    """The page has its body and waits for the reader, who waits for the item: neither keeps the other's turn."""
    clock = SteppingClock()
    plex.answer("/library/sections/1/all", plex.listing(*movies(1_000)))
    plex.answer("/library/metadata/1", plex.reply({"MediaContainer": {"size": 1, "Metadata": movies(1)}}))
    async with PlexClient(section(), client_identifier="c", version="1", clock=clock) as client:
        found = pages = listed = 0
        async with asyncio.timeout(PATIENCE_S):
            async for page in client.pages("1", Listing.MOVIES, page_size=100):
                clock.step = 2.0 if page.offset >= 200 else clock.step
                found += bool(await client.metadata.has_item("1", Kind.MOVIE, None))
                pages, listed = pages + 1, listed + len(page.items)
        assert found == pages >= 10  # the server counts as slow then, and pages may get smaller
        assert listed == 1_000
        assert len(clock.rests) >= 10
