"""The labels of a library, and the items that have one. Details name labels too; listings never do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from retrovue_daemon.errors import PlexError, RequestRefused, Unauthorized
from retrovue_daemon.records import Kind, Label
from retrovue_daemon.sources.plex.arguments import BY_TYPE, KEYS_ONLY, paging
from retrovue_daemon.sources.plex.collection_structs import LabelContainer, TagContainer
from retrovue_daemon.sources.plex.limits import NotAMediaContainer
from retrovue_daemon.sources.plex.names import clean
from retrovue_daemon.sources.plex.narrowing import may_be_one_entry
from retrovue_daemon.sources.plex.paging import MOST_ENTRIES
from retrovue_daemon.sources.plex.parse import Reader, parse_page

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from retrovue_daemon.records import Page
    from retrovue_daemon.sources.plex.key_pages import KeyPages
    from retrovue_daemon.sources.plex.transport import Response, Transport, Turn

_ASKED: Final = 1_000
_REFUSALS: Final = frozenset({400, 404, 501})
_READER: Final = Reader(LabelContainer)
_TAGS: Final = Reader(TagContainer)
_LABEL: Final = "11"
"""The type of labels in the list of a server's tags."""


class LabelRequests:
    """Requests the labels of one server's libraries."""

    def __init__(self, pages: KeyPages, transport: Transport, turn: Turn) -> None:
        self._pages = pages
        self._transport = transport
        self._turn = turn

    async def may_exist(self) -> bool:
        """Return whether anything on the server may have a label. Raise PlexError if the server failed as a whole.

        It is False only if the server lists its tags and counts none of this kind.
        """

        def read(response: Response) -> bool:
            return may_hold_tags(response.body, content_type=response.content_type, total=response.total)

        try:
            return await self._transport.get(
                "/library/tags", read, params={"type": _LABEL, **paging(0, 1)}, tries=1, turn=self._turn
            )
        except PlexError as error:
            if not isinstance(error, RequestRefused | Unauthorized) and not may_be_one_entry(error):
                raise
            return True

    async def of_library(self, library_key: str, kind: Kind) -> tuple[Label, ...] | None:
        """Return the labels that items of a kind have; None if the server has no such list. Raise PlexError."""

        def read(response: Response) -> tuple[Label, ...]:
            return parse_labels(response.body, content_type=response.content_type)

        try:
            return await self._transport.get(
                f"/library/sections/{quote(library_key, safe='')}/label",
                read,
                params={"type": BY_TYPE[kind]["type"]},
                turn=self._turn,
            )
        except RequestRefused as refusal:
            if refusal.status not in _REFUSALS:
                raise
            return None

    def items(self, library_key: str, kind: Kind, label: Label, *, page_size: int) -> AsyncGenerator[Page, None]:
        """Yield the pages of the items of a kind that have a label. Raise PlexError."""

        def parse(body: bytes, *, content_type: str, offset: int, total: int | None, asked: int) -> Page:
            return parse_page(body, content_type=content_type, offset=offset, total=total, asked=asked, kind=kind)

        arguments: Mapping[str, str] = {
            **KEYS_ONLY,
            "type": BY_TYPE[kind]["type"],
            "label": label.key,
            "includeCollections": "0",
            "sort": "id",
        }
        return self._pages.pages(
            f"/library/sections/{quote(library_key, safe='')}/all",
            arguments,
            parse,
            page_size=page_size,
            most_entries=MOST_ENTRIES,
        )


def may_hold_tags(body: bytes, *, content_type: str = "", total: int | None = None) -> bool:
    """Return whether a list of tags may hold any: False only if it is empty and says so. Raise NotAMediaContainer."""
    container = _TAGS.read(body, content_type, 1)
    counted = container.total_size if total is None else total
    return bool(container.directories or container.entries or container.size != 0 or counted != 0)


def parse_labels(body: bytes, *, content_type: str = "") -> tuple[Label, ...]:
    """Parse the labels of a library, each once. Raise NotAMediaContainer, also if the list is missing."""
    container = _READER.read(body, content_type, _ASKED)
    entries = (*(container.directories or ()), *(container.entries or ()))
    if not entries and (container.size is None or container.size > 0):
        raise NotAMediaContainer(f"a MediaContainer of size {container.size} without labels")
    found: dict[str, Label] = {}
    for entry in entries:
        name = clean(entry.title)
        if entry.key is not None and str(entry.key) and name is not None:
            found.setdefault(name, Label(str(entry.key), name))
    return tuple(found.values())
