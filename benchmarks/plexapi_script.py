"""What a python-plexapi user might write to get a library into SQLite.

    python -m benchmarks.plexapi_script DATABASE URL TOKEN [URL TOKEN ...]

It favours python-plexapi: it requests episodes in bulk instead of show by show, it turns off ``autoreload`` (on by
default), which fetches an item again if one of its fields is empty, its tables have no indexes except their keys, and
it commits once per library.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from typing import Any

# plexapi reads its settings when it is imported.
os.environ["PLEXAPI_PLEXAPI_AUTORELOAD"] = "false"

from plexapi.server import PlexServer

SCHEMA = """
CREATE TABLE shows (key INTEGER, title TEXT, year INTEGER, seasons INTEGER, episodes INTEGER, rating TEXT,
    summary TEXT, genre TEXT, studio TEXT, available TEXT, guid TEXT, updated TEXT, server TEXT,
    PRIMARY KEY (server, key));
CREATE TABLE seasons (key INTEGER, show_key INTEGER, number INTEGER, title TEXT, guid TEXT, updated TEXT, server TEXT,
    PRIMARY KEY (server, key));
CREATE TABLE episodes (key INTEGER, show_key INTEGER, season_key INTEGER, title TEXT, season INTEGER, number INTEGER,
    rating TEXT, summary TEXT, available TEXT, duration INTEGER, guid TEXT, updated TEXT, server TEXT,
    PRIMARY KEY (server, key));
CREATE TABLE files (id INTEGER, episode_key INTEGER, media_id INTEGER, path TEXT, duration INTEGER, size INTEGER,
    container TEXT, video_codec TEXT, audio_codec TEXT, audio_channels INTEGER, width INTEGER, height INTEGER,
    resolution TEXT, bitrate INTEGER, server TEXT, PRIMARY KEY (server, id));
CREATE TABLE guids (server TEXT, key INTEGER, guid TEXT, PRIMARY KEY (server, key, guid));
"""


def copy(section: Any, connection: sqlite3.Connection, server: str) -> None:
    """Copy one library."""
    for show in section.all():
        genre = ", ".join(tag.tag for tag in show.genres)
        available = _text(show.originallyAvailableAt)
        connection.execute(
            "INSERT INTO shows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                show.ratingKey, show.title, show.year, show.childCount, show.leafCount, show.contentRating,
                show.summary, genre, show.studio, available, show.guid, _text(show.updatedAt), server,
            ),
        )  # fmt: skip
        _guids(connection, server, show)
    for season in section.searchSeasons():
        connection.execute(
            "INSERT INTO seasons VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                season.ratingKey, season.parentRatingKey, season.index, season.title, season.guid,
                _text(season.updatedAt), server,
            ),
        )  # fmt: skip
    for episode in section.searchEpisodes():
        connection.execute(
            "INSERT INTO episodes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                episode.ratingKey, episode.grandparentRatingKey, episode.parentRatingKey, episode.title,
                episode.parentIndex, episode.index, episode.contentRating, episode.summary,
                _text(episode.originallyAvailableAt), episode.duration, episode.guid, _text(episode.updatedAt),
                server,
            ),
        )  # fmt: skip
        for media in episode.media:
            for part in media.parts:
                connection.execute(
                    "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        part.id, episode.ratingKey, media.id, part.file, part.duration, part.size, part.container,
                        media.videoCodec, media.audioCodec, media.audioChannels, media.width, media.height,
                        media.videoResolution, media.bitrate, server,
                    ),
                )  # fmt: skip
        _guids(connection, server, episode)


def _guids(connection: sqlite3.Connection, server: str, item: Any) -> None:
    connection.executemany(
        "INSERT INTO guids VALUES (?, ?, ?)", [(server, item.ratingKey, guid.id) for guid in item.guids]
    )


def _text(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()


def main() -> None:
    database, *addresses = sys.argv[1:]
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(SCHEMA)
        for url, token in zip(addresses[::2], addresses[1::2], strict=True):
            plex = PlexServer(url, token)
            for section in plex.library.sections():
                if section.type == "show":
                    with connection:
                        copy(section, connection, plex.machineIdentifier)


if __name__ == "__main__":
    main()
