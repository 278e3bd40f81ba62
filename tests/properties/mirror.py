"""What the database holds at one moment, read from its file as another program would."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from tests.properties.rich import stored_rich
from tests.properties.truth import KnownPath

if TYPE_CHECKING:
    from pathlib import Path

    from tests.properties.rich import RowId, StoredGroup, StoredRich
    from tests.properties.truth import Content, Key, KnownPaths
    from tests.support.details import Lists

Record: TypeAlias = dict[str, Any]

ITEM_TABLES = ("movies", "shows", "seasons", "episodes")
GUIDS = {
    "movies": ("movie_guids", "movie_id"),
    "shows": ("show_guids", "show_id"),
    "episodes": ("episode_guids", "episode_id"),
}
RICH = ("added_at", "title_sort", "critic_rating", "audience_rating", "thumb", "art")
COMPARED = {
    "movies": (
        "title", "year", "edition_title", "rating", "summary", "studio",
        "originally_available_at", "duration", "guid_primary", "source_id", "updated_at", *RICH, "original_title",
        "tagline",
    ),
    "shows": (
        "title", "year", "total_seasons", "total_episodes", "show_rating", "show_summary", "studio",
        "originally_available_at", "guid_primary", "source_id", "updated_at", *RICH, "original_title", "tagline",
        "theme", "show_ordering",
    ),
    "seasons": ("title", "season_number", "source_id", "updated_at", *RICH, "summary"),
    "episodes": (
        "episode_title", "season_number", "episode_number", "rating", "summary", "originally_available_at",
        "duration", "source_id", "updated_at", *RICH, "original_title",
    ),
    "media_files": (
        "rating_key", "library_name", "media_id", "part_index", "plex_path", "file_path", "duration", "size",
        "container", "video_codec", "audio_codec", "audio_channels", "width", "height", "video_resolution",
        "bitrate", "optimized", "change_stamp", "media_type", "source_id", "updated_at", "state",
        "version_title", "aspect_ratio", "frame_rate", "video_profile", "audio_profile", "hdr",
    ),
}  # fmt: skip
"""The columns with the server's values; others refer to rows, or hold the time of a write."""

ORPHANS = {
    "files of no item": "SELECT f.id FROM media_files f WHERE NOT EXISTS (SELECT 1 FROM {owners} o"
    " WHERE (o.server_id, o.rating_key) = (f.server_id, f.rating_key) AND o.library_id = f.library_id)"
    " AND f.media_type = '{kind}'",
    "files that differ in state from their item": "SELECT f.id FROM media_files f JOIN {owners} o"
    " ON (o.server_id, o.rating_key) = (f.server_id, f.rating_key)"
    " WHERE (o.state = 'missing') <> (f.state = 'missing') AND f.media_type = '{kind}'",
}
MISTAKES = {
    "parts that have several rows": "SELECT server_id, part_id FROM media_files"
    " WHERE part_id IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1",
    "episodes of another server's show": "SELECT e.id FROM episodes e JOIN shows w ON w.id = e.show_id"
    " WHERE w.server_id <> e.server_id",
    "episodes of another server's season": "SELECT e.id FROM episodes e JOIN seasons s ON s.id = e.season_id"
    " WHERE s.server_id <> e.server_id",
    "seasons of another server's show": "SELECT s.id FROM seasons s JOIN shows w ON w.id = s.show_id"
    " WHERE w.server_id <> s.server_id",
    **{
        f"{table} whose state and missing_since contradict": f"SELECT id FROM {table}"
        " WHERE (state = 'missing') <> (missing_since IS NOT NULL)"
        " OR (state = 'missing') <> (missing_observed IS NOT NULL)"
        for table in ITEM_TABLES
    },
    "collections whose members have no order": "SELECT collection_id FROM collection_items GROUP BY collection_id"
    " HAVING min(position) <> 0 OR max(position) <> count(*) - 1",
    "collections with an item twice": "SELECT collection_id FROM collection_items"
    " GROUP BY collection_id, movie_id, show_id, season_id, episode_id HAVING count(*) > 1",
    "collections of another server's library": "SELECT c.id FROM collections c"
    " JOIN libraries l ON l.id = c.library_id WHERE l.server_id <> c.server_id",
    **{
        what.replace("files", f"files ({owners})"): query.format(owners=owners, kind=kind)
        for what, query in ORPHANS.items()
        for owners, kind in (("movies", "movie"), ("episodes", "episode"))
    },
}
"""Queries that find nothing in a sound database."""


STRANGERS = (
    "SELECT l.library_key, e.id FROM episodes e JOIN seasons s ON s.id = e.season_id"
    " JOIN libraries l ON l.id = e.library_id WHERE s.show_id IS NOT e.show_id AND s.library_id = e.library_id"
    " AND e.state <> 'missing' AND e.digest & 1 = 0 AND l.server_id IS ?"
)
"""Episodes of another show's season: a pass that breaks off may have moved the season alone."""


@dataclass(frozen=True, slots=True)
class Row:
    """The row of an item: where it stands, and the content that can be compared with what the server says."""

    table: str
    id: int
    key: str
    library: str
    state: str
    missing_since: int | None
    missing_observed: int | None
    digest: int | None
    content: Content
    lists: Lists
    is_read: bool
    """Whether its details were ever read."""
    asked_again: int | None
    """When its details, which the server could not send, are requested again."""

    @property
    def present(self) -> bool:
        return self.state != "missing"

    @property
    def waits(self) -> bool:
        """Whether its show or season was not stored yet."""
        return self.digest is None or bool(self.digest & 1)


@dataclass(frozen=True)
class Mirror:
    """One server's part of the database; ``raw`` holds whole tables, to detect any write."""

    items: dict[Key, Row]
    files: dict[int, Content]
    file_ids: dict[int, int]
    libraries: dict[str, Record]
    runs: dict[int, Record]
    observed: int
    """The observed time that was stored last."""
    raw: dict[str, list[tuple[object, ...]]]
    mistakes: list[str]
    groups: dict[int, StoredGroup]
    """Collections by id."""
    strangers: list[tuple[str, int]]
    """Episodes of another show's season: their libraries and ids."""
    abilities: str
    """What is known of the server's responses, as JSON."""

    @classmethod
    def empty(cls) -> Self:
        return cls({}, {}, {}, {}, {}, 0, {}, [], {}, [], "")

    @cached_property
    def by_id(self) -> dict[tuple[str, int], Row]:
        return {(row.table, row.id): row for row in self.items.values()}

    @property
    def whole_paths(self) -> KnownPaths:
        """The paths that say where files are, by rating key and part."""
        return {
            (str(file["rating_key"]), part): KnownPath(path, file["source_id"])
            for part, file in self.files.items()
            if "/" in (path := str(file["plex_path"]))
        }

    def present_in(self, library: str) -> dict[Key, Row]:
        return {key: row for key, row in self.items.items() if row.library == library and row.present}


def read_mirror(path: Path, server: str, *, checked: bool = True) -> Mirror:
    """Read one server's rows; a database without them gives an empty mirror.

    The mistakes are those of the whole database: who reads several servers has them looked for once.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return _Reader(connection, server).mirror(checked=checked)


class _Reader:
    def __init__(self, connection: sqlite3.Connection, server: str) -> None:
        self._connection = connection
        self._server = server

    def mirror(self, *, checked: bool) -> Mirror:
        ids = [row["id"] for row in self._records("SELECT id FROM plex_servers WHERE name = ?", self._server)]
        server_id = ids[0] if ids else None
        tables = {
            table: self._records(f"SELECT * FROM {table} WHERE server_id IS ? ORDER BY id", server_id)
            for table in (*ITEM_TABLES, "media_files", "libraries", "sync_runs")
        }
        libraries = {library["id"]: library["library_key"] for library in tables["libraries"]}
        for file in tables["media_files"]:
            file["library"] = libraries[file["library_id"]]
        guids, streams = self._guids(), self._streams()
        links = {
            ("show", "show_id"): {show["id"]: show["rating_key"] for show in tables["shows"]},
            ("season", "season_id"): {season["id"]: season["rating_key"] for season in tables["seasons"]},
            ("file", "media_file_id"): {file["id"]: _part(file) for file in tables["media_files"]},
        }
        records = {(table, record["id"]): record for table in ITEM_TABLES for record in tables[table]}
        rich = stored_rich(self._connection, records, libraries)
        items = [
            _row(name, record, libraries[record["library_id"]], guids[name], links, rich)
            for name, record in records.items()
        ]
        raw = {table: [tuple(record.values()) for record in tables[table]] for table in (*ITEM_TABLES, "media_files")}
        raw |= rich.raw
        raw["guids"] = sorted((row.table, row.id, *sorted(guids[row.table, row.id])) for row in items)
        return Mirror(
            items={(row.table, row.key): row for row in items},
            files={
                _part(file): {name: file[name] for name in ("library", *COMPARED["media_files"])}
                | {"streams": streams[file["id"]]}
                for file in tables["media_files"]
            },
            file_ids={_part(file): file["id"] for file in tables["media_files"]},
            libraries={library["library_key"]: library for library in tables["libraries"]},
            runs={run["id"]: run for run in tables["sync_runs"]},
            observed=self._observed(),
            raw=raw,
            mistakes=self._mistakes() if checked else [],
            groups=rich.groups,
            strangers=self._connection.execute(STRANGERS, (server_id,)).fetchall(),
            abilities=self._abilities(server_id),
        )

    def _abilities(self, server_id: int | None) -> str:
        rows = self._connection.execute("SELECT abilities FROM plex_servers WHERE id IS ?", (server_id,))
        return next((str(known) for (known,) in rows if known is not None), "")

    def _observed(self) -> int:
        query = "SELECT value FROM daemon_state WHERE key = 'observed_clock'"
        return next((int(value.split()[0]) for (value,) in self._connection.execute(query)), 0)

    def _streams(self) -> dict[int, tuple[object, ...]]:
        """Return the compared values of all streams, by the id of their file."""
        found: defaultdict[int, tuple[object, ...]] = defaultdict(tuple)
        query = (
            "SELECT media_file_id, kind, codec, language, title, bitrate, channels, frame_rate, is_default,"
            " is_external FROM streams ORDER BY media_file_id, id"
        )
        for file_id, *values in self._connection.execute(query):
            found[file_id] = (*found[file_id], tuple(values))
        return found

    def _guids(self) -> dict[tuple[str, int], set[tuple[str, str]]]:
        found: defaultdict[tuple[str, int], set[tuple[str, str]]] = defaultdict(set)
        for table, (guids, column) in GUIDS.items():
            for row_id, provider, external_id in self._connection.execute(
                f"SELECT {column}, provider, external_id FROM {guids}"
            ):
                found[table, row_id].add((provider, external_id))
        return found

    def _mistakes(self) -> list[str]:
        (integrity,) = self._connection.execute("PRAGMA integrity_check").fetchall()[0]
        found = [] if integrity == "ok" else [f"integrity_check: {integrity}"]
        found += [f"foreign_key_check: {row}" for row in self._connection.execute("PRAGMA foreign_key_check")]
        for what, query in MISTAKES.items():
            found += [f"{what}: {rows}" for rows in [self._connection.execute(query).fetchall()] if rows]
        return found

    def _records(self, query: str, *values: object) -> list[Record]:
        cursor = self._connection.execute(query, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _part(file: Record) -> int:
    """Return the id of a file's part; where that was given to another file, a negative number of the file's own."""
    return int(-file["id"] if file["part_id"] is None else file["part_id"])


def _row(
    name: RowId,
    record: Record,
    library: str,
    guids: set[tuple[str, str]],
    links: dict[tuple[str, str], dict[int, object]],
    rich: StoredRich,
) -> Row:
    table, row_id = name
    content = {column: record[column] for column in COMPARED[table]}
    content |= {link: named.get(record[column]) for (link, column), named in links.items() if column in record}
    if table in GUIDS:
        content["guids"] = frozenset(guids)
    state, since, observed, digest = (
        record[name] for name in ("state", "missing_since", "missing_observed", "digest")
    )
    key, lists, is_read = record["rating_key"], rich.lists.get(name, {}), name in rich.read
    again = record.get("details_again_at") if record.get("details_again") == 0 else None
    return Row(table, row_id, key, library, state, since, observed, digest, content, lists, is_read, again)
