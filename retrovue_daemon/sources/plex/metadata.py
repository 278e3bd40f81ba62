"""Single items, requested by their rating keys (``/library/metadata``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote

import structlog

from retrovue_daemon.errors import PlexError, RequestRefused, ServerTimeout
from retrovue_daemon.sources.plex.arguments import DETAILS
from retrovue_daemon.sources.plex.narrowing import MOST_TIMEOUTS_IN_A_ROW, Halving, may_be_one_entry
from retrovue_daemon.sources.plex.parse import parse_located, parse_page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrovue_daemon.records import Item, Kind, LocatedPage, Page
    from retrovue_daemon.sources.plex.transport import Response, Transport, Turn

_MOST_IDS: Final = 50
"""Rating keys per request: no document states how many a server accepts, and the length of addresses is limited."""

_MOST_LEFT_OUT: Final = 5
"""Consecutive failures of items of one request; after more, the server itself is assumed to fail."""

_NOT_FOUND: Final = 404
T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Metadata:
    """Requests single items from one server; ``turn`` is entered for each request."""

    def __init__(self, transport: Transport, turn: Turn, name: str) -> None:
        self._transport = transport
        self._turn = turn
        self._name = name

    async def items(
        self,
        rating_keys: Sequence[str],
        kind: Kind,
        *,
        unreadable: list[str] | None = None,
        mended: dict[str, str] | None = None,
    ) -> list[Item]:
        """Request single items of one kind; items that the server does not have are omitted.

        Their tags are cut to as many as a listing shows. Keys of items that the server has but cannot send are added
        to ``unreadable``; without it, too many of them are an error. For items that arrived damaged, the lost values
        are added to ``mended`` by rating key.
        """

        def read(response: Response) -> Page:
            body, content_type = response.body, response.content_type
            return parse_page(body, content_type=content_type, kind=kind, details=True, asked=_MOST_IDS)

        found: list[Item] = []
        for start in range(0, len(rating_keys), _MOST_IDS):
            for page in await self._pages_of(rating_keys[start : start + _MOST_IDS], read, unreadable):
                found += page.items
                if mended is not None:
                    mended.update(page.mended)
        return found

    async def located(self, rating_keys: Sequence[str], *, unreadable: list[str]) -> list[LocatedPage]:
        """Request single items of any kind and library, like `items`."""

        def read(response: Response) -> LocatedPage:
            return parse_located(response.body, content_type=response.content_type, asked=_MOST_IDS)

        found: list[LocatedPage] = []
        for start in range(0, len(rating_keys), _MOST_IDS):
            found += await self._pages_of(rating_keys[start : start + _MOST_IDS], read, unreadable)
        return found

    async def _pages_of(
        self, rating_keys: Sequence[str], read: Callable[[Response], T], left_out: list[str] | None
    ) -> list[T]:
        """Request items at once; if that fails, request them in halves, because one item may spoil the response.

        Items that cannot be fetched are skipped. If too many fail in a row, the rest is skipped without being
        requested or, if the caller does not collect the skipped keys, the first failure is raised.
        """
        found: list[T] = []
        requests = Halving([rating_keys])
        for keys in requests:
            try:
                page = await self._request(keys, read, tries=requests.tries(keys))
            except PlexError as error:
                if not may_be_one_entry(error):
                    raise
                if not requests.failed(keys, error):
                    continue
                most = MOST_TIMEOUTS_IN_A_ROW if isinstance(error, ServerTimeout) else _MOST_LEFT_OUT
                if left_out is None and requests.in_a_row > most:
                    raise (requests.cause or error) from None
                _log.warning("item.unreadable", server=self._name, rating_key=keys[0], reason=error.detail)
                if left_out is not None:
                    left_out.append(keys[0])
                    if requests.in_a_row >= most:
                        left_out += requests.rest
                        return found
            else:
                requests.succeeded()
                found += [] if page is None else [page]
        return found

    async def has_item(self, rating_key: str, kind: Kind, library_uuid: str | None) -> bool | None:
        """Return whether a library has an item of a kind. Raise PlexError without a readable response.

        Only a 404 means no. None means that the key belongs to an item of another kind or library: all of them share
        one series of keys, and keys are reassigned. Not every response names the library.
        """

        def read(response: Response) -> Page:
            return parse_page(response.body, content_type=response.content_type, asked=1)

        page = await self._request([rating_key], read)
        if page is None:
            return False
        is_of_kind = not page.items or any(item.kind is kind for item in page.items)
        is_here = None in {page.library_uuid, library_uuid} or page.library_uuid == library_uuid
        return True if is_of_kind and is_here else None

    async def _request(
        self, rating_keys: Sequence[str], read: Callable[[Response], T], *, tries: int | None = None
    ) -> T | None:
        """Request items by their rating keys; return None if the server has none of them."""
        keys = ",".join(quote(key, safe="") for key in rating_keys)
        try:
            return await self._transport.get(
                f"/library/metadata/{keys}",
                read,
                params=DETAILS,
                tries=tries,
                turn=self._turn,
            )
        except RequestRefused as refusal:
            if refusal.status != _NOT_FOUND:
                raise
        return None
