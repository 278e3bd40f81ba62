"""The floor's collections and labels, requested and inserted as rows after the items of a server.

A server lists all of its collections at once; the members of each take a request, and so does the list of labels of
each library and kind of item, and the items with each label. A correct script needs no fewer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Get = Callable[[str, dict[str, str]], tuple[bytes, int]]

PAGE = 500
KEYS_ONLY = {
    "excludeElements": "Media,Guid,Country,Rating,Collection,Writer,Role,Producer,Similar,Image,UltraBlurColors,"
    "Genre,Director,Label,Field",
    "excludeFields": "summary,tagline,thumb,art,theme,parentThumb,grandparentThumb,grandparentArt,grandparentTheme",
}
LABELLED = {"show": "2", "episode": "4"}
DIGEST = 0x5EED_5EED_5EED_5EED

Row = tuple[Any, ...]


class Collection(msgspec.Struct, gc=False, rename="camel"):
    rating_key: str
    title: str
    guid: str | None = None
    subtype: str | None = None
    title_sort: str | None = None
    summary: str | None = None
    smart: bool = False
    thumb: str | None = None
    art: str | None = None
    collection_sort: int | None = None
    added_at: int | None = None
    updated_at: int | None = None
    library_section_id: int | str = msgspec.field(default="", name="librarySectionID")


class Member(msgspec.Struct, gc=False, rename="camel"):
    rating_key: str
    type: str


class Label(msgspec.Struct, gc=False):
    key: str
    title: str


class Collections(msgspec.Struct, gc=False):
    entries: list[Collection] = msgspec.field(default_factory=list, name="Metadata")


class Members(msgspec.Struct, gc=False):
    entries: list[Member] = msgspec.field(default_factory=list, name="Metadata")


class Labels(msgspec.Struct, gc=False):
    entries: list[Label] = msgspec.field(default_factory=list, name="Directory")


def _decoder(container: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(msgspec.defstruct("Envelope", [("MediaContainer", container)], gc=False))


COLLECTIONS = _decoder(Collections)
MEMBERS = _decoder(Members)
LABELS = _decoder(Labels)


class Groups:
    """Requests the collections and labels of one server's libraries, by a function for its requests."""

    def __init__(self, get: Get, libraries: Iterable[str]) -> None:
        self._get = get
        self._libraries = list(libraries)

    def collections(self) -> Iterator[tuple[Collection, list[Member]]]:
        """Yield the collections of all libraries with their members."""
        for body in self._pages("/library/all", {"type": "18"}):
            for collection in COLLECTIONS.decode(body).MediaContainer.entries:
                yield collection, self._listed(f"/library/collections/{collection.rating_key}/children", {})

    def labels(self) -> Iterator[tuple[str, str, list[Member]]]:
        """Yield a kind of items, a label, and the items of a library that have it."""
        for library in self._libraries:
            for kind, number in LABELLED.items():
                body, _ = self._get(f"/library/sections/{library}/label", {"type": number})
                for label in LABELS.decode(body).MediaContainer.entries:
                    arguments = {"type": number, "label": label.key, "includeCollections": "0", "sort": "id"}
                    yield kind, label.title, self._listed(f"/library/sections/{library}/all", arguments)

    def _listed(self, path: str, arguments: dict[str, str]) -> list[Member]:
        pages = self._pages(path, {**KEYS_ONLY, **arguments})
        return [member for body in pages for member in MEMBERS.decode(body).MediaContainer.entries]

    def _pages(self, path: str, arguments: dict[str, str]) -> Iterator[bytes]:
        start, total = 0, 1
        while start < total:
            paged = {**arguments, "X-Plex-Container-Start": str(start), "X-Plex-Container-Size": str(PAGE)}
            body, total = self._get(path, paged)
            start += PAGE
            yield body


class GroupTables:
    """Inserts the rows of collections and labels; finds items by their rating keys, and labels in a dictionary."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._now = int(time.time())
        self._collections = 0
        self._labels: dict[str, int] = {}

    def insert(self, server: int, libraries: Mapping[str, int], ids: Mapping[str, int], groups: Groups) -> None:
        """Insert all groups of a server; ``libraries`` and ``ids`` are those of rows, by key."""
        rows: list[Row] = []
        members: list[Row] = []
        for collection, entries in groups.collections():
            self._collections += 1
            rows.append(
                (
                    self._collections, server, libraries[str(collection.library_section_id)], collection.rating_key,
                    collection.title, collection.title_sort, collection.summary or None, collection.subtype,
                    collection.smart, collection.collection_sort, collection.thumb, collection.art,
                    collection.added_at, collection.updated_at, self._now, self._now, DIGEST, collection.guid,
                )
            )  # fmt: skip
            members += [
                (
                    self._collections,
                    place,
                    *(ids[each.rating_key] if each.type == kind else None for kind in MEMBER_KINDS),
                )
                for place, each in enumerate(entries)
            ]
        tagged: dict[str, list[Row]] = {kind: [] for kind in LABELLED}
        places: dict[tuple[str, int], int] = {}
        labels: list[Row] = []
        for kind, name, entries in groups.labels():
            if name not in self._labels:
                self._labels[name] = len(self._labels) + 1
                labels.append((self._labels[name], "label", name))
            for each in entries:
                item = (kind, ids[each.rating_key])
                places[item] = places.get(item, -1) + 1
                tagged[kind].append((item[1], self._labels[name], places[item]))
        with self._connection:
            self._put("collections", COLLECTION, rows)
            self._put("collection_items", "collection_id, position, show_id, season_id, episode_id", members)
            self._put("tags", "id, kind, name", labels)
            for kind, of_kind in tagged.items():
                self._put(f"{kind}_tags", f"{kind}_id, tag_id, position", of_kind)

    def _put(self, table: str, columns: str, rows: list[Row]) -> None:
        if rows:
            marks = ", ".join("?" * (columns.count(",") + 1))
            self._connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)


MEMBER_KINDS = ("show", "season", "episode")
COLLECTION = (
    "id, server_id, library_id, rating_key, title, title_sort, summary, item_kind, is_smart, collection_sort, thumb, "
    "art, added_at, updated_at, created_at, synced_at, digest, source_id"
)
