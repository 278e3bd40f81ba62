"""What the rest of the package asks a Plex Media Server for."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self, TypeVar
from urllib.parse import quote

import structlog

from retrovue_daemon.errors import RequestRefused
from retrovue_daemon.plex.guid import GUIDParser
from retrovue_daemon.plex.paging import SMALLEST_PAGE, Pager
from retrovue_daemon.plex.parse import is_xml, parse_identity, parse_libraries, parse_page
from retrovue_daemon.plex.retries import RetryPolicy
from retrovue_daemon.plex.transport import Transport
from retrovue_daemon.records import Episode, Kind

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.plex.transport import Answer
    from retrovue_daemon.records import LibraryListing, Page, ServerIdentity


class Listing(StrEnum):
    """What of a library is listed."""

    MOVIES = "movies"
    SHOWS = "shows"
    SEASONS = "seasons"
    EPISODES = "episodes"


_KINDS: Final = {
    Listing.MOVIES: Kind.MOVIE,
    Listing.SHOWS: Kind.SHOW,
    Listing.SEASONS: Kind.SEASON,
    Listing.EPISODES: Kind.EPISODE,
}

_TYPE_NUMBERS: Final = {Listing.MOVIES: "1", Listing.SHOWS: "2", Listing.SEASONS: "3", Listing.EPISODES: "4"}
"""The API's numbers of the item types (https://developer.plex.tv/pms/, section "Types")."""

_ARGUMENTS: Final = {
    "includeGuids": "1",
    # By default collections stand between the items and count in the total.
    "includeCollections": "0",
    # Pages are cut by position: by id new ones come last, by title they move the rest.
    "sort": "id",
}

_LEAVES_REFUSED: Final = frozenset({400, 404, 501})

_MATCHED: Final = "plex://"
"""How the guid of an item begins that Plex's own catalogue knows; other agents give no external ids."""

_LARGEST_XML_PAGE: Final = 250
"""Entries: reading 1,000 entries of XML would keep the event loop busy for 100 ms, of JSON for 10."""

_LARGEST_FIRST_PAGE: Final = 500
"""Entries of a listing that is begun before the server has answered anything, in whichever format."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class PlexClient:
    """One Plex Media Server, asked over one session; an async context manager.

    ``client_identifier`` names this installation to the server and stays the same over restarts. Every method raises
    nothing but PlexError, whose texts never hold the token.
    """

    def __init__(
        self,
        server: ServerSection,
        *,
        client_identifier: str,
        version: str,
        retry: RetryPolicy | None = None,
        device_name: str | None = None,
    ) -> None:
        self.name = server.name
        self._transport = Transport(
            server,
            client_identifier=client_identifier,
            version=version,
            retry=retry or RetryPolicy(),
            device_name=device_name,
        )
        self._concurrency = server.concurrency
        self._answers_xml: bool | None = None
        self._leaves_useless: set[str] = set()
        """Keys of the libraries whose ``allLeaves`` is refused, or says less than the listing by type."""
        self._fetches: set[asyncio.Task[Page]] = set()

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for fetch in self._fetches:
            fetch.cancel()
        await asyncio.gather(*self._fetches, return_exceptions=True)
        await self._transport.__aexit__(kind, error, traceback)

    @property
    def requests(self) -> int:
        """Requests sent so far, further tries included."""
        return self._transport.requests

    @property
    def bytes_received(self) -> int:
        """Bytes of bodies read so far."""
        return self._transport.bytes_received

    async def identity(self) -> ServerIdentity:
        """Ask who the server is. The token is not sent: until this is answered, nobody knows who would get it."""
        return await self._transport.get_without_token(
            "/identity",
            self._noting_format(lambda answer: parse_identity(answer.body, content_type=answer.content_type)),
        )

    async def libraries(self) -> tuple[LibraryListing, ...]:
        """List the libraries that the token may see, of every type."""
        found = await self._transport.get(
            "/library/sections",
            self._noting_format(lambda answer: parse_libraries(answer.body, content_type=answer.content_type)),
        )
        for skipped in found.skipped:
            _log.warning("library.skipped", server=self.name, library=skipped.title, reason=skipped.reason)
        return found.listings

    async def pages(self, library_key: str, listing: Listing, *, page_size: int) -> AsyncGenerator[Page, None]:
        """Give the pages of a listing in order, while the next ones are fetched.

        ``page_size`` is the number of entries that are asked for; the server may send fewer or more. The first page
        comes even if it is empty. Where the server never says a total, the last page is an empty one. Close the
        generator (``contextlib.aclosing``) when you leave it early: that ends the fetches.
        """
        section = f"/library/sections/{quote(library_key, safe='')}"
        if listing is Listing.EPISODES and library_key not in self._leaves_useless:
            async with aclosing(self._pages_of(f"{section}/allLeaves", _ARGUMENTS, page_size, Kind.EPISODE)) as pages:
                first = await _first_of_leaves(pages)
                if first is not None:
                    yield first
                    async for page in pages:
                        yield page
                    return
            self._leaves_useless.add(library_key)
        arguments = {**_ARGUMENTS, "type": _TYPE_NUMBERS[listing]}
        async with aclosing(self._pages_of(f"{section}/all", arguments, page_size, _KINDS[listing])) as pages:
            async for page in pages:
                yield page

    def _pages_of(
        self, path: str, arguments: dict[str, str], page_size: int, kind: Kind
    ) -> AsyncGenerator[Page, None]:
        def fetch(start: int, size: int) -> asyncio.Task[Page]:
            task = asyncio.create_task(
                self._page(path, arguments, start, size, kind), name=f"plex:{self.name}:{path}:{start}"
            )
            self._fetches.add(task)
            task.add_done_callback(self._fetches.discard)
            return task

        if self._answers_xml is not False:
            page_size = min(page_size, _LARGEST_XML_PAGE if self._answers_xml else _LARGEST_FIRST_PAGE)
        return Pager(fetch, server=self.name, page_size=page_size, ahead=self._concurrency).pages()

    async def _page(self, path: str, arguments: dict[str, str], start: int, size: int, kind: Kind) -> Page:
        def read(answer: Answer) -> Page:
            return parse_page(
                answer.body, content_type=answer.content_type, offset=start, total=answer.total, kind=kind
            )

        # As arguments and not as headers, so that a cache in between takes no page for another.
        paged = {**arguments, "X-Plex-Container-Start": str(start), "X-Plex-Container-Size": str(size)}
        # A large page that takes too long is not worth the same wait again: the pager asks for a smaller one.
        timeouts = 1 if size > SMALLEST_PAGE else None
        return await self._transport.get(path, self._noting_format(read), params=paged, timeouts=timeouts)

    def _noting_format(self, read: Callable[[Answer], T]) -> Callable[[Answer], T]:
        def read_and_note(answer: Answer) -> T:
            result = read(answer)
            self._answers_xml = is_xml(answer.body)
            return result

        return read_and_note


async def _first_of_leaves(pages: AsyncGenerator[Page, None]) -> Page | None:
    """Give the first page of ``allLeaves``; None where the server refuses it, or leaves the external ids out."""
    try:
        first = await anext(pages)
    except RequestRefused as refusal:
        if refusal.status not in _LEAVES_REFUSED:
            raise
        return None
    episodes = [item for item in first.items if isinstance(item, Episode) and (item.guid or "").startswith(_MATCHED)]
    if episodes and not any(_has_external_ids(episode) for episode in episodes):
        return None
    return first


def _has_external_ids(episode: Episode) -> bool:
    """Tell whether an episode has ids beside the one that its own guid gives."""
    return episode.guids != GUIDParser.external_ids(episode.guid, ())
