"""What publishers copy to other databases: the published columns of each table, read for named rows or as a whole.

Call these functions within one transaction, so that all rows are of one state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from retrovue_daemon.store.feed.recording import ChangeKind


class PublishedTable(NamedTuple):
    """A table, its published columns, and how its rows belong to the rows that entries of the feed name.

    ``owners`` holds, per kind of the feed, a condition with one parameter, a JSON list of ids of that kind.
    """

    name: str
    columns: tuple[str, ...]
    owners: dict[ChangeKind, str]

    def of(self, connection: sqlite3.Connection, kind: ChangeKind, ids: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        """Return the rows that belong to these rows of a kind."""
        query = f"SELECT {', '.join(self.columns)} FROM {self.name} WHERE {self.owners[kind]}"
        return connection.execute(query, (msgspec.json.encode(list(ids)).decode(),))

    def by(self, connection: sqlite3.Connection, column: str, values: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        """Return the rows with one of these values in a column, whatever they belong to."""
        query = f"SELECT {', '.join(self.columns)} FROM {self.name} WHERE {column} {_THESE}"
        return connection.execute(query, (msgspec.json.encode(list(values)).decode(),))

    def all(self, connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
        """Return all rows; of tags and people only those that an item has."""
        where = _IN_USE.get(self.name, "")
        return connection.execute(f"SELECT {', '.join(self.columns)} FROM {self.name}{where}")


def count_published(connection: sqlite3.Connection) -> int:
    """Return how many rows of all published tables there are."""
    counts = ", ".join(f"(SELECT count(*) FROM {table.name}{_IN_USE.get(table.name, '')})" for table in PUBLISHED)
    (row,) = connection.execute(f"SELECT {counts}")
    return sum(row)


_THESE: Final = "IN (SELECT value FROM json_each(?1))"

_IN_USE: Final = {
    "tags": " WHERE id IN (SELECT tag_id FROM movie_tags) OR id IN (SELECT tag_id FROM show_tags)"
    " OR id IN (SELECT tag_id FROM episode_tags)",
    "people": " WHERE id IN (SELECT person_id FROM movie_credits) OR id IN (SELECT person_id FROM show_credits)"
    " OR id IN (SELECT person_id FROM episode_credits)",
}


def _of_items() -> dict[ChangeKind, str]:
    """Return the conditions on the files of items."""
    return {
        kind: (
            "id IN (SELECT f.id FROM media_files AS f JOIN json_each(?1) AS v"
            f" JOIN {kind}s AS i ON i.id = v.value AND i.server_id = f.server_id AND i.rating_key = f.rating_key"
            f" WHERE f.media_type = '{kind}')"
        )
        for kind in _WITH_FILES
    }


def _named(column: str, *kinds: ChangeKind) -> dict[ChangeKind, str]:
    return dict.fromkeys(kinds, f"{column} {_THESE}")


def _tables() -> Iterator[PublishedTable]:
    yield PublishedTable(
        "plex_servers",
        ("id", "name", "server_url", "is_active", "source", "machine_identifier", "version", "created_at"),
        _named("id", "server"),
    )
    yield PublishedTable(
        "plex_path_mappings",
        ("id", "server_id", "library_root", "library_name", "plex_path", "local_path", "source", "created_at"),
        _named("server_id", "server"),
    )
    yield PublishedTable(
        "libraries",
        (
            "id", "server_id", "library_key", "uuid", "library_name", "library_type", "library_root",
            "sync_enabled", "priority", "state", "created_at", "priority_source", "selected",
        ),
        _named("id", "library"),
    )  # fmt: skip
    yield PublishedTable("library_locations", ("library_id", "path"), _named("library_id", "library"))
    yield PublishedTable(
        "movies",
        (
            "id", "server_id", "library_id", "rating_key", "media_file_id", "title", "year", "edition_title",
            "rating", "summary", "genre", "director", "studio", "originally_available_at", "duration",
            "guid_primary", "source_type", "source_id", "updated_at", "created_at", "state", "missing_since",
            "added_at", "title_sort", "original_title", "tagline", "critic_rating", "audience_rating", "thumb",
            "art",
        ),
        _named("id", "movie"),
    )  # fmt: skip
    yield PublishedTable(
        "shows",
        (
            "id", "server_id", "library_id", "rating_key", "title", "year", "total_seasons", "total_episodes",
            "show_rating", "show_summary", "genre", "studio", "originally_available_at", "guid_primary",
            "source_type", "source_id", "updated_at", "created_at", "state", "missing_since", "added_at",
            "title_sort", "original_title", "tagline", "critic_rating", "audience_rating", "thumb", "art", "theme",
            "show_ordering", "network",
        ),
        _named("id", "show"),
    )  # fmt: skip
    yield PublishedTable(
        "seasons",
        (
            "id", "server_id", "library_id", "show_id", "rating_key", "season_number", "title", "source_type",
            "source_id", "updated_at", "created_at", "state", "missing_since", "added_at", "title_sort", "summary",
            "critic_rating", "audience_rating", "thumb", "art",
        ),
        _named("id", "season"),
    )  # fmt: skip
    yield PublishedTable(
        "episodes",
        (
            "id", "server_id", "library_id", "rating_key", "show_id", "season_id", "media_file_id",
            "episode_title", "season_number", "episode_number", "rating", "summary", "originally_available_at",
            "duration", "source_type", "source_id", "updated_at", "created_at", "state", "missing_since",
            "added_at", "title_sort", "original_title", "critic_rating", "audience_rating", "thumb", "art",
        ),
        _named("id", "episode"),
    )  # fmt: skip
    for kind in ("movie", "show", "episode"):
        owner = f"{kind}_id"
        yield PublishedTable(f"{kind}_guids", (owner, "provider", "external_id"), _named(owner, kind))
        yield PublishedTable(f"{kind}_tags", (owner, "tag_id", "position"), _named(owner, kind))
        yield PublishedTable(f"{kind}_credits", (owner, "job", "position", "person_id", "role"), _named(owner, kind))
    yield PublishedTable(
        "media_files",
        (
            "id", "server_id", "library_id", "rating_key", "media_id", "part_id", "part_index", "file_path",
            "plex_path", "duration", "size", "container", "video_codec", "audio_codec", "audio_channels", "width",
            "height", "video_resolution", "bitrate", "optimized", "change_stamp", "media_type", "source_type",
            "source_id", "library_name", "updated_at", "created_at", "state", "version_title", "aspect_ratio",
            "frame_rate", "video_profile", "audio_profile", "hdr",
        ),
        _of_items(),
    )  # fmt: skip
    yield PublishedTable(
        "streams",
        (
            "id", "media_file_id", "stream_index", "kind", "codec", "profile", "language", "language_code",
            "title", "bitrate", "channels", "channel_layout", "sampling_rate", "width", "height", "frame_rate",
            "bit_depth", "scan_type", "color_transfer", "dolby_vision_profile", "is_default", "is_forced",
            "is_external", "is_hearing_impaired",
        ),
        {},  # of files, whichever items have them
    )  # fmt: skip
    by_item: dict[ChangeKind, str] = {"movie": f"movie_id {_THESE}", "episode": f"episode_id {_THESE}"}
    yield PublishedTable(
        "chapters", ("movie_id", "episode_id", "position", "title", "starts_at", "ends_at"), dict(by_item)
    )
    yield PublishedTable(
        "markers", ("movie_id", "episode_id", "kind", "starts_at", "ends_at", "is_final"), dict(by_item)
    )
    yield PublishedTable(
        "collections",
        (
            "id", "server_id", "library_id", "rating_key", "title", "title_sort", "summary", "item_kind",
            "is_smart", "collection_sort", "thumb", "art", "added_at", "updated_at", "created_at", "state",
            "missing_since", "source_id",
        ),
        _named("id", "collection"),
    )  # fmt: skip
    yield PublishedTable(
        "collection_items",
        ("collection_id", "position", "movie_id", "show_id", "season_id", "episode_id"),
        _named("collection_id", "collection"),
    )
    yield PublishedTable(
        "tags",
        ("id", "kind", "name"),
        {kind: f"id IN (SELECT tag_id FROM {kind}_tags WHERE {kind}_id {_THESE})" for kind in _DETAILED},
    )
    yield PublishedTable(
        "people",
        ("id", "name", "person_key", "thumb"),
        {kind: f"id IN (SELECT person_id FROM {kind}_credits WHERE {kind}_id {_THESE})" for kind in _DETAILED},
    )


_WITH_FILES: Final[tuple[ChangeKind, ...]] = ("movie", "episode")
_DETAILED: Final[tuple[ChangeKind, ...]] = ("movie", "show", "episode")

PUBLISHED: Final = tuple(_tables())
"""All published tables, owners before what belongs to them."""
