"""``/api/v1/items``: searches, and all that is stored about one item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from retrovue_daemon.records import Kind
from retrovue_daemon.service.item_choice import SORTS
from retrovue_daemon.service.item_search import FIELDS, MOST_VALUES, read_choice, search
from retrovue_daemon.store.items import catalog
from retrovue_daemon.store.items.columns import Hit
from retrovue_daemon.web.api.operations import LONGEST_TEXT, LibraryName, RowId, ServerName, given, operation
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.problems import Refusal

if TYPE_CHECKING:
    import sqlite3

    from aiohttp import web

MOST_ITEMS: Final = 500
_FIRST: Final = 50

KindName: TypeAlias = Literal["movie", "show", "season", "episode"]
Text: TypeAlias = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Texts: TypeAlias = Annotated[tuple[Text, ...], Meta(max_length=MOST_VALUES)]
Words: TypeAlias = Annotated[Text, Meta(description="Words of a title, or a guid such as imdb://tt0017136.")]
Years: TypeAlias = Annotated[Text, Meta(description="1950, 1950..1960, 1950.. or ..1960.")]
Length: TypeAlias = Annotated[Text, Meta(description="Minutes, or 1h30m.")]
Since: TypeAlias = Annotated[Text, Meta(description="A date (2026-03-14), or an age (7d).")]
Order: TypeAlias = Annotated[Text, Meta(description=f"One of {', '.join(SORTS)}; with a hyphen, the highest first.")]
Cursor: TypeAlias = Annotated[str, Meta(max_length=8192, description="From an answer to the same search.")]


class ItemsQuery(msgspec.Struct, frozen=True):
    """The options of ``items search``; those with several values are repeated."""

    text: Words | UnsetType = UNSET
    kind: KindName | UnsetType = UNSET
    server: ServerName | UnsetType = UNSET
    library: LibraryName | UnsetType = UNSET
    year: Years | UnsetType = UNSET
    genre: Texts = ()
    label: Texts = ()
    collection: Texts = ()
    actor: Texts = ()
    director: Texts = ()
    content_rating: Texts = ()
    min_rating: Annotated[float, Meta(ge=0, le=10)] | UnsetType = UNSET
    min_duration: Length | UnsetType = UNSET
    max_duration: Length | UnsetType = UNSET
    resolution: Texts = ()
    language: Texts = ()
    subtitle: Texts = ()
    added_since: Since | UnsetType = UNSET
    state: Literal["active", "unavailable", "missing"] | UnsetType = UNSET
    sort: Order | UnsetType = UNSET
    cursor: Cursor | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=MOST_ITEMS)] = _FIRST


class Items(msgspec.Struct, frozen=True):
    """Some items; ``cursor`` is that of the next ones, null at the end.

    ``capped`` says that a search by words matched more than are ranked, ``index_behind`` that only titles were
    searched, because the index of words is not complete yet.
    """

    items: list[Hit]
    cursor: str | None
    capped: bool
    index_behind: bool


class ItemPath(msgspec.Struct, frozen=True):
    """The kind and id of an item; each kind has ids of its own."""

    kind: KindName
    id: RowId


Row: TypeAlias = dict[str, Any]


class ItemDetails(msgspec.Struct, frozen=True):
    """All that is stored about an item: its row, and what belongs to it, as far as its kind has that."""

    kind: KindName
    item: Row
    server: str
    library: str
    show: str | UnsetType = UNSET
    guids: list[Row] | UnsetType = UNSET
    tags: list[Row] | UnsetType = UNSET
    credits: list[Row] | UnsetType = UNSET
    collections: list[Row] | UnsetType = UNSET
    files: list[Row] | UnsetType = UNSET
    chapters: list[Row] | UnsetType = UNSET
    markers: list[Row] | UnsetType = UNSET
    seasons: list[Row] | UnsetType = UNSET
    episodes: list[Row] | UnsetType = UNSET


@operation("Find items, with the options of `items search`; page by page", answers=Items, query=ItemsQuery)
async def find(request: web.Request, query: ItemsQuery) -> Items:
    """Return a page of a search."""
    choice, text = read_choice({name: request.query.getall(name, []) for name in FIELDS})
    reading = context_of(request).reading
    page = await reading.run(search, choice, text, cursor=given(query.cursor), limit=query.limit)
    return Items(page.hits, page.cursor, page.is_capped, page.is_index_behind)


@operation("All that is stored about one item, as `items show --json` prints it", answers=ItemDetails, path=ItemPath)
async def show(request: web.Request, path: ItemPath) -> dict[str, object]:
    """Return an item."""
    found = await context_of(request).reading.run(_read, Kind(path.kind), path.id)
    if found is None:
        raise Refusal(404, f"no {path.kind} has the id {path.id}", hint="each kind of item has ids of its own")
    return found


def _read(connection: sqlite3.Connection, kind: Kind, item_id: int) -> dict[str, object] | None:
    found = catalog.numbered(connection, str(item_id), (kind,), None, ["id"])
    return catalog.everything(connection, kind, item_id) if found else None
