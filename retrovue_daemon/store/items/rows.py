"""The columns of the item tables, and records as rows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.bulk import Insertion
from retrovue_daemon.store.items.lookup import TABLES
from retrovue_daemon.store.items.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrovue_daemon.records import Episode, MediaFile, Movie, Season, Show
    from retrovue_daemon.store.items.bulk import Row


class Target(msgspec.Struct, frozen=True):
    """The library of a batch, and how its paths translate to local ones.

    New rows store the moment at which they were first seen. For a library that was never listed completely, that is
    the moment at which it became ``known``, because its items may be older than any of its passes.
    """

    server_id: int
    library_id: int
    library_name: str
    local_path: Callable[[str], str]
    moments: Moments = msgspec.field(default_factory=Moments)
    known: int | None = None

    @property
    def first_moment(self) -> int:
        """The moment at which a row written now counts as first seen."""
        return self.moments.now if self.known is None else self.known


SAID_ONCE = frozenset({"id", "created_at", "first_moment"})
"""Columns that are written when a row is inserted and never updated."""


def upsert(
    table: str, columns: tuple[str, ...], *, fixed: str = "", kept: Mapping[str, str] | None = None
) -> Insertion:
    """Return an insertion that updates rows with existing ids, except for columns that never change.

    ``fixed`` is an additional assignment made by every update; ``kept`` holds the expressions of columns whose
    stored value may stay.
    """
    values = {name: f"excluded.{name}" for name in columns if name not in SAID_ONCE} | (dict(kept) if kept else {})
    changes = ", ".join(f"{name} = {value}" for name, value in values.items())
    return Insertion(table, columns, f"ON CONFLICT (id) DO UPDATE SET {changes}{', ' + fixed if fixed else ''}")


_HEAD = ("id", "server_id", "library_id", "rating_key")
_TAIL = ("source_id", "updated_at", "created_at", "synced_at", "first_moment", "digest", "state")
_RICH = ("added_at", "title_sort", "critic_rating", "audience_rating", "thumb", "art")

_MOVIE = (
    *_HEAD, "media_file_id", "title", "year", "edition_title", "rating", "summary", "genre", "director", "studio",
    "originally_available_at", "duration", "guid_primary", *_RICH, "original_title", "tagline", "details_stamp",
    *_TAIL,
)  # fmt: skip
_SHOW = (
    *_HEAD, "title", "year", "total_seasons", "total_episodes", "show_rating", "show_summary", "genre", "studio",
    "originally_available_at", "guid_primary", *_RICH, "original_title", "tagline", "theme", "show_ordering",
    "network", "details_stamp", *_TAIL,
)  # fmt: skip
_SEASON = (*_HEAD, "show_id", "season_number", "title", *_RICH, "summary", *_TAIL)
_EPISODE = (
    *_HEAD, "show_id", "season_id", "media_file_id", "episode_title", "season_number", "episode_number", "rating",
    "summary", "originally_available_at", "duration", *_RICH, "original_title", "details_stamp", *_TAIL,
)  # fmt: skip
STREAM_STATE = ("hdr", "streams_digest")
"""The columns of a file that its streams fill: they stay if a response says nothing about streams."""

FILE_COLUMNS = (
    "id", "server_id", "library_id", "rating_key", "media_id", "part_id", "part_index", "file_path", "plex_path",
    "duration", "size", "container", "video_codec", "audio_codec", "audio_channels", "width", "height",
    "video_resolution", "bitrate", "optimized", "change_stamp", "media_type", "source_id", "library_name",
    "updated_at", "created_at", "state", "version_title", "aspect_ratio", "frame_rate", "video_profile",
    "audio_profile", *STREAM_STATE,
)  # fmt: skip

COLUMNS = {Kind.MOVIE: _MOVIE, Kind.SHOW: _SHOW, Kind.SEASON: _SEASON, Kind.EPISODE: _EPISODE}
"""The columns of each item table that a record fills."""

COMPLETE_TAGS = {Kind.MOVIE: ("genre", "director"), Kind.SHOW: ("genre", "network")}
"""The tags of which a listing has only the first: once the details were read, they stay."""

UPSERT_ITEM = {
    kind: upsert(
        TABLES[kind],
        columns,
        fixed="missing_since = NULL, missing_observed = NULL, last_moment = NULL",
        kept={
            name: f"iif({TABLES[kind]}.details_read_at IS NULL, excluded.{name}, {TABLES[kind]}.{name})"
            for name in COMPLETE_TAGS.get(kind, ())
        },
    )
    for kind, columns in COLUMNS.items()
}
UPSERT_FILE = upsert(
    "media_files",
    FILE_COLUMNS,
    kept={
        name: f"iif(excluded.streams_digest IS NULL, media_files.{name}, excluded.{name})" for name in STREAM_STATE
    },
)


def movie_row(
    target: Target, row_id: int, movie: Movie, digest: int | None, stamp: int, now: int, media_file_id: int | None
) -> Row:
    """Return the row of a film."""
    artwork = movie.artwork
    return (
        row_id, target.server_id, target.library_id, movie.rating_key, media_file_id, movie.title, movie.year,
        movie.edition_title, movie.rating, movie.summary, movie.genre, movie.director, movie.studio,
        movie.originally_available_at, movie.duration, movie.guid_primary, movie.added_at, movie.title_sort,
        movie.critic_rating, movie.audience_rating, artwork.thumb, artwork.art, movie.original_title, movie.tagline,
        stamp, movie.guid, movie.updated_at, now, now,
        target.first_moment, digest, movie.state,
    )  # fmt: skip


def show_row(target: Target, row_id: int, show: Show, digest: int | None, stamp: int, now: int) -> Row:
    """Return the row of a show."""
    artwork = show.artwork
    return (
        row_id, target.server_id, target.library_id, show.rating_key, show.title, show.year, show.total_seasons,
        show.total_episodes, show.show_rating, show.show_summary, show.genre, show.studio,
        show.originally_available_at, show.guid_primary, show.added_at, show.title_sort, show.critic_rating,
        show.audience_rating, artwork.thumb, artwork.art, show.original_title, show.tagline, artwork.theme,
        show.show_ordering, show.network, stamp, show.guid, show.updated_at, now, now,
        target.first_moment, digest, show.state,
    )  # fmt: skip


def season_row(target: Target, row_id: int, season: Season, digest: int | None, now: int, show_id: int | None) -> Row:
    """Return the row of a season."""
    artwork = season.artwork
    return (
        row_id, target.server_id, target.library_id, season.rating_key, show_id, season.season_number,
        season.title, season.added_at, season.title_sort, season.critic_rating, season.audience_rating, artwork.thumb,
        artwork.art, season.summary, season.guid, season.updated_at, now, now, target.first_moment, digest,
        season.state,
    )  # fmt: skip


def episode_row(
    target: Target,
    row_id: int,
    episode: Episode,
    digest: int | None,
    stamp: int,
    now: int,
    parents: tuple[int | None, int | None],
    media_file_id: int | None,
) -> Row:
    """Return the row of an episode; ``parents`` are the ids of its show and season."""
    artwork = episode.artwork
    return (
        row_id, target.server_id, target.library_id, episode.rating_key, *parents, media_file_id,
        episode.episode_title, episode.season_number, episode.episode_number, episode.rating, episode.summary,
        episode.originally_available_at, episode.duration, episode.added_at, episode.title_sort,
        episode.critic_rating, episode.audience_rating, artwork.thumb, artwork.art, episode.original_title, stamp,
        episode.guid, episode.updated_at, now, now,
        target.first_moment, digest, episode.state,
    )  # fmt: skip


def file_row(target: Target, row_id: int, item: Movie | Episode, file: MediaFile, now: int, media_type: str) -> Row:
    """Return the row of one file of an item; ``media_type`` is the value of the item's kind."""
    path = file.plex_path
    playable = file.playable and not item.trashed
    streams = file.streams
    return (
        row_id, target.server_id, target.library_id, item.rating_key, file.media_id, file.part_id, file.part_index,
        None if path is None else target.local_path(path), path, file.duration, file.size, file.container,
        file.video_codec, file.audio_codec, file.audio_channels, file.width, file.height, file.video_resolution,
        file.bitrate, int(file.optimized), file.change_stamp, media_type, item.guid, target.library_name,
        item.updated_at, now, "active" if playable else "unavailable", file.version_title, file.aspect_ratio,
        file.frame_rate, file.video_profile, file.audio_profile, None if streams is None else streams.hdr,
        None if streams is None else streams.digest,
    )  # fmt: skip
