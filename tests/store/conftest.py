"""An open database with one server and one library of each type, and items to put in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.records import Episode, Kind, MediaFile, Movie, Season, Show
from retrovue_daemon.store.database import Database, open_database
from retrovue_daemon.store.items.rows import Target
from retrovue_daemon.store.items.upserts import BatchResult, Change, write_items
from tests.support.feed import FeedReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from retrovue_daemon.records import Item

NOW = 1_700_000_000


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "mirror.db") as opened:
        await opened.writer.run(
            lambda connection: connection.executescript(
                "INSERT INTO plex_servers (name, server_url) VALUES ('home', 'http://127.0.0.1:1');"
                "INSERT INTO libraries (server_id, library_key, library_name, library_type)"
                " VALUES (1, '1', 'Movies', 'movie'), (1, '2', 'TV', 'show');"
                "BEGIN"  # executescript commits; the writer expects a transaction to end
            )
        )
        yield opened


@pytest.fixture
async def reader(database: Database, tmp_path: Path) -> FeedReader:
    """A copy that follows the feed, from when the test first calls it.

    ``assert reader.follow() == []`` says that everything that changed since the last call has its entry.
    """
    following = FeedReader(tmp_path / "mirror.db")
    following.feed_id = "none yet"
    return following


@pytest.fixture
def target() -> Target:
    return Target(1, 1, "Movies", lambda path: path.replace("/plex", "/local"))


@pytest.fixture
def write(database: Database, target: Target) -> Callable[..., object]:
    """Write items as one batch, each with a digest of its own or the one given."""

    async def write_batch(*items: Item, digest: int = 1, now: int = NOW) -> BatchResult:
        kind = items[0].kind
        changes = [Change(item, digest) for item in items]
        return await database.writer.run(lambda c: write_items(c, target, kind, changes, now))

    return write_batch


@pytest.fixture
def query(database: Database) -> Callable[..., object]:
    async def fetch(sql: str, *values: object) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await database.reader.execute_fetchall(sql, values)]

    return fetch


def part(part_id: int | None, path: str | None = "/plex/a.mkv", **changes: object) -> MediaFile:
    fields: dict[str, object] = {
        "media_id": 10, "part_id": part_id, "part_index": 0, "plex_path": path, "duration": 60_000, "size": 1_000,
        "container": "mkv", "video_codec": "h264", "audio_codec": "aac", "audio_channels": 2, "width": 1920,
        "height": 1080, "video_resolution": "1080", "bitrate": 4_000, "optimized": False, "change_stamp": 7,
        "trashed": False,
    }  # fmt: skip
    return MediaFile(**(fields | changes))  # type: ignore[arg-type]


def movie(key: str, *files: MediaFile, **changes: object) -> Movie:
    fields: dict[str, object] = {
        "rating_key": key, "guid": f"plex://movie/{key}", "title": f"Film {key}", "year": 1931, "edition_title": None,
        "rating": "PG", "summary": "…", "genre": "Drama", "director": "A. Nobody", "studio": None,
        "originally_available_at": "1931-02-03", "duration": 60_000, "updated_at": 5, "trashed": False,
        "guids": (("imdb", f"tt{key}"), ("tmdb", key)), "files": files,
    }  # fmt: skip
    return Movie(**(fields | changes))  # type: ignore[arg-type]


def show(key: str, **changes: object) -> Show:
    fields: dict[str, object] = {
        "rating_key": key, "guid": f"plex://show/{key}", "title": f"Show {key}", "year": 1960, "total_seasons": 1,
        "total_episodes": 2, "show_rating": "TV-G", "show_summary": None, "genre": None, "studio": None,
        "originally_available_at": None, "updated_at": 5, "trashed": False, "guids": (("tvdb", key),),
    }  # fmt: skip
    return Show(**(fields | changes))  # type: ignore[arg-type]


def season(key: str, show_key: str | None, number: int | None, **changes: object) -> Season:
    fields: dict[str, object] = {
        "rating_key": key, "guid": None, "show_rating_key": show_key, "season_number": number,
        "title": f"Season {number}", "updated_at": None, "trashed": False,
    }  # fmt: skip
    return Season(**(fields | changes))  # type: ignore[arg-type]


def episode(
    key: str, show_key: str | None, season_key: str | None, number: int | None, *files: MediaFile, **changes: object
) -> Episode:
    fields: dict[str, object] = {
        "rating_key": key, "guid": f"plex://episode/{key}", "show_rating_key": show_key,
        "season_rating_key": season_key, "episode_title": f"Episode {key}", "season_number": 1,
        "episode_number": number, "rating": None, "summary": None, "originally_available_at": None,
        "duration": 30_000, "updated_at": None, "trashed": False, "guids": (), "files": files,
    }  # fmt: skip
    return Episode(**(fields | changes))  # type: ignore[arg-type]


class Make:
    """Items with plausible fields; keyword arguments change single ones."""

    part = staticmethod(part)
    movie = staticmethod(movie)
    show = staticmethod(show)
    season = staticmethod(season)
    episode = staticmethod(episode)
    now = NOW
    kinds = Kind


@pytest.fixture
def make() -> type[Make]:
    return Make
