"""The pages of one server's listings: fetched ahead, as large as suits its format and its pace."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from retrovue_daemon.errors import RequestRefused
from retrovue_daemon.sources.plex.arguments import LEFT_OUT, paging
from retrovue_daemon.sources.plex.pace import Pace
from retrovue_daemon.sources.plex.paging import Pager
from retrovue_daemon.sources.plex.parse import is_xml, parse_page

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.records import Kind, Page
    from retrovue_daemon.sources.plex.transport import Answer, Transport

LARGEST_XML_PAGE: Final = 250
"""Entries: reading 1,000 entries of XML would keep the event loop busy for 100 ms, of JSON for 10."""

LARGEST_FIRST_PAGE: Final = 500
"""Entries of a listing that is begun before the server has answered anything, in whichever format."""

_BAD_REQUEST: Final = 400

T = TypeVar("T")


class PageSource:
    """Asks one server for pages. ``close`` ends what is under way."""

    def __init__(self, transport: Transport, server: ServerSection, clock: Clock | None) -> None:
        self._transport = transport
        self._clock = clock
        self._name = server.name
        self._concurrency = server.concurrency
        self._pace = Pace(server.name, clock)
        self._answers_xml: bool | None = None
        self._leaves_nothing_out = False
        self._fetches: set[asyncio.Task[Page]] = set()

    async def close(self) -> None:
        """Cancel the fetches that are under way, and wait for them."""
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
    ) -> AsyncGenerator[Page, None]:
        """Give the pages of a listing in order, while the next ones are fetched; ``page_size`` is the largest.

        ``exists`` says that a 404 for the first page is due to one of its entries: the server has this listing.
        """
        most = self.page_size(page_size)

        def fetch(start: int, size: int, wanted: asyncio.Event, tries: int | None = None) -> asyncio.Task[Page]:
            fetching = self._page(
                path, arguments, start, size, kind, most=most, parent=parent, wanted=wanted, tries=tries
            )
            task = asyncio.create_task(fetching, name=f"plex:{self._name}:{path}:{start}")
            self._fetches.add(task)
            task.add_done_callback(self._fetches.discard)
            return task

        pager = Pager(
            fetch,
            server=self._name,
            page_size=most,
            ahead=self._concurrency,
            pace=self._pace,
            clock=self._clock,
            exists=exists,
        )
        return pager.pages()

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait until the server may be asked for a page or an item."""
        return self._pace.turn()

    def page_size(self, most: int) -> int:
        """Return how many entries a page may have where ``most`` are wanted, for the format that the server has."""
        if self._answers_xml is False:
            return most
        return min(most, LARGEST_XML_PAGE if self._answers_xml else LARGEST_FIRST_PAGE)

    def noting_format(self, read: Callable[[Answer], T]) -> Callable[[Answer], T]:
        """Return what reads an answer like ``read`` and remembers the format that it came in."""

        def read_and_note(answer: Answer) -> T:
            result = read(answer)
            self._answers_xml = is_xml(answer.body)
            return result

        return read_and_note

    async def _page(
        self,
        path: str,
        arguments: Mapping[str, str],
        start: int,
        size: int,
        kind: Kind,
        *,
        most: int,
        parent: str | None,
        wanted: asyncio.Event,
        tries: int | None,
    ) -> Page:
        async def arrived(answer: Answer) -> None:
            # It may be a while until somebody wants the page, and how fast the server is shows now.
            entries = size if answer.total is None else max(0, min(size, answer.total - start))
            self._pace.arrived(kind, asked=size, most=most, entries=entries, seconds=answer.seconds)
            await wanted.wait()

        def read(answer: Answer) -> tuple[Page, float]:
            page = parse_page(
                answer.body,
                content_type=answer.content_type,
                offset=start,
                total=answer.total,
                kind=kind,
                show_key=parent,
            )
            return page, answer.seconds

        # A page that takes too long is not worth the same wait again: the pager asks for a smaller one.
        get = partial(
            self._transport.get,
            path,
            self.noting_format(read),
            timeouts=1,
            tries=tries,
            turn=self.turn,
            arrived=arrived,
        )
        page, seconds = await self._whole_or_not(get, {**arguments, **paging(start, size)})
        self._pace.counted(kind, asked=size, most=most, entries=page.entries, seconds=seconds)
        return page

    async def _whole_or_not(self, get: Callable[..., Awaitable[T]], asked: dict[str, str]) -> T:
        """Ask without what is not stored, or for everything where the server, or a proxy, refuses that."""
        wholly = {name: value for name, value in asked.items() if name != LEFT_OUT}
        if self._leaves_nothing_out:
            return await get(params=wholly)
        try:
            return await get(params=asked)
        except RequestRefused as refusal:
            if refusal.status != _BAD_REQUEST or LEFT_OUT not in asked:
                raise
        answer = await get(params=wholly)
        self._leaves_nothing_out = True
        return answer
