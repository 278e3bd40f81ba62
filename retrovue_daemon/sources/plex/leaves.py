"""The beginning of a listing of episodes, which shows whether the server's ``allLeaves`` is of use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import RequestRefused
from retrovue_daemon.records import Episode
from retrovue_daemon.sources.plex.guid import GUIDParser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection

    from retrovue_daemon.records import Page

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
