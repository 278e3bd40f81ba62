"""The floor's second half: the details of all items, requested as the daemon does it, and inserted as rows.

Used by ``python -m benchmarks.floor --details``. Tags and people are looked up in two dictionaries.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

AT_ONCE = 100
BATCH = 2000
CAST = 20
ARGUMENTS = {
    "includeChapters": "1",
    "includeMarkers": "1",
    "skipRefresh": "1",
    "excludeElements": "Media,Guid,Rating,Collection,Similar,Image,UltraBlurColors,Extras,Location,Field",
    "excludeFields": "summary,tagline,slug",
}
TAGS = {"genre": "genres", "country": "countries", "network": "networks"}
"""Labels are stored already."""
JOBS = {"director": "directors", "writer": "writers", "producer": "producers", "actor": "roles"}

Row = tuple[Any, ...]


class Tag(msgspec.Struct, gc=False):
    tag: str = ""


class Person(msgspec.Struct, gc=False, rename="camel"):
    tag: str = ""
    tag_key: str = ""
    role: str | None = None
    thumb: str | None = None


class Chapter(msgspec.Struct, gc=False, rename="camel"):
    tag: str | None = None
    start_time_offset: int = 0
    end_time_offset: int = 0


class Marker(msgspec.Struct, gc=False, rename="camel"):
    type: str = ""
    start_time_offset: int = 0
    end_time_offset: int = 0
    final: bool = False


class Entry(msgspec.Struct, gc=False, rename="camel"):
    rating_key: str
    duration: int | None = None
    genres: list[Tag] = msgspec.field(default_factory=list, name="Genre")
    countries: list[Tag] = msgspec.field(default_factory=list, name="Country")
    networks: list[Tag] = msgspec.field(default_factory=list, name="Network")
    directors: list[Person] = msgspec.field(default_factory=list, name="Director")
    writers: list[Person] = msgspec.field(default_factory=list, name="Writer")
    producers: list[Person] = msgspec.field(default_factory=list, name="Producer")
    roles: list[Person] = msgspec.field(default_factory=list, name="Role")
    chapters: list[Chapter] = msgspec.field(default_factory=list, name="Chapter")
    markers: list[Marker] = msgspec.field(default_factory=list, name="Marker")


class Container(msgspec.Struct, gc=False):
    entries: list[Entry] = msgspec.field(default_factory=list, name="Metadata")


class Envelope(msgspec.Struct, gc=False):
    container: Container = msgspec.field(name="MediaContainer")


DECODER = msgspec.json.Decoder(Envelope)


class Details:
    """Requests and inserts the details of one server's items after another's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._now = int(time.time())
        tags = connection.execute("SELECT kind, name, id FROM tags")
        self._tags: dict[tuple[str, str], int] = {(kind, name): tag_id for kind, name, tag_id in tags}
        self._people: dict[tuple[str, str], int] = {}

    def read(self, get: Callable[[str, dict[str, str]], tuple[bytes, int]], number: int) -> None:
        """Read the details of the shows and episodes of a server, newest first, by a function for its requests."""
        for kind in ("show", "episode"):
            query = f"SELECT rating_key, id FROM {kind}s WHERE server_id = ? ORDER BY added_at DESC, id DESC"
            ids: dict[str, int] = dict(self._connection.execute(query, (number,)))
            keys = list(ids)
            waiting: list[Entry] = []
            for start in range(0, len(keys), AT_ONCE):
                body, _ = get(f"/library/metadata/{','.join(keys[start : start + AT_ONCE])}", ARGUMENTS)
                waiting += DECODER.decode(body).container.entries
                if len(waiting) >= BATCH:
                    self._insert(kind, ids, waiting)
                    waiting = []
            self._insert(kind, ids, waiting)

    def _insert(self, kind: str, ids: dict[str, int], entries: Sequence[Entry]) -> None:
        tags: list[Row] = []
        credits_: list[Row] = []
        chapters: list[Row] = []
        markers: list[Row] = []
        rows: list[Row] = []
        for entry in entries:
            row_id = ids[entry.rating_key]
            for tag_kind, name in TAGS.items():
                names = dict.fromkeys(each.tag for each in getattr(entry, name))
                tags += [(row_id, self._tag(tag_kind, each), place) for place, each in enumerate(names)]
            for job, name in JOBS.items():
                people = getattr(entry, name)[: CAST if job == "actor" else None]
                credits_ += [(row_id, self._person(each), job, each.role, place) for place, each in enumerate(people)]
            chapters += [(row_id, place, *row) for place, row in enumerate(_chapters(entry))]
            markers += [(row_id, *row) for row in _markers(entry)]
            if kind == "show":
                network = entry.networks[0].tag if entry.networks else None
                rows.append((self._now, ", ".join([tag.tag for tag in entry.genres]) or None, network, row_id))
            else:
                rows.append((self._now, row_id))
        with self._connection:
            self._put(f"{kind}_tags", f"{kind}_id, tag_id, position", tags)
            self._put(f"{kind}_credits", f"{kind}_id, person_id, job, role, position", credits_)
            self._put("chapters", f"{kind}_id, position, title, starts_at, ends_at", chapters)
            self._put("markers", f"{kind}_id, kind, starts_at, ends_at, is_final", markers)
            texts = ", genre = ?, network = coalesce(?, network)" if kind == "show" else ""
            self._connection.executemany(
                f"UPDATE {kind}s SET details_read_stamp = details_stamp, details_read_at = ?, synced_at = synced_at"
                f"{texts} WHERE id = ?",
                rows,
            )

    def _tag(self, kind: str, name: str) -> int:
        known = self._tags.get((kind, name))
        if known is None:
            known = self._tags[kind, name] = len(self._tags) + 1
            self._put("tags", "id, kind, name", [(known, kind, name)])
        return known

    def _person(self, person: Person) -> int:
        known = self._people.get((person.tag_key, person.tag))
        if known is None:
            known = self._people[person.tag_key, person.tag] = len(self._people) + 1
            self._put("people", "id, name, person_key, thumb", [(known, person.tag, person.tag_key, person.thumb)])
        return known

    def _put(self, table: str, columns: str, rows: Sequence[Row]) -> None:
        if rows:
            marks = ", ".join("?" * (columns.count(",") + 1))
            self._connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)


def _chapters(entry: Entry) -> Iterable[Row]:
    last = entry.duration or 2**62
    return [
        (each.tag or None, each.start_time_offset, min(each.end_time_offset, last))
        for each in entry.chapters
        if each.start_time_offset < min(each.end_time_offset, last)
    ]


def _markers(entry: Entry) -> Iterable[Row]:
    last = entry.duration or 2**62
    return [
        (each.type, each.start_time_offset, min(each.end_time_offset, last), each.final)
        for each in entry.markers
        if each.start_time_offset < min(each.end_time_offset, last)
    ]
