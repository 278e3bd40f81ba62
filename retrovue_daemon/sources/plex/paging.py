"""Reading a listing page by page: which page to request next, and when the listing ends.

Pages are cut by position. Plex's description of ``X-Plex-Container-Start`` and ``-Size`` sets the rules: a response
may contain another number of entries than requested, may omit the total, and may not be paged at all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from retrovue_daemon.clock import Clock
from retrovue_daemon.errors import (
    EndlessListing,
    PagingIgnored,
    PlexError,
    RequestRefused,
    ServerTimeout,
    ServerUnreachable,
)
from retrovue_daemon.records import Page
from retrovue_daemon.sources.plex.narrowing import Narrowing, may_be_one_entry
from retrovue_daemon.sources.plex.pace import SMALLEST_PAGE, Pace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

MOST_AHEAD: Final = 3
"""Pages in flight or waiting for the reader: enough to keep a server busy, few enough to keep memory flat."""

MOST_PAGES: Final = 100_000

MOST_ENTRIES: Final = 3_000_000
"""Of one listing; a million is a very large library."""

MOST_UNUSABLE: Final = 200_000
"""Entries of one listing that cannot be stored: unlike rows, their keys are kept in memory."""


class StartFetch(Protocol):
    """Starts the fetch of one page and returns its task."""

    def __call__(self, start: int, size: int, wanted: asyncio.Event, tries: int | None = None) -> asyncio.Task[Page]:
        """Start it; ``wanted`` is set once the page may be decoded, ``tries`` is None for the usual number."""


class _Fetch(NamedTuple):
    """A page in flight: the number of entries requested, and the event set once the reader waits for it."""

    asked: int
    wanted: asyncio.Event
    task: asyncio.Task[Page]


class Pager:
    """Reads one listing once.

    ``fetch(start, size, wanted, tries)`` starts the fetch of one page and returns its task, which the pager then
    owns: it awaits the task, or cancels and awaits it. ``wanted`` is set when the reader gets to the page: until then
    its body need not be decoded. ``page_size`` and ``size`` are entries; at most ``ahead`` fetches run at once.
    ``pace`` may reduce the page size and the number of fetches. ``path`` names the listing in errors.

    A page that fails for good is requested in halves, down to the entry that cannot be fetched, which is yielded as a
    page of its own with the reason. ``exists`` says that a 404 for the first page does not concern the whole listing.
    Without ``narrows_timeouts``, a page that times out is requested once more, as small as possible, and then ends
    the listing: halving it takes a timeout for each step.
    """

    def __init__(
        self,
        fetch: StartFetch,
        *,
        server: str,
        path: str,
        page_size: int,
        ahead: int,
        pace: Pace | None = None,
        most_pages: int = MOST_PAGES,
        most_entries: int = MOST_ENTRIES,
        clock: Clock | None = None,
        exists: bool = False,
        narrows_timeouts: bool = True,
    ) -> None:
        self._fetch = fetch
        self._server = server
        self._path = path
        self._number = 0
        self._size = page_size
        self._ahead = min(ahead, MOST_AHEAD)
        self._pace = pace or Pace(server)
        self._most_pages = most_pages
        self._most_entries = most_entries
        self._unusable = 0
        self._clock = clock or Clock()
        self._exists = exists
        self._narrows_timeouts = narrows_timeouts
        self._narrowing = Narrowing()
        self._unreadable: list[Page] = []
        """Skipped entries not yielded yet: if no page follows them, the server itself has failed."""
        self._start = 0
        self._total: int | None = None
        self._asked = 0
        """The expected number of entries on the next page, if the server sends as many as requested."""
        self._is_steady = True
        """Whether the last page had as many entries as requested, so that prefetches start at the right position."""
        self._fetches: deque[_Fetch] = deque()
        """Fetches of consecutive pages from ``start`` on."""

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Yield the pages in order.

        Raise PlexError: the failure of a page's fetch, PagingIgnored or EndlessListing.
        """
        first_key: str | None = None
        try:
            for number in range(self._most_pages):
                self._number = number
                page = await self._next_page()
                for unreadable in self._unreadable:
                    yield unreadable
                self._unreadable.clear()
                if page is None:
                    return
                if number == 0:
                    page = self._whole_listing(page)
                if first_key is None:
                    first_key = _first_key(page)
                elif _first_key(page) == first_key:
                    raise PagingIgnored(self._server, f"the entry at {self._start} is the first one again")
                await self._advance(page)
                if not self._ended(page):
                    self._fetch_ahead()
                yield page
                if self._ended(page):
                    return
            raise PagingIgnored(self._server, f"more than {self._most_pages} pages without an end")
        finally:
            await self._drop_fetches()

    async def _next_page(self) -> Page | None:
        """Wait for the page at ``start``; return None if only entries that cannot be fetched are left.

        On a timeout, request half as much; if a page fails for good, find the entry that causes it.
        """
        while True:
            # The first failure costs nothing here: time counts once part of a page was requested.
            began = self._clock.monotonic() if self._narrowing.covers(self._start) else None
            try:
                page = await self._fetched()
            except PlexError as error:
                is_part = self._narrowing.covers(self._start)
                if isinstance(error, ServerTimeout) and self._asked > SMALLEST_PAGE and not is_part:
                    await self._drop_fetches()
                    self._shrink()
                    continue
                if not self._may_be_one_entry(error):
                    self._locate(error)
                    raise
                seconds = 0.0 if began is None else self._clock.monotonic() - began
                try:
                    skip = self._narrowing.failed(error, start=self._start, size=self._asked, seconds=seconds)
                except PlexError as cause:
                    self._locate(cause)
                    raise
                if skip:
                    self._skip_entry(error)
                if self._total is not None and self._start >= self._total:
                    return None
                continue
            if page.entries and page.offset != self._start:
                raise PagingIgnored(self._server, f"entries from {page.offset} on instead of {self._start}")
            return page

    def _shrink(self) -> None:
        """Request smaller pages after a timeout: half as much, or at once as little as possible."""
        asked = self._asked
        while asked > SMALLEST_PAGE:
            self._pace.timed_out(asked, self._size, self._path)
            if self._narrows_timeouts:
                return
            asked = self._pace.page_size(self._size, self._path)

    async def _fetched(self) -> Page:
        """Wait for the page at ``start``: a part of a failed page, or the next page in flight."""
        if self._narrowing.covers(self._start):
            self._asked = self._narrowing.size(self._start, self._total)
            wanted = asyncio.Event()
            tries = self._narrowing.tries(self._asked)
            fetch = _Fetch(self._asked, wanted, self._fetch(self._start, self._asked, wanted, tries))
            self._fetches.appendleft(fetch)
        self._fetch_ahead()
        fetch = self._fetches.popleft()
        self._asked = fetch.asked
        fetch.wanted.set()
        return await fetch.task

    def _may_be_one_entry(self, error: PlexError) -> bool:
        """Return whether the failure of a page may be due to one of its entries."""
        if isinstance(error, RequestRefused) and self._start == 0 and not self._exists:
            return False
        if isinstance(error, ServerTimeout) and not self._narrows_timeouts:
            return False
        return may_be_one_entry(error)

    def _locate(self, error: PlexError) -> None:
        """Name the page and the position in the error of a listing that ends here, unless no server responded."""
        if type(error) is not ServerUnreachable:
            last = self._start + self._asked - 1
            entries = f"entry {last:,}" if last == self._start else f"entries {self._start:,} to {last:,}"
            place = f"page {self._number + 1:,} of {self._path}, {entries}"
            error.detail = f"{error.detail} ({place})" if error.detail else place

    def _skip_entry(self, error: PlexError) -> None:
        reason = error.detail or error.summary
        self._unreadable.append(Page(self._start, self._total, 1, (), unreadable=reason))
        self._start += 1

    def _whole_listing(self, first: Page) -> Page:
        """Set the total from a first page that was not paged: more than requested, and no sign of further entries."""
        if first.entries > self._asked and (first.total is None or first.total <= first.entries):
            return msgspec.structs.replace(first, total=first.entries)
        return first

    async def _advance(self, page: Page) -> None:
        """Advance by the entries received; if the server has its own page limit, continue with pages of that size."""
        if page.total is not None:
            self._total = page.total
        self._start += page.entries
        self._unusable += len(page.skipped)
        if self._start > self._most_entries:
            raise EndlessListing(self._server, f"more than {self._most_entries:,} entries")
        if self._unusable > MOST_UNUSABLE:
            raise EndlessListing(self._server, f"more than {MOST_UNUSABLE:,} entries that cannot be stored")
        self._narrowing.succeeded(self._start)
        self._is_steady = page.entries == self._asked
        if self._is_steady or self._ended(page):
            return
        await self._outwait_fetches()
        self._size = min(self._size, max(page.entries, SMALLEST_PAGE))

    def _ended(self, page: Page) -> bool:
        return page.entries == 0 or (self._total is not None and self._start >= self._total)

    def _fetch_ahead(self) -> None:
        """Keep fetches running: at least one, and more as long as there is known to be more to fetch."""
        if self._narrowing.covers(self._start):
            # Fetches after the failed page continue; new ones would start at the wrong position.
            return
        while len(self._fetches) < (self._pace.ahead(self._ahead, self._path) if self._is_steady else 1):
            start = self._start + sum(fetch.asked for fetch in self._fetches)
            if self._fetches and (self._total is None or start >= self._total):
                return
            size, wanted = self._pace.page_size(self._size, self._path), asyncio.Event()
            self._fetches.append(_Fetch(size, wanted, self._fetch(start, size, wanted)))

    async def _outwait_fetches(self) -> None:
        """Let requests for the wrong positions finish: a server keeps working on them even if they are cancelled."""
        for fetch in self._fetches:
            fetch.wanted.set()
        await asyncio.gather(*[fetch.task for fetch in self._fetches], return_exceptions=True)
        self._fetches.clear()

    async def _drop_fetches(self) -> None:
        dropped = [fetch.task for fetch in self._fetches]
        self._fetches.clear()
        for fetch in dropped:
            fetch.cancel()
        await asyncio.gather(*dropped, return_exceptions=True)


def _first_key(page: Page) -> str | None:
    if page.items:
        return page.items[0].rating_key
    return page.skipped[0].rating_key if page.skipped else None
