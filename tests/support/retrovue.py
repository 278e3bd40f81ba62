"""Databases of the original Retrovue as its importers filled them, made of what a mirror holds of the same server.

Tables, columns and what they hold follow Retrovue's own code: schema 2 and 3 its ``core/database.py`` and
``core/plex_integration.py``, releases 1.2.x its ``sql/retrovue_schema_v1.2.3.sql``, the last of them its
``sql/schema.sql``, and both ``plex/ingest.py``, ``plex/mapper.py`` and ``plex/db.py``. Columns without a meaning here
are omitted.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

Truth: TypeAlias = dict[tuple[str, int], tuple[str, int]]
"""What a row of the old database is in the mirror: its table and id there, the kind and the id here."""

LAYOUTS = ("2", "3", "1.2", "1.2 with movies")

_SCHEMAS = """
CREATE TABLE schema_version (version INTEGER PRIMARY KEY);
CREATE TABLE plex_servers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, server_url TEXT NOT NULL UNIQUE, token TEXT NOT NULL,
    is_active BOOLEAN DEFAULT 1
);
CREATE TABLE libraries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, server_id INTEGER NOT NULL, library_key TEXT NOT NULL,
    library_name TEXT NOT NULL, library_type TEXT NOT NULL
);
CREATE TABLE media_files (
    id INTEGER PRIMARY KEY AUTOINCREMENT, {columns}, duration INTEGER, media_type TEXT, source_type TEXT,
    source_id TEXT, plex_path TEXT, server_id INTEGER, {unique}
);
CREATE TABLE shows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, plex_rating_key TEXT, title TEXT NOT NULL, year INTEGER, source_type TEXT,
    source_id TEXT UNIQUE NOT NULL, server_id INTEGER
);
CREATE TABLE movies (
    id INTEGER PRIMARY KEY AUTOINCREMENT, media_file_id INTEGER NOT NULL REFERENCES media_files ON DELETE CASCADE,
    title TEXT NOT NULL
);
CREATE TABLE episodes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, media_file_id INTEGER NOT NULL REFERENCES media_files ON DELETE CASCADE,
    show_id INTEGER REFERENCES shows ON DELETE CASCADE, episode_title TEXT NOT NULL
);
CREATE TABLE channels (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
CREATE TABLE schedules (
    id INTEGER PRIMARY KEY AUTOINCREMENT, channel_id INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
    media_file_id INTEGER NOT NULL REFERENCES media_files ON DELETE CASCADE, start_time TIMESTAMP NOT NULL,
    end_time TIMESTAMP NOT NULL
);
INSERT INTO channels (name) VALUES ('One');
"""
_PLEX_PATH_MAPPINGS = "CREATE TABLE plex_path_mappings (id INTEGER PRIMARY KEY, plex_path TEXT, local_path TEXT);"
_PATH_MAPPINGS = (
    "CREATE TABLE path_mappings (id INTEGER PRIMARY KEY, server_id INTEGER, plex_prefix TEXT, local_prefix TEXT);"
)
_RELEASES = """
CREATE TABLE plex_servers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, base_url TEXT NOT NULL, token TEXT NOT NULL
);
CREATE TABLE libraries (
    id INTEGER PRIMARY KEY, server_id INTEGER NOT NULL, plex_library_key TEXT NOT NULL, title TEXT NOT NULL,
    library_type TEXT NOT NULL
);
CREATE TABLE path_mappings (id INTEGER PRIMARY KEY, server_id INTEGER, library_id INTEGER, plex_path, local_path);
CREATE TABLE system_config (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_RELEASE_1_2 = (
    _RELEASES
    + """
CREATE TABLE shows (
    id INTEGER PRIMARY KEY, server_id INTEGER NOT NULL, library_id INTEGER NOT NULL, plex_rating_key TEXT NOT NULL,
    title TEXT NOT NULL, UNIQUE (server_id, library_id, plex_rating_key)
);
CREATE TABLE seasons (
    id INTEGER PRIMARY KEY, show_id INTEGER NOT NULL REFERENCES shows, season_number INTEGER NOT NULL,
    UNIQUE (show_id, season_number)
);
CREATE TABLE content_items (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, title TEXT, guid_primary TEXT, show_id INTEGER, season_id INTEGER
);
CREATE TABLE content_editorial (
    content_item_id INTEGER PRIMARY KEY REFERENCES content_items, source_name TEXT, source_payload_json TEXT
);
CREATE TABLE media_files (
    id INTEGER PRIMARY KEY, server_id INTEGER NOT NULL, library_id INTEGER NOT NULL, content_item_id INTEGER,
    plex_rating_key TEXT NOT NULL, file_path TEXT NOT NULL, UNIQUE (server_id, file_path)
);
CREATE TABLE content_item_files (
    content_item_id INTEGER NOT NULL, media_file_id INTEGER NOT NULL, role TEXT NOT NULL DEFAULT 'primary'
);
CREATE TABLE schedule_instances (
    id INTEGER PRIMARY KEY, air_date TEXT NOT NULL, start_time TEXT NOT NULL,
    content_item_id INTEGER REFERENCES content_items ON DELETE SET NULL,
    show_id INTEGER REFERENCES shows ON DELETE SET NULL
);
"""
)
_LAST_RELEASE = (
    _RELEASES
    + """
INSERT INTO system_config (key, value) VALUES ('schema_version', '1.2.3');
CREATE TABLE movies (id INTEGER PRIMARY KEY, plex_rating_key TEXT NOT NULL UNIQUE, title TEXT NOT NULL);
CREATE TABLE episodes (
    id INTEGER PRIMARY KEY, plex_rating_key TEXT NOT NULL UNIQUE, show_title TEXT NOT NULL, title TEXT NOT NULL
);
CREATE TABLE media_files (
    id INTEGER PRIMARY KEY, movie_id INTEGER REFERENCES movies, episode_id INTEGER REFERENCES episodes,
    plex_file_path TEXT NOT NULL, local_file_path TEXT
);
"""
)

_ITEMS = """
SELECT 'movie' AS kind, i.id, i.library_id, i.rating_key, i.source_id AS guid, i.title, NULL AS show_id,
       NULL AS season_id, NULL AS season_number, i.media_file_id, f.plex_path
FROM movies AS i JOIN media_files AS f ON f.id = i.media_file_id
UNION ALL
SELECT 'episode', i.id, i.library_id, i.rating_key, i.source_id, i.episode_title, i.show_id, i.season_id,
       i.season_number, i.media_file_id, f.plex_path
FROM episodes AS i JOIN media_files AS f ON f.id = i.media_file_id
ORDER BY kind, i.id DESC
"""
"""Retrovue imported only what has a file. The other order is that of its libraries, so that its ids are others."""


def make_old_database(path: Path, layout: str, mirror: Path) -> Truth:
    """Make a database of the original with everything that a mirror holds, and a schedule of all of it."""
    with closing(sqlite3.connect(mirror)) as here, closing(sqlite3.connect(path)) as old, old:
        here.row_factory = sqlite3.Row
        items = here.execute(_ITEMS).fetchall()
        shows = {row["id"]: row for row in here.execute("SELECT id, rating_key, title, source_id AS guid FROM shows")}
        url = here.execute("SELECT server_url FROM plex_servers").fetchone()[0]
        if layout == "2":
            return _schema_2(old, items, shows, url)
        if layout == "3":
            return _schema_3(old, items, shows, url)
        if layout == "1.2":
            return _release_1_2(old, items, shows, url, here)
        return _last_release(old, items, url)


def _insert(old: sqlite3.Connection, how: str, table: str, **values: Any) -> int:
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    found = old.execute(f"INSERT {how} INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
    assert found.lastrowid is not None
    return found.lastrowid


def _schema_2(old: sqlite3.Connection, items: list[Any], shows: dict[int, Any], url: str) -> Truth:
    """One row per guid: a later library's copy replaces the row of an earlier one."""
    unique = "UNIQUE (source_type, source_id)"
    old.executescript(_SCHEMAS.format(columns="file_path TEXT NOT NULL", unique=unique) + _PLEX_PATH_MAPPINGS)
    old.execute("PRAGMA foreign_keys = ON")
    old.execute("INSERT INTO schema_version VALUES (2)")
    server = _insert(old, "", "plex_servers", name="Home", server_url=url, token="t")
    truth: Truth = {}
    show_ids = {}
    for show_id, show in shows.items():
        show_ids[show_id] = _insert(
            old, "", "shows", title=show["title"], source_type="plex", source_id=show["guid"], server_id=server
        )
        truth["shows", show_ids[show_id]] = ("show", show_id)
    for item in items:
        file = _insert(
            old,
            "OR REPLACE",
            "media_files",
            file_path=item["plex_path"],
            duration=1,
            media_type=item["kind"],
            source_type="plex",
            source_id=item["guid"],
            plex_path=item["plex_path"],
            server_id=server,
        )
        truth |= _of_item(old, item, file, show_ids)
    return _there(old, truth)


def _schema_3(old: sqlite3.Connection, items: list[Any], shows: dict[int, Any], url: str) -> Truth:
    """Rating keys instead of guids, no local path."""
    columns = "library_id INTEGER, plex_rating_key TEXT"
    unique = "UNIQUE (server_id, library_id, plex_rating_key)"
    old.executescript(_SCHEMAS.format(columns=columns, unique=unique) + _PATH_MAPPINGS)
    old.execute("INSERT INTO schema_version VALUES (2), (3)")
    server = _insert(old, "", "plex_servers", name="Home", server_url=f"{url}/", token="t")
    truth: Truth = {}
    show_ids = {}
    for show_id, show in shows.items():
        show_ids[show_id] = _insert(
            old, "", "shows", title=show["title"], source_type="plex", source_id=show["rating_key"], server_id=server
        )
        truth["shows", show_ids[show_id]] = ("show", show_id)
    for item in items:
        file = _insert(
            old,
            "",
            "media_files",
            library_id=item["library_id"],
            plex_rating_key=item["rating_key"],
            duration=1,
            media_type=item["kind"],
            source_type="plex",
            source_id=item["rating_key"],
            plex_path=item["plex_path"],
            server_id=server,
        )
        truth |= _of_item(old, item, file, show_ids)
    return _there(old, truth)


def _of_item(old: sqlite3.Connection, item: Any, file: int, show_ids: dict[int, int]) -> Truth:
    if item["kind"] == "movie":
        row_id = _insert(old, "", "movies", media_file_id=file, title=item["title"])
    else:
        row_id = _insert(
            old,
            "",
            "episodes",
            media_file_id=file,
            show_id=show_ids[item["show_id"]],
            episode_title=item["title"],
        )
    times = {"start_time": "2025-10-01 20:00:00", "end_time": "2025-10-01 21:00:00"}
    _insert(old, "", "schedules", channel_id=1, media_file_id=file, **times)
    here = (item["kind"], item["id"])
    return {("media_files", file): here, (f"{item['kind']}s", row_id): here}


def _there(old: sqlite3.Connection, truth: Truth) -> Truth:
    """Return what is true of the rows that were not replaced."""
    tables = {table for table, _ in truth}
    there = {(table, row_id) for table in tables for (row_id,) in old.execute(f"SELECT id FROM {table}")}
    return {row: here for row, here in truth.items() if row in there}


def _release_1_2(
    old: sqlite3.Connection, items: list[Any], shows: dict[int, Any], url: str, here: sqlite3.Connection
) -> Truth:
    """All files of an item under their local paths, and the item as Plex sent it; one row for a file of two items."""
    old.executescript(_RELEASE_1_2)
    server = _insert(old, "", "plex_servers", name="Home", base_url=url, token="t")
    truth: Truth = {}
    show_ids: dict[tuple[int, str], int] = {}
    season_ids: dict[tuple[int, int], int] = {}
    files = "SELECT id, plex_path FROM media_files WHERE rating_key = ? AND plex_path IS NOT NULL ORDER BY id"
    for item in items:
        show_id = season_id = None
        if item["kind"] == "episode":
            title = shows[item["show_id"]]["title"]
            show = (item["library_id"], title)
            if show not in show_ids:
                show_ids[show] = _insert(
                    old,
                    "",
                    "shows",
                    server_id=server,
                    library_id=item["library_id"],
                    plex_rating_key=f"show_{title}",
                    title=title,
                )
                truth["shows", show_ids[show]] = ("show", item["show_id"])
            show_id = show_ids[show]
            if item["season_number"]:
                season = (show_id, item["season_number"])
                if season not in season_ids:
                    season_ids[season] = _insert(
                        old, "", "seasons", show_id=show_id, season_number=item["season_number"]
                    )
                    truth["seasons", season_ids[season]] = ("season", item["season_id"])
                season_id = season_ids[season]
        row_id = _insert(
            old, "", "content_items", kind=item["kind"], title=item["title"], show_id=show_id, season_id=season_id
        )
        truth["content_items", row_id] = (item["kind"], item["id"])
        paths = [path for _, path in here.execute(files, (item["rating_key"],))]
        payload = {"guid": item["guid"], "title": item["title"], "Media": [{"Part": [{"file": p}]} for p in paths]}
        _insert(
            old,
            "",
            "content_editorial",
            content_item_id=row_id,
            source_name="plex",
            source_payload_json=json.dumps(payload, separators=(",", ":")),
        )
        for path in paths:
            file = _insert(
                old,
                "OR REPLACE",
                "media_files",
                server_id=server,
                library_id=item["library_id"],
                content_item_id=row_id,
                plex_rating_key=item["rating_key"],
                file_path=path.replace("/srv/media", "/mnt/nas"),
            )
            _insert(old, "", "content_item_files", content_item_id=row_id, media_file_id=file)
            truth["media_files", file] = (item["kind"], item["id"])
        _insert(
            old,
            "",
            "schedule_instances",
            air_date="2025-10-01",
            start_time="20:00:00",
            content_item_id=row_id,
            show_id=show_id,
        )
    return _there(old, truth)


def _last_release(old: sqlite3.Connection, items: list[Any], url: str) -> Truth:
    """No guids, no servers: a path and a rating key."""
    old.executescript(_LAST_RELEASE)
    _insert(old, "", "plex_servers", name="Home", base_url=url, token="t")
    truth: Truth = {}
    for item in items:
        table = f"{item['kind']}s"
        show = {"show_title": "Show"} if item["kind"] == "episode" else {}
        row_id = _insert(old, "", table, plex_rating_key=item["rating_key"], title=item["title"], **show)
        file = _insert(old, "", "media_files", **{f"{item['kind']}_id": row_id}, plex_file_path=item["plex_path"])
        truth[table, row_id] = truth["media_files", file] = (item["kind"], item["id"])
    return truth
