"""Films, shows, seasons and episodes as listings show them.

The structs are ``array_like``, so that their MessagePack form is a compact, stable input for the digest: changing
their fields changes every digest, hence DIGEST_VERSION in ``store/items/digests.py``. Fields with defaults are those
of schema 5.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal, TypeAlias

import msgspec

from retrovue_daemon.records.beside import NO_ARTWORK, Artwork, Streams


class Kind(StrEnum):
    """The kinds of items that are stored; the values are Plex's own ``type``."""

    MOVIE = "movie"
    SHOW = "show"
    SEASON = "season"
    EPISODE = "episode"


Guids: TypeAlias = tuple[tuple[str, str], ...]
"""(provider, external_id) pairs from ``sources.plex.guid.GUIDParser``, without duplicates, in the server's order."""


State: TypeAlias = Literal["active", "unavailable", "missing"]
"""``unavailable``: listed, but in the trash or without a playable file; ``missing``: no longer listed."""

_PREFERRED_PROVIDERS = {
    Kind.MOVIE: ("imdb", "tmdb", "tvdb", "plex", "anidb"),
    Kind.SHOW: ("tvdb", "tmdb", "imdb", "plex", "anidb"),
}


def _guid_primary(kind: Kind, guids: Guids) -> str | None:
    """Return the external id that identifies an item best, as ``provider://id``, or None for an unmatched item."""
    for preferred in _PREFERRED_PROVIDERS[kind]:
        for provider, external_id in guids:
            if provider == preferred:
                return f"{provider}://{external_id}"
    return None


def _file_state(files: tuple[MediaFile, ...], *, trashed: bool) -> State:
    # Called twice for every item of a listing: a loop over the fields is faster than any() over the property.
    if not trashed:
        for file in files:
            if file.plex_path is not None and not file.trashed and not file.optimized:
                return "active"
    return "unavailable"


class MediaFile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One Plex *Part*: one file of one version (*Media*) of an item."""

    media_id: int | None
    part_id: int | None
    part_index: int
    """Position within its Media, from 0: stacked files play in this order."""
    plex_path: str | None
    """The path as the server sees it."""
    duration: int | None
    size: int | None
    container: str | None
    video_codec: str | None
    audio_codec: str | None
    audio_channels: int | None
    width: int | None
    height: int | None
    video_resolution: str | None
    """Plex's own label: ``4k``, ``1080``, ``sd`` …"""
    bitrate: int | None
    optimized: bool
    """A version that Plex made for another device (``proxyType`` 42); never the primary file."""
    change_stamp: int | None
    """The file's modification time, from ``Part.key``; it changes when the file is replaced."""
    trashed: bool
    """The file is gone from the disk, but the server's trash was not emptied (``deletedAt``)."""
    version_title: str | None = None
    aspect_ratio: float | None = None
    frame_rate: str | None = None
    """Plex's own label: ``24p``, ``NTSC`` …"""
    video_profile: str | None = None
    audio_profile: str | None = None
    streams: Streams | None = None
    """None: the response said nothing about streams."""

    @property
    def playable(self) -> bool:
        """Whether there is a file to open."""
        return self.plex_path is not None and not self.trashed


class Movie(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A film."""

    kind: ClassVar[Kind] = Kind.MOVIE

    rating_key: str
    guid: str | None
    title: str
    year: int | None
    edition_title: str | None
    rating: str | None
    """Plex's ``contentRating``, such as ``PG-13``."""
    summary: str | None
    genre: str | None
    """Tags joined by ``", "``; a listing holds at most two."""
    director: str | None
    studio: str | None
    originally_available_at: str | None
    """``YYYY-MM-DD``."""
    duration: int | None
    updated_at: int | None
    trashed: bool
    guids: Guids
    files: tuple[MediaFile, ...]
    added_at: int | None = None
    """When the server first had it."""
    title_sort: str | None = None
    """Only if it differs from the title."""
    original_title: str | None = None
    tagline: str | None = None
    critic_rating: float | None = None
    """From 0 to 10, like ``audience_rating``."""
    audience_rating: float | None = None
    artwork: Artwork = NO_ARTWORK

    @property
    def state(self) -> State:
        """The state of the row while the item is listed."""
        return _file_state(self.files, trashed=self.trashed)

    @property
    def guid_primary(self) -> str | None:
        """The preferred external id."""
        return _guid_primary(self.kind, self.guids)


class Show(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A series."""

    kind: ClassVar[Kind] = Kind.SHOW

    rating_key: str
    guid: str | None
    title: str
    year: int | None
    total_seasons: int | None
    total_episodes: int | None
    show_rating: str | None
    """Plex's ``contentRating``, such as ``TV-14``."""
    show_summary: str | None
    genre: str | None
    studio: str | None
    originally_available_at: str | None
    updated_at: int | None
    trashed: bool
    guids: Guids
    added_at: int | None = None
    title_sort: str | None = None
    original_title: str | None = None
    tagline: str | None = None
    show_ordering: str | None = None
    """The order of its episodes, if it is not the usual one: ``absolute`` …"""
    network: str | None = None
    """The first one, if the listing names any."""
    critic_rating: float | None = None
    audience_rating: float | None = None
    artwork: Artwork = NO_ARTWORK

    @property
    def state(self) -> State:
        """The state of the row while the item is listed."""
        return "unavailable" if self.trashed else "active"

    @property
    def guid_primary(self) -> str | None:
        """The preferred external id."""
        return _guid_primary(self.kind, self.guids)


class Season(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A season; number 0 holds the specials."""

    kind: ClassVar[Kind] = Kind.SEASON

    rating_key: str
    guid: str | None
    show_rating_key: str | None
    season_number: int | None
    title: str
    updated_at: int | None
    trashed: bool
    added_at: int | None = None
    title_sort: str | None = None
    summary: str | None = None
    critic_rating: float | None = None
    audience_rating: float | None = None
    artwork: Artwork = NO_ARTWORK

    @property
    def state(self) -> State:
        """The state of the row while the item is listed."""
        return "unavailable" if self.trashed else "active"


class Episode(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An episode; ``season_number`` 0 and ``episode_number`` 0 are valid, date-based episodes have neither."""

    kind: ClassVar[Kind] = Kind.EPISODE

    rating_key: str
    guid: str | None
    show_rating_key: str | None
    season_rating_key: str | None
    episode_title: str
    season_number: int | None
    episode_number: int | None
    rating: str | None
    summary: str | None
    originally_available_at: str | None
    duration: int | None
    updated_at: int | None
    trashed: bool
    guids: Guids
    files: tuple[MediaFile, ...]
    added_at: int | None = None
    title_sort: str | None = None
    original_title: str | None = None
    """In listings, that of the show."""
    critic_rating: float | None = None
    audience_rating: float | None = None
    artwork: Artwork = NO_ARTWORK

    @property
    def state(self) -> State:
        """The state of the row while the item is listed."""
        return _file_state(self.files, trashed=self.trashed)


Item: TypeAlias = Movie | Show | Season | Episode
