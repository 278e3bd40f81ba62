"""The requests that the rest of the package makes to a Plex Media Server."""

from __future__ import annotations

from contextlib import aclosing
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote

import msgspec
import structlog

from retrovue_daemon.clock import Clock
from retrovue_daemon.errors import EndlessListing, PlexError, RequestRefused, Unauthorized, WrongServer
from retrovue_daemon.records import Episode, Kind
from retrovue_daemon.sources.plex.arguments import BY_TYPE, LEAVES, LEFT_OUT, paging
from retrovue_daemon.sources.plex.body import LARGEST_BODY
from retrovue_daemon.sources.plex.collections import CollectionRequests
from retrovue_daemon.sources.plex.details_requests import DetailsRequests
from retrovue_daemon.sources.plex.key_pages import KeyPages
from retrovue_daemon.sources.plex.labels import LabelRequests
from retrovue_daemon.sources.plex.metadata import Metadata
from retrovue_daemon.sources.plex.pace import Pace
from retrovue_daemon.sources.plex.pages import (
    LARGEST_FIRST_PAGE,
    PageSource,
    first_of_leaves,
    first_unless_refused,
    lacks_external_ids,
)
from retrovue_daemon.sources.plex.parse import parse_found_shows, parse_identity, parse_libraries, parse_page
from retrovue_daemon.sources.plex.pictures import PictureRequests
from retrovue_daemon.sources.plex.retries import RetryPolicy
from retrovue_daemon.sources.plex.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.records import FoundPage, FoundShow, LibraryListing, Page, ServerIdentity
    from retrovue_daemon.sources.plex.body import BodyBudget
    from retrovue_daemon.sources.plex.transport import Response


class Listing(StrEnum):
    """Which items of a library are listed."""

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

_FILTER_REFUSED: Final = frozenset({400, 501})

_EVERYWHERE: Final = ("/library/sections/all", "/library/all")
"""Paths that search all libraries: the one that old servers know too, and the one of the API description."""

_NOT_FOUND: Final = 404
_NO_IDENTITY_HINT: Final = (
    "no Plex Media Server answers at this url: check its port, and its path if a proxy is in front of the server"
    " (as in https://example.org/plex)"
)
_LOGIN_HINT: Final = "no token was sent, as Plex needs none for this: check url, and whether a proxy requires a login"

MOST_FOUND: Final = 10_000
"""Shows that one search may find."""

_SEARCH_REFUSED: Final = frozenset({400, 404, 501})

CONFIRMED_S: Final = 60.0
"""Seconds after which a machine is confirmed again before a picture is requested: polls may be hours apart."""

_TRIES_FOR_SESSIONS: Final = 2
"""A refusal needs two; more would delay a command for the sake of a remark."""

_log = structlog.get_logger(__name__)


class PlexClient:
    """One Plex Media Server, accessed over one session; an async context manager.

    ``metadata`` requests single items, ``details`` all that is known about many, ``collections`` and ``labels`` what
    their names say, as does ``pictures``. ``notifications`` are the connections on which the server announces
    changes, ``requested`` the items that were requested a moment ago, ``listed_streams`` knows whether listings show
    the streams of files. ``client_identifier`` identifies this installation to the server and stays the same across
    restarts. Clients of one process share ``bodies``, the memory for responses. All methods raise only PlexError,
    whose texts never contain the token. Unless ``link_local``, connections to link-local addresses are refused.
    """

    def __init__(
        self,
        server: ServerSection,
        *,
        client_identifier: str,
        version: str,
        retry: RetryPolicy | None = None,
        device_name: str | None = None,
        bodies: BodyBudget | None = None,
        clock: Clock | None = None,
        link_local: bool = True,
    ) -> None:
        self.name = server.name
        self._transport = Transport(
            server,
            client_identifier=client_identifier,
            version=version,
            retry=retry or RetryPolicy(),
            device_name=device_name,
            bodies=bodies,
            clock=clock,
            link_local=link_local,
        )
        pace = Pace(server.name, clock)
        self._source = PageSource(self._transport, server, pace, clock)
        self.listed_streams = self._source.streams
        self.metadata = Metadata(self._transport, pace.turn, server.name)
        self.details = DetailsRequests(self._transport, pace.turn)
        keys = KeyPages(self._transport, pace.turn, self._source.page_size, server.name)
        self.collections = CollectionRequests(keys, self._transport, pace.turn, server.name)
        self.labels = LabelRequests(keys, self._transport, pace.turn)
        self.pictures = PictureRequests(self._transport, self._confirm_now_and_then, server.name)
        self.notifications = self._transport.notifications()
        self.requested = self._transport.requested
        self._leaves_useless: set[str] = set()
        """Keys of libraries whose ``allLeaves`` is refused or contains less than the listing by type."""
        self._filter_refused = False
        self._clock = clock or Clock()
        self._confirmed_at = float("-inf")
        self._skipped: set[tuple[str | None, str]] = set()
        """Titles of libraries that could not be read last time, and why; logged when that begins."""

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._source.close()
        await self._transport.__aexit__(kind, error, traceback)

    async def identity(self) -> ServerIdentity:
        """Request the server's identity, without the token: until it is known, the token could reach anyone."""
        try:
            return await self._transport.get(
                "/identity",
                lambda response: parse_identity(response.body, content_type=response.content_type),
                with_token=False,
            )
        except Unauthorized as refusal:  # not of the token: none was sent
            raise RequestRefused(self.name, refusal.status, "/identity", hint=_LOGIN_HINT) from None
        except RequestRefused as refusal:
            if refusal.status == _NOT_FOUND:
                refusal.hint = _NO_IDENTITY_HINT
            raise

    async def confirm_machine(self, known: str | None) -> ServerIdentity:
        """Return the server's identity. Raise WrongServer if its machineIdentifier is not the ``known`` one.

        From then on, all requests that need the token raise it, too, until the known machine is back.
        """
        identity = await self.identity()
        if known is not None and known != identity.machine_identifier:
            self._transport.token.stranger = known, identity.machine_identifier
            raise WrongServer(self.name, known, identity.machine_identifier)
        self._transport.token.stranger = None
        self._transport.token.confirm = partial(self.confirm_machine, identity.machine_identifier)
        self._confirmed_at = self._clock.monotonic()
        return identity

    async def _confirm_now_and_then(self, known: str | None) -> None:
        """Confirm the machine, unless that was done a moment ago. Raise WrongServer."""
        if self._clock.monotonic() - self._confirmed_at > CONFIRMED_S:
            await self.confirm_machine(known)

    async def libraries(self) -> tuple[LibraryListing, ...]:
        """Return the libraries that the token may see, of every type."""
        found = await self._transport.get(
            "/library/sections",
            lambda response: parse_libraries(response.body, content_type=response.content_type),
        )
        skipped = {(each.title, each.reason) for each in found.skipped}
        for title, reason in sorted(skipped - self._skipped, key=str):
            _log.warning("library.skipped", server=self.name, library=title, reason=reason)
        self._skipped = skipped
        return found.listings

    async def is_owner(self) -> bool | None:
        """Return whether the token is the owner's: only the owner may see the sessions.

        The result is None if the server does not say: nothing else depends on that response.
        """
        try:
            await self._transport.get("/status/sessions", lambda _response: None, tries=_TRIES_FOR_SESSIONS)
        except Unauthorized:
            return False
        except PlexError:
            return None
        return True

    async def pages(self, library_key: str, listing: Listing, *, page_size: int) -> AsyncGenerator[Page, None]:
        """Yield the pages of a listing in order while prefetching the next ones.

        ``page_size`` is the number of entries requested; the server may send fewer or more. The first page is yielded
        even if it is empty. If the server never reports a total, the last page is an empty one. Close the generator
        (``contextlib.aclosing``) when leaving it early, which ends the fetches.
        """
        section = f"/library/sections/{quote(library_key, safe='')}"
        if listing is Listing.EPISODES and library_key not in self._leaves_useless:
            async with aclosing(self._source.pages(f"{section}/allLeaves", LEAVES, page_size, Kind.EPISODE)) as pages:
                first = await first_of_leaves(pages)
                if first is not None:
                    for page in first:
                        yield page
                    async for page in pages:
                        yield page
                    return
            self._leaves_useless.add(library_key)
        kind = _KINDS[listing]
        async with aclosing(
            self._source.pages(f"{section}/all", BY_TYPE[kind], page_size, kind, exists=True)
        ) as pages:
            async for page in pages:
                yield page

    async def beginning(self, library_key: str, kind: Kind, *, size: int) -> Page:
        """Return the first entries of one kind in a library by a single request: a sample, not a listing's start."""

        def read(response: Response) -> Page:
            return parse_page(response.body, content_type=response.content_type, kind=kind, asked=size)

        return await self._transport.get(
            f"/library/sections/{quote(library_key, safe='')}/all",
            read,
            params={**BY_TYPE[kind], **paging(0, size)},
            tries=1,
        )

    async def pages_since(
        self, library_key: str, listing: Listing, since: int, *, page_size: int
    ) -> AsyncGenerator[Page, None]:
        """Yield the pages of items updated at ``since`` (in the server's seconds) or later.

        A server that ignores the filter lists everything; if a server refuses the filter, this lists everything too.
        """
        section = f"/library/sections/{quote(library_key, safe='')}"
        if not self._filter_refused:
            kind = _KINDS[listing]
            arguments = {**BY_TYPE[kind], "updatedAt>": str(since)}
            # A few entries are requested, and a refusal must be due to the filter.
            del arguments[LEFT_OUT]
            pages = self._source.pages(f"{section}/all", arguments, page_size, kind, exists=True)
            async with aclosing(pages):
                first = await first_unless_refused(pages, _FILTER_REFUSED)
                if first is not None:
                    yield first
                    async for page in pages:
                        yield page
                    return
            self._filter_refused = True
            _log.warning("server.filter_refused", server=self.name)
        async with aclosing(self.pages(library_key, listing, page_size=page_size)) as everything:
            async for page in everything:
                yield page

    def seasons_of(self, show_key: str, *, page_size: int) -> AsyncGenerator[Page, None]:
        """Return the seasons of one show, without the pseudo entry for all of its episodes."""
        path = f"/library/metadata/{quote(show_key, safe='')}/children"
        arguments = {"excludeAllLeaves": "1"}
        return self._source.pages(path, arguments, page_size, Kind.SEASON, parent=show_key)

    async def episodes_of(self, show_key: str, *, page_size: int) -> AsyncGenerator[Page, None]:
        """Return the episodes of one show; on old servers they do not name their show."""
        path = f"/library/metadata/{quote(show_key, safe='')}/allLeaves"
        arguments = {"includeGuids": "1"}
        async with aclosing(self._source.pages(path, arguments, page_size, Kind.EPISODE, parent=show_key)) as pages:
            async for page in pages:
                yield await self._with_external_ids(page)

    async def _with_external_ids(self, page: Page) -> Page:
        """Request the episodes of a page individually if their listing omits the external ids."""
        if not lacks_external_ids(page):
            return page
        wanted = [item.rating_key for item in page.items]
        found = await self.metadata.items(wanted, Kind.EPISODE)
        # Everything else is in the listing: a response that arrives damaged must not replace it.
        guids = {item.rating_key: item.guids for item in found if isinstance(item, Episode)}
        items = (
            msgspec.structs.replace(item, guids=guids[item.rating_key])
            if isinstance(item, Episode) and item.rating_key in guids
            else item
            for item in page.items
        )
        return msgspec.structs.replace(page, items=tuple(items))

    def shows_titled(self, library_key: str, title: str) -> AsyncGenerator[Page, None]:
        """Yield the shows of a library whose titles contain a text, as the library's listing shows them."""
        path = f"/library/sections/{quote(library_key, safe='')}/all"
        arguments = {**BY_TYPE[Kind.SHOW], "title": title}
        return self._source.pages(path, arguments, LARGEST_FIRST_PAGE, Kind.SHOW, most_entries=MOST_FOUND)

    async def shows_called(self, title: str, year: int | None = None) -> tuple[FoundShow, ...]:
        """Find the shows of all libraries whose titles contain a text and which started in a given year.

        Some servers mistake the first path for the list of libraries, or refuse it; the second path is used then.
        Raise PlexError, also if both are refused.
        """
        arguments = {"type": "2", "title": title, "includeGuids": "1"} | ({} if year is None else {"year": str(year)})
        for path in _EVERYWHERE:
            try:
                found = await self._shows_found(path, arguments)
            except RequestRefused as refusal:
                if path == _EVERYWHERE[-1] or refusal.status not in _SEARCH_REFUSED:
                    raise
                continue
            if found:
                return found
        return ()

    async def _shows_found(self, path: str, arguments: dict[str, str]) -> tuple[FoundShow, ...]:
        """Read the response to a search page by page until one brings nothing new: not every server pages it.

        Raise EndlessListing if it is longer than any useful one.
        """
        size = 0

        def read(response: Response) -> FoundPage:
            nonlocal size
            body, content_type = response.body, response.content_type
            size += len(body)
            return parse_found_shows(body, content_type=content_type, total=response.total, asked=LARGEST_FIRST_PAGE)

        found: dict[str, FoundShow] = {}
        start = 0
        while True:
            asked = arguments | paging(start, self._source.page_size(LARGEST_FIRST_PAGE))
            page = await self._transport.get(path, read, params=asked)
            fresh = {each.show.rating_key: each for each in page.shows if each.show.rating_key not in found}
            found |= fresh
            start += page.entries
            if len(found) > MOST_FOUND or size > LARGEST_BODY:
                raise EndlessListing(self.name, f"more than {MOST_FOUND:,} shows or 16 MiB for one title")
            if not fresh or (page.total is not None and start >= page.total):
                return tuple(found.values())
