"""The pages of one server's listings: prefetched, in sizes that suit the server's format and pace."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from retrovue_daemon.errors import RequestRefused, ServerBusy
from retrovue_daemon.records import Episode
from retrovue_daemon.sources.plex.arguments import LEFT_OUT, paging
from retrovue_daemon.sources.plex.guid import GUIDParser
from retrovue_daemon.sources.plex.pace import Asked
from retrovue_daemon.sources.plex.paging import MOST_ENTRIES, Pager
from retrovue_daemon.sources.plex.parse import parse_page
from retrovue_daemon.sources.plex.streams import STREAMS, ListedStreams

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.records import Kind, Page
    from retrovue_daemon.sources.plex.body import BodyShare
    from retrovue_daemon.sources.plex.pace import Pace
    from retrovue_daemon.sources.plex.transport import Response, Transport

LARGEST_XML_PAGE: Final = 250
"""Entries: parsing 1,000 entries of XML would block the event loop for 100 ms, of JSON for 10."""

LARGEST_FIRST_PAGE: Final = 500
"""Entries requested before the server has sent anything, when its format is still unknown."""

_BAD_REQUEST: Final = 400
_INTERNAL_ERROR: Final = 500


class _Listing(NamedTuple):
    """One listing: its address, its arguments except for the page, and what its entries are.

    ``page_size`` is the largest page in entries; ``parent`` is the rating key of the show whose children it lists.
    """

    path: str
    arguments: Mapping[str, str]
    kind: Kind
    page_size: int
    parent: str | None

    def parse(self, start: int, asked: int, response: Response) -> Page:
        """Return the page that begins at entry ``start``, of which ``asked`` entries were requested."""
        return parse_page(
            response.body,
            content_type=response.content_type,
            offset=start,
            total=response.total,
            kind=self.kind,
            show_key=self.parent,
            asked=asked,
        )


class PageSource:
    """Requests pages from one server. ``close`` ends all running fetches."""

    def __init__(self, transport: Transport, server: ServerSection, pace: Pace, clock: Clock | None) -> None:
        self._transport = transport
        self._clock = clock
        self._name = server.name
        self._concurrency = server.concurrency
        self._pace = pace
        self._refuses_exclusions = False
        self.streams = ListedStreams(server.name)
        self._fetches: set[asyncio.Task[Page]] = set()

    async def close(self) -> None:
        """Cancel all running fetches and wait for them."""
        for fetch in self._fetches:
            fetch.cancel()
        await asyncio.gather(*self._fetches, return_exceptions=True)

    def pages(
        self,
        path: str,
        arguments: Mapping[str, str],
        page_size: int,
        kind: Kind,
        *,
        parent: str | None = None,
        exists: bool = False,
        most_entries: int = MOST_ENTRIES,
    ) -> AsyncGenerator[Page, None]:
        """Yield the pages of a listing in order while prefetching the next ones; ``page_size`` is the largest.

        ``exists`` says that the server has this listing, so that a 404 for the first page is due to one of its
        entries. More than ``most_entries`` entries raise EndlessListing.
        """
        listing = _Listing(path, arguments, kind, self.page_size(page_size), parent)

        def fetch(start: int, size: int, wanted: asyncio.Event, tries: int | None = None) -> asyncio.Task[Page]:
            fetching = self._page(listing, start, size, wanted, tries)
            task = asyncio.create_task(fetching, name=f"plex:{self._name}:{path}:{start}")
            self._fetches.add(task)
            task.add_done_callback(self._fetches.discard)
            return task

        pager = Pager(
            fetch,
            server=self._name,
            path=path,
            page_size=listing.page_size,
            ahead=self._concurrency,
            pace=self._pace,
            clock=self._clock,
            exists=exists,
            most_entries=most_entries,
        )
        return pager.pages()

    def page_size(self, most: int) -> int:
        """Return how many entries a page may have, at most ``most``, for the server's format."""
        if self._transport.sends_xml is False:
            return most
        return min(most, LARGEST_XML_PAGE if self._transport.sends_xml else LARGEST_FIRST_PAGE)

    async def _page(self, listing: _Listing, start: int, size: int, wanted: asyncio.Event, tries: int | None) -> Page:
        """Fetch one page. Its body is decoded only once ``wanted`` is set. Raise PlexError on failure."""
        arguments = {**listing.arguments, **self.streams.arguments(listing.kind), **paging(start, size)}
        # A page that timed out is not worth the same wait again: the pager requests a smaller one.
        async for attempt in self._transport.attempts(tries=tries, timeouts=1):
            with attempt, self._transport.bodies.share(self._name, wanted) as share:
                async with self._pace.detour(listing.path):
                    response = await self._send(listing.path, arguments, share)
                # The reader may get to the page much later, but the server's speed shows now.
                entries = size if response.total is None else max(0, min(size, response.total - start))
                asked = Asked(listing.path, listing.kind, size, listing.page_size)
                self._pace.arrived(asked, entries=entries, seconds=response.seconds)
                await wanted.wait()
                # To search a body for the token and to decode it takes milliseconds each: others get a turn between.
                await asyncio.sleep(0)
                page = await self._transport.decode(response, partial(listing.parse, start, size))
                self._pace.counted(asked, entries=page.entries, seconds=response.seconds)
                if not (arguments.keys() & STREAMS.keys()):
                    return page
                if not self.streams.may_replace(page):
                    self.streams.note(page)
                    return page
        return await self._compared(listing, page, arguments, start, size)

    async def _compared(
        self, listing: _Listing, page: Page, arguments: dict[str, str], start: int, size: int
    ) -> Page:
        """Return a page or, if it lacks other elements because streams were requested, the same page without them."""
        async for attempt in self._transport.attempts(timeouts=1):
            with attempt, self._transport.bodies.share(self._name) as share:
                response = await self._send(listing.path, _without(arguments, *STREAMS), share)
                plain = await self._transport.decode(response, partial(listing.parse, start, size))
                if self.streams.compare(page, plain):
                    return plain
                self.streams.note(page)
                return page
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, path: str, arguments: dict[str, str], share: BodyShare) -> Response:
        """Request a page without the fields that are not stored, and with streams, as far as the server accepts that.

        Arguments for streams that it does not accept are removed from ``arguments``.
        """
        asked = _without(arguments, LEFT_OUT) if self._refuses_exclusions else arguments
        while True:
            try:
                response = await self._transport.send(path, share, asked, turn=partial(self._pace.turn, path))
            except RequestRefused as refusal:
                if refusal.status != _BAD_REQUEST or LEFT_OUT not in asked:
                    raise
                asked = _without(asked, LEFT_OUT)
            except ServerBusy as error:
                if error.status != _INTERNAL_ERROR or self.streams.is_certain or not asked.keys() & STREAMS.keys():
                    raise
                asked = _without(asked, *STREAMS)
            else:
                break
        if LEFT_OUT not in asked and LEFT_OUT in arguments:
            self._refuses_exclusions = True
        if refused := (arguments.keys() - asked.keys()) & STREAMS.keys():
            for name in refused:
                del arguments[name]
            self.streams.refused()
        return response


def _without(arguments: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in arguments.items() if name not in names}


_LEAVES_REFUSED: Final = frozenset({400, 404, 501})

_MATCHED: Final = "plex://"
"""The prefix of guids from Plex's own catalogue; other agents provide no external ids."""


async def first_unless_refused(pages: AsyncGenerator[Page, None], refusals: Collection[int]) -> Page | None:
    """Return the first page, or None if the server responds with one of these statuses."""
    try:
        return await anext(pages)
    except RequestRefused as refusal:
        if refusal.status not in refusals:
            raise
        return None


async def first_of_leaves(pages: AsyncGenerator[Page, None]) -> list[Page] | None:
    """Return the first pages of ``allLeaves``, or None if the server refuses it or omits the external ids.

    This is one page, preceded by the entries that cannot be fetched, which do not show the ids that a listing
    provides.
    """
    page = await first_unless_refused(pages, _LEAVES_REFUSED)
    if page is None:
        return None
    first = [page]
    while first[-1].unreadable is not None and (following := await anext(pages, None)) is not None:
        first.append(following)
    return None if lacks_external_ids(first[-1]) else first


def lacks_external_ids(page: Page) -> bool:
    """Return whether no catalogued episode of a page has external ids other than the one from its own guid."""
    matched = [item for item in page.items if isinstance(item, Episode) and (item.guid or "").startswith(_MATCHED)]
    return bool(matched) and all(episode.guids == GUIDParser.external_ids(episode.guid, ()) for episode in matched)
