"""Adding new items to a world, with ids, guids, paths and sizes as a scan would assign them."""

from __future__ import annotations

import re
import zlib
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.demo.items import NO_TAGS, Episode, Media, Movie, Part, Season, Show, Tags
from retrovue_daemon.demo.streams import Format
from retrovue_daemon.demo.world import Library, Location

if TYPE_CHECKING:
    from retrovue_daemon.demo.world import World

HD = Format()
SD = Format(video_resolution="sd", width=720, height=540, aspect_ratio=1.33, bitrate=1_400, video_profile="main")
UHD = Format(
    video_resolution="4k",
    width=3840,
    height=2160,
    bitrate=24_000,
    video_codec="hevc",
    video_profile="main 10",
    audio_codec="eac3",
    audio_profile=None,
    audio_channels=6,
)
MOBILE = Format(container="mp4", video_resolution="480", width=854, height=480, bitrate=1_000, video_profile="main")

AGENTS = {
    "movie": ("tv.plex.agents.movie", "Plex Movie"),
    "show": ("tv.plex.agents.series", "Plex TV Series"),
    "artist": ("tv.plex.agents.music", "Plex Music"),
    "photo": ("com.plexapp.agents.none", "Plex Photo Scanner"),
}
NO_AGENT = "com.plexapp.agents.none"
UNSAFE_IN_NAMES = re.compile(r'[<>:"/\\|?*]')
ARTICLES = re.compile(r"^(?:The|A|An) (?=.)")


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be scanned: its path below the library's root, its duration and its encoding."""

    path: str
    duration: int
    format: Format = HD


class Shelf:
    """One library of a world and the methods that fill it. `root` selects one of the library's folders."""

    def __init__(self, world: World, library: Library, *, root: int = 0) -> None:
        self.world = world
        self.library = library
        self.root = library.locations[root].path

    def part(self, file: File) -> Part:
        """Return a file as Plex lists it once analysed; its size follows from duration and bitrate."""
        container = file.format.container
        return Part(
            id=self.world.new_id("part"),
            file=f"{self.root}/{file.path}",
            stamp=self.world.now - 86_400 - zlib.crc32(file.path.encode()) % 31_536_000,
            size=file.duration * file.format.bitrate // 8,
            duration=file.duration,
            container=container,
        )

    def media(self, *files: File) -> Media:
        """Return a version consisting of one file, or of several consecutive ones."""
        return Media(
            id=self.world.new_id("media"),
            parts=tuple(self.part(file) for file in files),
            duration=sum(file.duration for file in files),
            format=files[0].format,
        )

    def movie(
        self,
        title: str,
        year: int | None,
        *,
        media: tuple[Media, ...],
        guid: str | None = None,
        external_guids: tuple[str, ...] = (),
        original_title: str | None = None,
        edition_title: str | None = None,
        released: str | None = None,
        summary: str = "",
        tagline: str | None = None,
        content_rating: str | None = "NR",
        studio: str | None = None,
        rating: float | None = None,
        tags: Tags = NO_TAGS,
        subtype: str | None = None,
    ) -> Movie:
        """Add a film."""
        movie = Movie(
            id=self.world.new_id("item"),
            library=self.library.key,
            guid=guid or plex_guid("movie", title, year),
            title=title,
            title_sort=title_sort(title),
            original_title=original_title,
            edition_title=edition_title,
            year=year,
            originally_available_at=released,
            summary=summary,
            tagline=tagline,
            content_rating=content_rating,
            studio=studio,
            rating=rating,
            audience_rating=rating if is_modern(guid) else None,
            tags=tags,
            subtype=subtype,
            external_guids=external_guids,
            media=media,
            duration=media[0].duration if media else None,
            added_at=self.world.now,
            updated_at=self.world.now,
        )
        self.world.put(movie)
        return movie

    def show(
        self,
        title: str,
        year: int | None,
        *,
        guid: str | None = None,
        external_guids: tuple[str, ...] = (),
        original_title: str | None = None,
        released: str | None = None,
        summary: str = "",
        content_rating: str | None = "TV-PG",
        studio: str | None = None,
        rating: float | None = None,
        tags: Tags = NO_TAGS,
        duration: int | None = 1_500_000,
    ) -> Show:
        """Add a show without seasons."""
        show = Show(
            id=self.world.new_id("item"),
            library=self.library.key,
            guid=guid or plex_guid("show", title, year),
            title=title,
            title_sort=title_sort(title),
            original_title=original_title,
            year=year,
            originally_available_at=released,
            summary=summary,
            content_rating=content_rating,
            studio=studio,
            rating=rating,
            audience_rating=rating if is_modern(guid) else None,
            tags=tags,
            duration=duration,
            external_guids=external_guids,
            added_at=self.world.now,
            updated_at=self.world.now,
        )
        self.world.put(show)
        return show

    def season(self, show: Show, index: int, *, title: str | None = None) -> Season:
        """Add a season without episodes."""
        item_id = self.world.new_id("item")
        season = Season(
            id=item_id,
            library=self.library.key,
            show_id=show.id,
            index=index,
            guid=child_guid(show.guid, "season", index, item_id=item_id),
            title=title or ("Specials" if index == 0 else f"Season {index}"),
            added_at=self.world.now,
            updated_at=self.world.now,
        )
        self.world.put(season)
        return season

    def episode(
        self,
        season: Season,
        index: int | None,
        title: str,
        *,
        media: tuple[Media, ...],
        guid: str | None = None,
        external_guids: tuple[str, ...] = (),
        released: str | None = None,
        summary: str = "",
        rating: float | None = None,
        tags: Tags = NO_TAGS,
    ) -> Episode:
        """Add an episode."""
        show = self.world.show_of(season)
        item_id = self.world.new_id("item")
        episode = Episode(
            id=item_id,
            library=self.library.key,
            show_id=show.id,
            season_id=season.id,
            season_index=season.index,
            index=index,
            guid=guid or child_guid(show.guid, "episode", season.index, index or released or title, item_id=item_id),
            title=title,
            title_sort=title_sort(title),
            original_title=show.original_title,
            year=int(released[:4]) if released else show.year,
            originally_available_at=released,
            summary=summary,
            content_rating=show.content_rating,
            rating=rating,
            audience_rating=rating if is_modern(show.guid) else None,
            tags=tags,
            external_guids=external_guids,
            media=media,
            duration=media[0].duration if media else None,
            added_at=self.world.now,
            updated_at=self.world.now,
        )
        self.world.put(episode)
        return episode


def new_library(world: World, library_type: str, title: str, *paths: str, agent: str | None = None) -> Library:
    """Add an empty library. `agent` names a legacy agent; by default the modern agent of that type is used."""
    modern, scanner = AGENTS[library_type]
    key = str(world.new_id("library"))
    language = "en-US"
    if agent == NO_AGENT:
        language, scanner = "xn", "Plex Video Files Scanner"
    elif agent is not None:
        language, scanner = "en", "Plex Movie Scanner" if library_type == "movie" else "Plex Series Scanner"
    return world.add_library(
        Library(
            key=key,
            type=library_type,
            title=title,
            agent=agent or modern,
            scanner=scanner,
            language=language,
            uuid=_uuid(f"{world.machine_identifier}/{key}/{title}"),
            locations=tuple(Location(world.new_id("location"), path) for path in paths),
            created_at=world.now,
            updated_at=world.now,
            scanned_at=world.now,
            content_changed_at=world.count_change(),
        )
    )


def is_modern(guid: str | None) -> bool:
    """Return whether a guid comes from one of the modern agents; an item without a given guid counts as modern."""
    return guid is None or guid.startswith("plex://")


def collection_guid(library: str, title: str) -> str:
    """Return the guid of a collection."""
    return f"collection://{_uuid('/'.join((library, title)))}"


def plex_guid(item_type: str, *identity: object) -> str:
    """Return a guid of the modern agents. It depends only on what the item is, so copies have the same guid."""
    name = "/".join(map(str, (item_type, *identity)))
    return f"plex://{item_type}/{blake2b(name.encode(), digest_size=12).hexdigest()}"


def child_guid(show_guid: str, item_type: str, *path: object, item_id: int) -> str:
    """Return a season's or episode's guid. Legacy agents append the numbers; unmatched items get a local guid."""
    if show_guid.startswith("local://"):
        return f"local://{item_id}"
    if show_guid.startswith("plex://"):
        return plex_guid(item_type, show_guid, *path)
    base, _, language = show_guid.partition("?")
    return f"{base}/{'/'.join(map(str, path))}?{language}"


def title_sort(title: str) -> str | None:
    """Return the title without its article, or None if that equals the title, in which case Plex omits it."""
    stripped = ARTICLES.sub("", title)
    return stripped if stripped != title else None


def file_name(title: str, year: int | None = None) -> str:
    """Return a title as it is commonly used in file and folder names."""
    safe = UNSAFE_IN_NAMES.sub("", title).strip(" .")
    return f"{safe} ({year})" if year is not None else safe


def _uuid(name: str) -> str:
    digest = blake2b(name.encode(), digest_size=16).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
