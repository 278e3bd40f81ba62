"""Listings of which little is read, one page at a time: collections, their members, and the items with a label."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from retrovue_daemon.errors import RequestRefused
from retrovue_daemon.sources.plex.arguments import KEYS_ONLY, paging
from retrovue_daemon.sources.plex.paging import Pager

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from retrovue_daemon.records import Page
    from retrovue_daemon.sources.plex.transport import Response, Transport, Turn

_BAD_REQUEST: Final = 400


class ParsePage(Protocol):
    """Parses one page."""

    def __call__(self, body: bytes, *, content_type: str, offset: int, total: int | None, asked: int) -> Page:
        """Return the page that begins at ``offset``, of which ``asked`` entries were requested."""


class KeyPages:
    """Requests such pages from one server; ``turn`` is entered for each, ``page_size`` limits their entries.

    They never contain streams, and never more than the server is asked for in any case: a page here says nothing
    about what the server sends in the listings of items.
    """

    def __init__(self, transport: Transport, turn: Turn, page_size: Callable[[int], int], name: str) -> None:
        self._transport = transport
        self._turn = turn
        self._page_size = page_size
        self._name = name
        self._refuses_exclusions = False

    def pages(
        self, path: str, arguments: Mapping[str, str], parse: ParsePage, *, page_size: int, most_entries: int
    ) -> AsyncGenerator[Page, None]:
        """Yield the pages in order; close the generator when leaving it early. Raise PlexError.

        A page that fails for good is requested in halves, down to the entry that the server cannot send. A second
        timeout ends the listing: these pages are not worth the minutes that halving would take.
        """

        def fetch(start: int, size: int, wanted: asyncio.Event, tries: int | None = None) -> asyncio.Task[Page]:
            del wanted  # nothing is fetched ahead
            fetching = self._page(path, arguments, parse, start, size, tries)
            return asyncio.create_task(fetching, name=f"plex:{self._name}:{path}:{start}")

        pager = Pager(
            fetch,
            server=self._name,
            path=path,
            page_size=self._page_size(page_size),
            ahead=1,
            most_entries=most_entries,
            narrows_timeouts=False,
        )
        return pager.pages()

    async def _page(
        self, path: str, arguments: Mapping[str, str], parse: ParsePage, start: int, size: int, tries: int | None
    ) -> Page:
        def read(response: Response) -> Page:
            return parse(
                response.body,
                content_type=response.content_type,
                offset=start,
                total=response.total,
                asked=size,
            )

        request = partial(self._transport.get, path, read, tries=tries, timeouts=1, turn=self._turn)
        asked = {**arguments, **paging(start, size)}
        if not self._refuses_exclusions:
            try:
                return await request(params=asked)
            except RequestRefused as refusal:
                if refusal.status != _BAD_REQUEST or not arguments.keys() & KEYS_ONLY.keys():
                    raise
        page = await request(params={name: value for name, value in asked.items() if name not in KEYS_ONLY})
        self._refuses_exclusions = True
        return page
