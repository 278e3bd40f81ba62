"""The floor: the minimum that a program has to do to write the same rows into the same tables.

A single-threaded process requests the same pages as the daemon over one connection, decodes the same fields, and
inserts the same rows into an empty database with the same schema. It looks nothing up, compares nothing, and does not
handle failures. After the items of each server follow its collections and labels: see ``floor_groups``.

    python -m benchmarks.floor [OPTIONS] DATABASE URL TOKEN [URL TOKEN ...]

Options: ``--step fetch|decode|insert``, ``--compressed``, ``--details``. With the last one, the details of all
items follow: see ``floor_details``.

The database must already have its schema. Digests are a constant: only the daemon needs them, but rows of equal size
must contain one. Pictures of seasons and episodes: only their own, as the daemon stores them.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
import zlib
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import msgspec

from benchmarks.floor_groups import Groups, GroupTables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PAGE = 500
BATCH = 2000
GZIP = 16 + zlib.MAX_WBITS
ALIKE = {
    "includeGuids": "1",
    "includeCollections": "0",
    "sort": "id",
    "excludeElements": "Country,Rating,Collection,Writer,Role,Producer,Similar,Image,UltraBlurColors",
}
UNTAGGED = {**ALIKE, "excludeElements": f"{ALIKE['excludeElements']},Genre,Director"}
LISTINGS = {
    "show": ("all", {**ALIKE, "type": "2"}),
    "season": ("all", {**UNTAGGED, "type": "3"}),
    "episode": ("allLeaves", {**UNTAGGED, "includeElements": "Stream"}),
}
DIGEST = 0x5EED_5EED_5EED_5EED

Row = tuple[Any, ...]


class Tag(msgspec.Struct, gc=False):
    tag: str = ""


class Guid(msgspec.Struct, gc=False):
    id: str


class Stream(msgspec.Struct, gc=False, rename="camel"):
    stream_type: int
    key: str | None = None
    default: bool = False
    forced: bool = False
    codec: str | None = None
    index: int | None = None
    bitrate: int | None = None
    language_tag: str | None = None
    language_code: str | None = None
    dovi_present: bool = msgspec.field(default=False, name="DOVIPresent")
    dovi_profile: int | None = msgspec.field(default=None, name="DOVIProfile")
    audio_channel_layout: str | None = None
    bit_depth: int | None = None
    channels: int | None = None
    color_trc: str | None = None
    frame_rate: float | None = None
    hearing_impaired: bool = False
    height: int | None = None
    profile: str | None = None
    sampling_rate: int | None = None
    scan_type: str | None = None
    title: str | None = None
    width: int | None = None


class Part(msgspec.Struct, gc=False):
    id: int
    key: str
    file: str
    duration: int | None = None
    size: int | None = None
    container: str | None = None
    streams: list[Stream] = msgspec.field(default_factory=list, name="Stream")


class Media(msgspec.Struct, gc=False, rename="camel"):
    id: int
    title: str | None = None
    duration: int | None = None
    bitrate: int | None = None
    width: int | None = None
    height: int | None = None
    aspect_ratio: float | None = None
    audio_channels: int | None = None
    audio_codec: str | None = None
    video_codec: str | None = None
    video_resolution: str | None = None
    video_frame_rate: str | None = None
    audio_profile: str | None = None
    video_profile: str | None = None
    parts: list[Part] = msgspec.field(default_factory=list, name="Part")


class Entry(msgspec.Struct, gc=False, rename="camel"):
    rating_key: str
    title: str
    parent_rating_key: str | None = None
    grandparent_rating_key: str | None = None
    guid: str = ""
    studio: str | None = None
    title_sort: str | None = None
    original_title: str | None = None
    content_rating: str | None = None
    summary: str | None = None
    index: int | None = None
    parent_index: int | None = None
    rating: float | None = None
    audience_rating: float | None = None
    year: int | None = None
    tagline: str | None = None
    thumb: str | None = None
    art: str | None = None
    theme: str | None = None
    duration: int | None = None
    originally_available_at: str | None = None
    show_ordering: str | None = None
    leaf_count: int | None = None
    child_count: int | None = None
    added_at: int | None = None
    updated_at: int | None = None
    media: list[Media] = msgspec.field(default_factory=list, name="Media")
    genres: list[Tag] = msgspec.field(default_factory=list, name="Genre")
    guids: list[Guid] = msgspec.field(default_factory=list, name="Guid")


class Container(msgspec.Struct, gc=False):
    entries: list[Entry] = msgspec.field(default_factory=list, name="Metadata")


class Envelope(msgspec.Struct, gc=False):
    container: Container = msgspec.field(name="MediaContainer")


DECODER = msgspec.json.Decoder(Envelope)


class Server:
    """A persistent connection to one server."""

    def __init__(self, url: str, token: str, encoding: str) -> None:
        self.url = url
        self.token = token
        self._connection = HTTPConnection(urlsplit(url).netloc)
        self._headers = {"Accept": "application/json", "Accept-Encoding": encoding, "X-Plex-Token": token}

    def get(self, path: str, arguments: dict[str, str]) -> tuple[bytes, int]:
        """Return a body, and the size of the whole listing."""
        self._connection.request("GET", f"{path}?{urlencode(arguments)}", headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status} for {path}")
        if answer.headers.get("Content-Encoding") == "gzip":
            body = zlib.decompress(body, GZIP)
        return body, int(answer.headers.get("X-Plex-Container-Total-Size", 0))

    def pages(self, library: str, kind: str) -> Iterator[bytes]:
        listing, arguments = LISTINGS[kind]
        start, total = 0, 1
        while start < total:
            paged = {**arguments, "X-Plex-Container-Start": str(start), "X-Plex-Container-Size": str(PAGE)}
            body, total = self.get(f"/library/sections/{library}/{listing}", paged)
            start += PAGE
            yield body

    def groups(self, libraries: Iterable[str]) -> Groups:
        """Return the collections of the server, and the labels of these libraries."""
        return Groups(self.get, libraries)

    def libraries(self) -> list[dict[str, Any]]:
        """Return the libraries of shows, after asking which server it is, as every client of known servers has to."""
        json.loads(self.get("/identity", {})[0])
        directories = json.loads(self.get("/library/sections", {})[0])["MediaContainer"]["Directory"]
        return [directory for directory in directories if directory["type"] == "show"]


class Tables:
    """Builds rows from entries, batch by batch."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._now = int(time.time())
        self._last_id = dict.fromkeys(("shows", "seasons", "episodes", "media_files"), 0)
        self._ids: dict[str, int] = {}
        self._place: tuple[int, int, str] = (0, 0, "")

    @property
    def ids(self) -> Mapping[str, int]:
        """The ids of the current server's shows, seasons and episodes, by rating key."""
        return self._ids

    def server(self, number: int, server: Server) -> None:
        self._ids.clear()
        self._connection.execute(
            "INSERT INTO plex_servers (id, name, server_url, source) VALUES (?, ?, ?, 'config')",
            (number, f"server{number}", server.url),
        )

    def library(self, server: int, number: int, library: dict[str, Any]) -> None:
        self._place = (server, number, library["title"])
        self._connection.execute(
            "INSERT INTO libraries (id, server_id, library_key, library_name, library_type) VALUES (?, ?, ?, ?, ?)",
            (number, server, library["key"], library["title"], library["type"]),
        )

    def insert(self, kind: str, entries: list[Entry]) -> None:
        with self._connection:
            {"show": self._shows, "season": self._seasons, "episode": self._episodes}[kind](entries)

    def _shows(self, entries: list[Entry]) -> None:
        server, library, _ = self._place
        now, ids = self._now, self._ids
        rows: list[Row] = []
        guids: list[Row] = []
        row_id = self._last_id["shows"]
        for entry in entries:
            row_id += 1
            ids[entry.rating_key] = row_id
            external = _external(entry)
            guids += [(row_id, provider, external_id) for provider, external_id in external]
            named = dict(external)
            primary = next((f"{p}://{named[p]}" for p in ("tvdb", "tmdb", "imdb", "plex") if p in named), None)
            rows.append(
                (
                    row_id, server, library, entry.rating_key, entry.title, entry.year, entry.child_count,
                    entry.leaf_count, entry.content_rating, entry.summary,
                    ", ".join([tag.tag for tag in entry.genres]) or None, entry.studio,
                    entry.originally_available_at, primary, entry.added_at, entry.title_sort, entry.rating,
                    entry.audience_rating, entry.thumb, entry.art, entry.original_title, entry.tagline, entry.theme,
                    entry.show_ordering, DIGEST, entry.guid, entry.updated_at, now, now, 1, DIGEST,
                    "active",
                )
            )  # fmt: skip
        self._last_id["shows"] = row_id
        self._put("shows", SHOW, rows)
        self._put("show_guids", "show_id, provider, external_id", guids)

    def _seasons(self, entries: list[Entry]) -> None:
        server, library, _ = self._place
        now, ids = self._now, self._ids
        rows: list[Row] = []
        row_id = self._last_id["seasons"]
        for entry in entries:
            row_id += 1
            ids[entry.rating_key] = row_id
            rows.append(
                (
                    row_id, server, library, entry.rating_key, ids.get(entry.parent_rating_key or ""), entry.index,
                    entry.title, entry.added_at, entry.title_sort, entry.rating, entry.audience_rating, entry.thumb,
                    entry.summary, entry.guid, entry.updated_at, now, now, 1, DIGEST, "active",
                )
            )  # fmt: skip
        self._last_id["seasons"] = row_id
        self._put("seasons", SEASON, rows)

    def _episodes(self, entries: list[Entry]) -> None:
        server, library, name = self._place
        now, ids = self._now, self._ids
        rows: list[Row] = []
        guids: list[Row] = []
        files: list[Row] = []
        streams: list[Row] = []
        row_id, file_id = self._last_id["episodes"], self._last_id["media_files"]
        for entry in entries:
            row_id += 1
            ids[entry.rating_key] = row_id
            key, guid, updated_at = entry.rating_key, entry.guid, entry.updated_at
            first = file_id + 1
            for media in entry.media:
                for position, part in enumerate(media.parts):
                    file_id += 1
                    files.append(
                        (
                            file_id, server, library, key, media.id, part.id, position, part.file, part.file,
                            part.duration, part.size, part.container, media.video_codec, media.audio_codec,
                            media.audio_channels, media.width, media.height, media.video_resolution, media.bitrate, 0,
                            int(part.key.split("/", 5)[4]), "episode", guid, name, updated_at, now, "active",
                            media.title, media.aspect_ratio, media.video_frame_rate, media.video_profile,
                            media.audio_profile, _hdr(part.streams), DIGEST if part.streams else None,
                        )
                    )  # fmt: skip
                    streams += [
                        (
                            file_id, stream.index, KINDS[stream.stream_type], stream.codec, stream.profile,
                            stream.language_tag, stream.language_code, stream.title, stream.bitrate, stream.channels,
                            stream.audio_channel_layout, stream.sampling_rate, stream.width, stream.height,
                            stream.frame_rate, stream.bit_depth, stream.scan_type, stream.color_trc,
                            stream.dovi_profile, stream.default, stream.forced, stream.index is None,
                            stream.hearing_impaired,
                        )
                        for stream in part.streams
                    ]  # fmt: skip
            guids += [(row_id, provider, external_id) for provider, external_id in _external(entry)]
            rows.append(
                (
                    row_id, server, library, key, ids.get(entry.grandparent_rating_key or ""),
                    ids.get(entry.parent_rating_key or ""), first if first <= file_id else None, entry.title,
                    entry.parent_index, entry.index, entry.content_rating, entry.summary,
                    entry.originally_available_at, entry.duration, entry.added_at, entry.title_sort, entry.rating,
                    entry.audience_rating, entry.thumb, entry.original_title, DIGEST, guid, updated_at, now,
                    now, 1, DIGEST, "active",
                )
            )  # fmt: skip
        self._last_id["episodes"], self._last_id["media_files"] = row_id, file_id
        self._put("media_files", FILE, files)
        self._put("streams", STREAM, streams)
        self._put("episodes", EPISODE, rows)
        self._put("episode_guids", "episode_id, provider, external_id", guids)

    def _put(self, table: str, columns: str, rows: list[Row]) -> None:
        marks = ", ".join("?" * (columns.count(",") + 1))
        self._connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
        if table in ENTRIES and rows:
            entry = (ENTRIES[table], json.dumps([row[0] for row in rows]))
            self._connection.execute("INSERT INTO change_batches (kind, op, ids) VALUES (?, 'added', ?)", entry)


ENTRIES = {"shows": "show", "seasons": "season", "episodes": "episode"}
"""The tables whose rows have entries in the change feed."""

TAIL = "source_id, updated_at, created_at, synced_at, first_moment, digest, state"
RICH = "added_at, title_sort, critic_rating, audience_rating, thumb"
SHOW = (
    "id, server_id, library_id, rating_key, title, year, total_seasons, total_episodes, show_rating, show_summary, "
    f"genre, studio, originally_available_at, guid_primary, {RICH}, art, original_title, tagline, theme, "
    f"show_ordering, details_stamp, {TAIL}"
)
SEASON = f"id, server_id, library_id, rating_key, show_id, season_number, title, {RICH}, summary, {TAIL}"
EPISODE = (
    "id, server_id, library_id, rating_key, show_id, season_id, media_file_id, episode_title, season_number, "
    f"episode_number, rating, summary, originally_available_at, duration, {RICH}, original_title, details_stamp, "
    f"{TAIL}"
)
FILE = (
    "id, server_id, library_id, rating_key, media_id, part_id, part_index, file_path, plex_path, duration, size, "
    "container, video_codec, audio_codec, audio_channels, width, height, video_resolution, bitrate, optimized, "
    "change_stamp, media_type, source_id, library_name, updated_at, created_at, state, version_title, "
    "aspect_ratio, frame_rate, video_profile, audio_profile, hdr, streams_digest"
)
STREAM = (
    "media_file_id, stream_index, kind, codec, profile, language, language_code, title, bitrate, channels, "
    "channel_layout, sampling_rate, width, height, frame_rate, bit_depth, scan_type, color_transfer, "
    "dolby_vision_profile, is_default, is_forced, is_external, is_hearing_impaired"
)
KINDS = {1: "video", 2: "audio", 3: "subtitle"}
RANGES = {"smpte2084": "hdr10", "arib-std-b67": "hlg"}


def _hdr(streams: list[Stream]) -> str | None:
    for stream in streams:
        if stream.stream_type == 1:
            return "dolby vision" if stream.dovi_present else RANGES.get(stream.color_trc or "", "sdr")
    return None


def _external(entry: Entry) -> list[tuple[str, str]]:
    scheme, _, rest = entry.guid.partition("://")
    pairs = [(scheme, rest)]
    for guid in entry.guids:
        scheme, _, rest = guid.id.partition("://")
        pairs.append((scheme, rest))
    return pairs


def fetch(servers: list[Server], *, decoded: bool) -> None:
    """Request all pages, and optionally decode them; the lists of collections and labels are decoded in any case."""
    for server in servers:
        libraries = server.libraries()
        for library in libraries:
            for kind in LISTINGS:
                for body in server.pages(library["key"], kind):
                    if decoded:
                        DECODER.decode(body)
        groups = server.groups(library["key"] for library in libraries)
        for _ in (*groups.collections(), *groups.labels()):
            pass


def insert(servers: list[Server], connection: sqlite3.Connection) -> None:
    """Request all pages, decode them and insert their content."""
    tables, group_tables = Tables(connection), GroupTables(connection)
    known = 0
    for number, server in enumerate(servers, start=1):
        tables.server(number, server)
        libraries: dict[str, int] = {}
        for library in server.libraries():
            known += 1
            libraries[library["key"]] = known
            tables.library(number, known, library)
            for kind in LISTINGS:
                waiting: list[Entry] = []
                for body in server.pages(library["key"], kind):
                    waiting += DECODER.decode(body).container.entries
                    if len(waiting) >= BATCH:
                        tables.insert(kind, waiting)
                        waiting = []
                tables.insert(kind, waiting)
        group_tables.insert(number, libraries, tables.ids, server.groups(libraries))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--step", choices=("fetch", "decode", "insert"), default="insert")
    parser.add_argument("--compressed", action="store_true")
    parser.add_argument("--details", action="store_true")
    parser.add_argument("database")
    parser.add_argument("addresses", nargs="+", metavar="URL TOKEN")
    arguments = parser.parse_args()
    pairs = zip(arguments.addresses[::2], arguments.addresses[1::2], strict=True)
    encoding = "gzip" if arguments.compressed else "identity"
    servers = [Server(url, token, encoding) for url, token in pairs]
    if arguments.step != "insert":
        fetch(servers, decoded=arguments.step == "decode")
        return
    with closing(sqlite3.connect(arguments.database)) as connection:
        connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000"
        )
        insert(servers, connection)
        if arguments.details:
            from benchmarks.floor_details import Details  # noqa: PLC0415 -- most runs do without

            details = Details(connection)
            for number, server in enumerate(servers, start=1):
                details.read(server.get, number)


if __name__ == "__main__":
    main()
