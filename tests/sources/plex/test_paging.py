"""Which pages are requested, and when a listing ends."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.clock import Clock
from retrovue_daemon.errors import (
    AnswerBrokeOff,
    BadAnswer,
    EndlessListing,
    PagingIgnored,
    RequestRefused,
    ServerBusy,
    ServerTimeout,
    ServerUnreachable,
    Unauthorized,
)
from retrovue_daemon.records import Page, Season, Skipped
from retrovue_daemon.sources.plex.paging import Pager

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.errors import PlexError

    Answers = Callable[[int, int], Page | BaseException]


class Pages:
    """Returns pages by a function of start and size, and records requests and cancellations."""

    def __init__(self, answer: Answers, *, held: bool = False) -> None:
        self.asked: list[tuple[int, int]] = []
        self.tries: list[int | None] = []
        self.tasks: list[asyncio.Task[Page]] = []
        self.wanted: list[asyncio.Event] = []
        self.gate = asyncio.Event()
        self.fourth = asyncio.Event()
        """Set once four pages were requested."""
        self._answer = answer
        if not held:
            self.gate.set()

    def fetch(self, start: int, size: int, wanted: asyncio.Event, tries: int | None = None) -> asyncio.Task[Page]:
        self.asked.append((start, size))
        self.tries.append(tries)
        self.wanted.append(wanted)
        if len(self.asked) == 4:
            self.fourth.set()
        self.tasks.append(asyncio.create_task(self._page(start, size)))
        return self.tasks[-1]

    async def _page(self, start: int, size: int) -> Page:
        if start > 0:
            await self.gate.wait()
        answer = self._answer(start, size)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def page(start: int, entries: int, total: int | None) -> Page:
    numbers = range(start, start + entries)
    return Page(start, total, entries, tuple(Season(str(n), None, None, n, "", None, trashed=False) for n in numbers))


def listing(entries: int, *, cap: int = 10_000, says_total: bool = True) -> Answers:
    """Answer like a server with so many entries."""

    def answer(start: int, size: int) -> Page:
        return page(start, max(0, min(size, cap, entries - start)), entries if says_total else None)

    return answer


async def keys(pages: Pages, size: int, *, ahead: int = 2, most_pages: int = 100) -> list[str]:
    pager = Pager(pages.fetch, server="home", path="/all", page_size=size, ahead=ahead, most_pages=most_pages)
    async with aclosing(pager.pages()) as listed:
        found = [item.rating_key async for page in listed for item in page.items]
    assert all(task.done() for task in pages.tasks)
    return found


async def test_a_page_is_wanted_once_the_reader_comes_to_it() -> None:
    """Those that are fetched ahead need not be decoded before: the reader has other work for the processor."""
    pages = Pages(listing(500))
    pager = Pager(pages.fetch, server="home", path="/all", page_size=100, ahead=3)
    async with aclosing(pager.pages()) as listed:
        wanted = [[event.is_set() for event in pages.wanted] async for _page in listed]
    assert wanted[0] == [True, False, False, False]
    assert wanted[1] == [True, True, False, False, False]
    assert wanted[4] == [True] * 5


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


@pytest.mark.parametrize("entries", [1, 99, 100, 101, 300, 345])
@pytest.mark.parametrize("ahead", [1, 2, 9])
async def test_every_entry_once(entries: int, ahead: int) -> None:
    """Every entry comes once and in order, and nothing beyond the total is requested."""
    pages = Pages(listing(entries))
    assert await keys(pages, 100, ahead=ahead) == numbers(entries)
    assert pages.asked == [(start, 100) for start in range(0, entries, 100)]


async def test_empty_listing() -> None:
    """An empty listing is one empty page."""
    pages = Pages(listing(0))
    async with aclosing(Pager(pages.fetch, server="home", path="/all", page_size=10, ahead=2).pages()) as listed:
        assert [page.entries async for page in listed] == [0]


async def test_unknown_total() -> None:
    """Without a total an empty page ends the listing, and is given; no page is requested that may not be there."""
    pages = Pages(listing(300, says_total=False))
    pager = Pager(pages.fetch, server="home", path="/all", page_size=100, ahead=3)
    async with aclosing(pager.pages()) as listed:
        assert [page.entries async for page in listed] == [100, 100, 100, 0]
    assert pages.asked == [(0, 100), (100, 100), (200, 100), (300, 100)]


async def test_empty_page_before_the_total() -> None:
    """An empty page ends the listing, also where more was announced."""
    pages = Pages(lambda start, size: page(start, size if start < 100 else 0, 900))
    assert await keys(pages, 50) == numbers(100)


async def test_cap_of_the_server() -> None:
    """If the server sends fewer than requested, the listing continues after them, in pages of that size."""
    pages = Pages(listing(1000, cap=200))
    assert await keys(pages, 500) == numbers(1000)
    assert [asked for asked in pages.asked if asked[1] == 200] == [(start, 200) for start in range(200, 1000, 200)]


async def test_cap_of_a_few() -> None:
    """A cap below the smallest page: no smaller ones are requested, nor any that would begin at the wrong place."""
    pages = Pages(listing(60, cap=7))
    assert await keys(pages, 50) == numbers(60)
    assert {size for _, size in pages.asked} == {50, 25}
    assert [start for start, _ in pages.asked] == list(range(0, 60, 7))


async def test_a_short_page_in_the_middle() -> None:
    """What was requested ahead is let end, and the next pages are requested ahead again."""

    def answer(start: int, size: int) -> Page:
        return page(start, min(size - (start == 100), 1000 - start), 1000)

    pages = Pages(answer)
    assert await keys(pages, 50, ahead=3) == numbers(1000)
    assert not any(task.cancelled() for task in pages.tasks)
    assert len(pages.asked) <= 1000 // 49 + 1 + 3


async def test_small_pages_stay_small() -> None:
    """The smallest page does not make a smaller one larger."""
    pages = Pages(listing(25, says_total=False))
    assert await keys(pages, 10) == numbers(25)
    assert {size for _, size in pages.asked} == {10}


async def test_more_than_requested() -> None:
    """A server may send more than requested: all of it counts, and the listing continues after it."""
    pages = Pages(lambda start, _: page(start, min(150, 400 - start), 400))
    assert await keys(pages, 100) == numbers(400)


def _all_at_once(total: int | None, _start: int, _size: int) -> Page:
    return page(0, 400, total)


async def test_everything_at_once() -> None:
    """A first page with more than requested, and no larger total, is the whole listing."""
    for total in (None, 400):
        pages = Pages(partial(_all_at_once, total))
        pager = Pager(pages.fetch, server="home", path="/all", page_size=100, ahead=2)
        async with aclosing(pager.pages()) as listed:
            assert [(part.entries, part.total) async for part in listed] == [(400, 400)]
        assert pages.asked == [(0, 100)]


async def test_growing_listing() -> None:
    """Entries that are added while the listing runs come too."""
    pages = Pages(lambda start, size: listing(100 if start == 0 else 130)(start, size))
    assert await keys(pages, 60) == numbers(130)


async def test_shrinking_listing() -> None:
    """Where the total shrinks, the listing ends at the new one, and what was fetched too far is dropped."""
    pages = Pages(lambda start, size: listing(1000 if start == 0 else 100)(start, size))
    assert await keys(pages, 50, ahead=3) == numbers(100)


async def test_start_ignored_with_an_offset() -> None:
    """A page that starts elsewhere than requested ends the listing."""
    with pytest.raises(PagingIgnored, match="entries from 0 on instead of 100"):
        await keys(Pages(lambda _, __: page(0, 100, 900)), 100)


async def test_start_ignored_without_an_offset() -> None:
    """The first entry coming again ends the listing: a server that says no offset is found out by it."""

    def repeat(start: int, size: int) -> Page:
        return Page(start, None, 100, page(0, 100, None).items)

    with pytest.raises(PagingIgnored, match="the entry at 100 is the first one again"):
        await keys(Pages(repeat), 100)


async def test_endless_listing() -> None:
    """A listing without an end is ended."""
    with pytest.raises(PagingIgnored, match="more than 7 pages"):
        await keys(Pages(lambda start, size: page(start, size, None)), 10, most_pages=7)


@pytest.mark.parametrize("total", [None, 1_000])
async def test_a_listing_has_a_limited_number_of_entries(total: int | None) -> None:
    """Also if its total grows with each page."""
    pages = Pages(lambda start, size: page(start, size, None if total is None else start + total))
    pager = Pager(pages.fetch, server="home", path="/all", page_size=10, ahead=2, most_entries=100)
    async with aclosing(pager.pages()) as reading:
        for _ in range(10):
            assert (await anext(reading)).entries == 10
        with pytest.raises(EndlessListing, match="more than 100 entries"):
            await anext(reading)
    assert len(pages.asked) <= 13


async def test_a_listing_has_a_limited_number_of_entries_that_cannot_be_stored(monkeypatch) -> None:
    """Their keys are kept in memory."""
    monkeypatch.setattr("retrovue_daemon.sources.plex.paging.MOST_UNUSABLE", 100)

    def clips(start: int, size: int) -> Page:
        return Page(start, None, size, (), tuple(Skipped(str(start + n), None, "a clip") for n in range(size)))

    with pytest.raises(EndlessListing, match="more than 100 entries that cannot be stored"):
        await keys(Pages(clips), 10)


async def test_timeout_halves_the_page() -> None:
    """A page that takes too long is requested again, half as large, and so are the pages after it."""

    def slow(start: int, size: int) -> Page | BaseException:
        return ServerTimeout("home") if size > 125 else page(start, min(size, 400 - start), 400)

    pages = Pages(slow)
    assert await keys(pages, 500) == numbers(400)
    assert pages.asked[:4] == [(0, 500), (0, 250), (0, 125), (125, 125)]


async def test_timeout_in_the_middle() -> None:
    """The pages that were fetched ahead of a slow one are dropped, and none comes twice."""

    def slow_once(start: int, size: int) -> Page | BaseException:
        return ServerTimeout("home") if (start, size) == (100, 100) else page(start, min(size, 400 - start), 400)

    pages = Pages(slow_once)
    assert await keys(pages, 100, ahead=3) == numbers(400)
    assert (100, 50) in pages.asked


async def test_smallest_page() -> None:
    """A server that cannot send 25 entries in time ends the listing by its timeout."""
    pages = Pages(lambda _, __: ServerTimeout("home"))
    with pytest.raises(ServerTimeout):
        await keys(pages, 200)
    assert pages.asked[:4] == [(0, 200), (0, 100), (0, 50), (0, 25)]
    assert pages.asked[4:] == [(0, 12), (0, 6), (0, 3), (0, 1), (1, 1), (2, 1)]


async def test_failure_comes_in_its_place() -> None:
    """A page that fails ends the listing with its own error, after the pages before it."""

    def fail(start: int, size: int) -> Page | BaseException:
        return ServerBusy("home", 503) if start == 200 else page(start, size, 900)

    pages = Pages(fail)
    async with aclosing(Pager(pages.fetch, server="home", path="/all", page_size=100, ahead=3).pages()) as listed:
        assert [(await anext(listed)).offset, (await anext(listed)).offset] == [0, 100]
        with pytest.raises(ServerBusy, match=r"HTTP 503 \(page 3 of /all, entries 200 to 299\)$"):
            await anext(listed)
    assert all(task.done() for task in pages.tasks)


async def test_a_listing_that_cannot_be_read_at_all_names_the_first_position() -> None:
    """Also if several single entries were tried; a server that cannot be reached has no position."""
    with pytest.raises(BadAnswer, match=r"no JSON \(page 1 of /all, entry \d+\)$"):
        await keys(Pages(lambda _, __: BadAnswer("home", "no JSON")), 100)
    with pytest.raises(ServerUnreachable, match=r"refused$"):
        await keys(Pages(lambda _, __: ServerUnreachable("home", "refused")), 100)


@pytest.mark.parametrize(("ahead", "fetches"), [(1, 1), (2, 2), (3, 3), (10, 3)])
async def test_fetching_ahead(ahead: int, fetches: int) -> None:
    """While the reader has the first page, the next ones are fetched, but only so many."""
    pages = Pages(listing(9000), held=True)
    async with aclosing(Pager(pages.fetch, server="home", path="/all", page_size=100, ahead=ahead).pages()) as listed:
        await anext(listed)
        await asyncio.sleep(0)
        assert pages.asked == [(start * 100, 100) for start in range(fetches + 1)]
    assert all(task.done() for task in pages.tasks)


async def test_leaving_early() -> None:
    """A reader that leaves takes the fetches with it."""
    pages = Pages(listing(9000), held=True)
    async with aclosing(Pager(pages.fetch, server="home", path="/all", page_size=100, ahead=3).pages()) as listed:
        await anext(listed)
    assert [task.cancelled() for task in pages.tasks] == [False, True, True, True]


async def test_cancelled_reader() -> None:
    """A reader that is cancelled while it waits for a page takes the fetches with it."""
    pages = Pages(listing(9000), held=True)
    reader = asyncio.create_task(keys(pages, 100, ahead=3))
    await pages.fourth.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert [task.cancelled() for task in pages.tasks] == [False, True, True, True]


# One bad entry ----------------------------------------------------------------------------------------------------


def spoilt(entries: int, *bad: int, error: Callable[[], PlexError] = lambda: ServerBusy("home", 500)) -> Answers:
    """Answer like a server that fails where a page holds one of these entries."""
    good = listing(entries)

    def answer(start: int, size: int) -> Page | BaseException:
        return error() if any(start <= number < start + size for number in bad) else good(start, size)

    return answer


async def unreadable(pages: Pages, size: int, *, exists: bool = False) -> list[int]:
    pager = Pager(pages.fetch, server="home", path="/all", page_size=size, ahead=2, exists=exists)
    async with aclosing(pager.pages()) as listed:
        return [page.offset async for page in listed if page.unreadable is not None]


@pytest.mark.parametrize("bad", [(0,), (249,), (117,), (100, 101), (99, 100), (0, 249), tuple(range(30, 50))])
async def test_bad_entries_are_found_and_passed_over(bad: tuple[int, ...]) -> None:
    """All others come, in their order, and each once."""
    assert await keys(Pages(spoilt(250, *bad)), 100) == [str(n) for n in range(250) if n not in bad]
    assert await unreadable(Pages(spoilt(250, *bad)), 100) == list(bad)


async def test_a_bad_entry_is_looked_for_in_halves() -> None:
    """One try for each part, the usual number for the entry; then pages grow again, and those ahead are kept."""
    pages = Pages(spoilt(300, 17))
    await keys(pages, 100)
    assert pages.asked[:2] == [(0, 100), (0, 50)]
    ahead = [(start, size) for start, size in pages.asked if size == 100]
    assert sorted(ahead) == sorted(set(ahead))
    assert len(pages.asked) < 25
    assert pages.tries[pages.asked.index((17, 1))] is None
    assert {tries for (_start, size), tries in zip(pages.asked[1:], pages.tries[1:], strict=True) if size == 50} == {
        1
    }


@pytest.mark.parametrize(
    "error",
    [
        lambda: ServerBusy("home", 503),
        lambda: ServerBusy("home", 429),
        lambda: ServerBusy("home", 500, retry_after=5.0),
        lambda: ServerUnreachable("home"),
        lambda: Unauthorized("home", 401),
        lambda: RequestRefused("home", 302, "/"),
        lambda: RequestRefused("home", 404, "/"),  # of the first page: the listing is not there
    ],
)
async def test_what_is_no_entrys_fault_ends_the_listing_at_once(error: Callable[[], PlexError]) -> None:
    """The server as a whole says no."""
    pages = Pages(spoilt(250, 0, error=error))
    with pytest.raises(type(error())):
        await keys(pages, 100)
    assert len(pages.asked) == 1


@pytest.mark.parametrize(
    "error",
    [
        lambda: BadAnswer("home", "a body of more than 5 bytes"),
        lambda: AnswerBrokeOff("home"),
        lambda: ServerTimeout("home"),
        lambda: RequestRefused("home", 404, "/"),
    ],
)
async def test_whatever_a_bad_entry_does_to_its_page(error: Callable[[], PlexError]) -> None:
    """It is found."""
    assert await unreadable(Pages(spoilt(50, 17, error=error)), 20, exists=True) == [17]


async def test_a_server_in_trouble_ends_the_listing_with_the_first_error() -> None:
    """Nothing is skipped where no entry can be had; nor where more than fifty cannot."""
    pages = Pages(spoilt(250, *range(250)))
    with pytest.raises(ServerBusy):
        await unreadable(pages, 100)
    assert len(pages.asked) == 7 + 20
    with pytest.raises(ServerBusy):
        await keys(Pages(spoilt(250, *range(0, 250, 4))), 100, most_pages=1000)


class _SlowFailures(Clock):
    """A clock on which each failing request takes a while; ``seconds`` counts what requests for parts took."""

    def __init__(self, takes: float) -> None:
        self.takes = takes
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def answer(self, bad: set[int]) -> Answers:
        def answer(start: int, size: int) -> Page | BaseException:
            if not bad.isdisjoint(range(start, start + size)):
                self.seconds += self.takes
                return BadAnswer("home", "broken")
            return page(start, max(0, min(size, 1_000 - start)), 1_000)

        return answer


@pytest.mark.parametrize(("takes", "ends"), [(5.0, False), (61.0, True)])
async def test_the_search_for_bad_entries_takes_ten_minutes_at_most(takes: float, *, ends: bool) -> None:
    """Failing tries add up over a listing; the error is the first one. Five bad entries in pages of a hundred."""
    bad = {50, 250, 450, 650, 850}
    clock = _SlowFailures(takes)
    pages = Pages(clock.answer(bad))
    pager = Pager(pages.fetch, server="home", path="/all", page_size=100, ahead=1, clock=clock)
    found: list[str] = []

    async def read() -> None:
        async with aclosing(pager.pages()) as listed:
            async for one in listed:
                found.extend(item.rating_key for item in one.items)

    if not ends:
        await read()
        assert len(found) == 1_000 - len(bad)
        return
    with pytest.raises(BadAnswer, match="broken"):
        await read()
    assert 600 < clock.seconds <= 600 + 3 * takes
    assert 0 < len(found) < 1_000 - len(bad)
