"""What a simulated server has, as the rows that a true mirror of it would hold.

Made from the model of the server alone, by what Plex's listings say of an item: none of the daemon's code is used, so
that a mistake there is not made here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from retrovue_daemon.demo.files import streams_of
from retrovue_daemon.demo.items import Episode, Movie, Season, Show
from retrovue_daemon.demo.pictures import art, theme, thumb
from retrovue_daemon.demo.world import media_of
from tests.properties.rich import ListedRich, listed_rich

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.demo import Quirks, World
    from retrovue_daemon.demo.items import Item, Media, Part
    from retrovue_daemon.demo.streams import Streams

Key: TypeAlias = tuple[str, str]
"""What names an item of one server: the table of its row and its rating key."""

Content: TypeAlias = dict[str, object]

PLEX_ROOT, LOCAL_ROOT = "/srv", "/mnt/nas"
"""The one path mapping: all files lie below the first, and readers find them below the second."""

OPTIMIZED = 42
PREFERRED = {"movies": ("imdb", "tmdb", "tvdb", "plex"), "shows": ("tvdb", "tmdb", "imdb", "plex")}
TABLES = {"movie": "movies", "show": "shows", "season": "seasons", "episode": "episodes"}
KINDS_OF = {"movie": ("movies",), "show": ("shows", "seasons", "episodes")}
"""The tables that a library of each type fills."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An item that the server lists: the library it is in, the state that its row should have, and what it holds."""

    library: str
    state: str
    content: Content


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that the server lists at one moment; files by the id of their part."""

    libraries: dict[str, str]
    """Types by key."""
    items: dict[Key, Listed]
    files: dict[int, Content]
    rich: ListedRich

    def of_library(self, library: str) -> dict[Key, Listed]:
        return {key: item for key, item in self.items.items() if item.library == library}


class KnownPath(NamedTuple):
    """The whole path that is stored for a file, and the guid of its item."""

    path: str
    guid: object


KnownPaths: TypeAlias = dict[tuple[str, int], KnownPath]
"""Whole paths by the rating key of the item and the id of the part."""


class _Sight:
    """The paths of files, from the server's responses and from what is known."""

    def __init__(self, quirks: Quirks, known: KnownPaths) -> None:
        self._hides = quirks.hides
        self._known = known

    def path(self, item: Item, part: Part) -> str | None:
        """Return the path that a row should have: a stored one stays if the token cannot see it."""
        if self._hides is None or part.file is None:
            return part.file
        shown = part.file.rpartition("/")[2] if self._hides == "folders" else None
        known = self._known.get((item.rating_key, part.id))
        if known is None:
            return shown
        is_another = shown is not None and item.guid != known.guid and known.path.rpartition("/")[2] != shown
        return shown if is_another else known.path


def truth(world: World, quirks: Quirks, known: KnownPaths) -> Truth:
    """Write down what the server lists now; what it hides, or pretends not to have, is not there.

    ``known`` are the whole paths that were seen before: a token that cannot see file paths removes none.
    """
    sight = _Sight(quirks, known)
    items: dict[Key, Listed] = {}
    files: dict[int, Content] = {}
    listed = {key: library for key, library in world.libraries.items() if key not in quirks.hidden_libraries}
    for item in world.items.values():
        if item.library not in listed or item.library in quirks.empty_libraries:
            continue
        items[TABLES[item.type], item.rating_key] = Listed(
            item.library, _state(item, sight), _content(world, item, sight)
        )
        files |= {part.id: _file(world, item, media, part, sight) for media, part in _parts(item)}
    shown = listed.keys() - quirks.empty_libraries
    return Truth({key: library.type for key, library in listed.items()}, items, files, listed_rich(world, shown))


def _content(world: World, item: Item, sight: _Sight) -> Content:
    content: Content = {"title": item.title, "source_id": item.guid, "updated_at": item.updated_at}
    content |= {
        "added_at": item.added_at,
        "title_sort": item.title_sort,
        "critic_rating": item.rating,
        "audience_rating": item.audience_rating,
        "thumb": thumb(item),
        "art": art(item) if isinstance(item, Movie | Show) else None,
    }
    match item:
        case Season():
            return content | {"season_number": item.index, "show": str(item.show_id), "summary": item.summary}
        case Show():
            content |= {
                "tagline": item.tagline,
                "theme": theme(item),
                "show_ordering": item.show_ordering,
                "total_seasons": world.count_children(item.id),
                "total_episodes": world.count_leaves(item.id),
                "show_rating": item.content_rating,
                "show_summary": item.summary,
            }
        case Movie():
            content |= {
                "tagline": item.tagline,
                "edition_title": item.edition_title,
                "rating": item.content_rating,
                "summary": item.summary,
                "duration": item.duration,
                "file": _primary(item, sight),
            }
        case Episode():
            content["episode_title"] = content.pop("title")
            return content | {
                "original_title": item.original_title,
                "season_number": item.season_index,
                "episode_number": item.index,
                "rating": item.content_rating,
                "summary": item.summary,
                "originally_available_at": item.originally_available_at,
                "duration": item.duration,
                "show": str(item.show_id),
                "season": str(item.season_id),
                "file": _primary(item, sight),
                "guids": _guids(world, item),
            }
    return content | {
        "original_title": item.original_title,
        "year": item.year,
        "studio": item.studio,
        "originally_available_at": item.originally_available_at,
        "guids": _guids(world, item),
        "guid_primary": _guid_primary(TABLES[item.type], _guids(world, item)),
    }


def _file(world: World, item: Item, media: Media, part: Part, sight: _Sight) -> Content:
    form, path = media.format, sight.path(item, part)
    alone = len(media.parts) == 1
    gone = path is None or media.deleted_at is not None or item.deleted_at is not None
    return {
        "rating_key": item.rating_key,
        "library": item.library,
        "library_name": world.libraries[item.library].title,
        "media_id": media.id,
        "part_index": media.parts.index(part),
        "plex_path": path,
        "file_path": None if path is None else path.replace(PLEX_ROOT, LOCAL_ROOT, 1),
        "duration": media.duration if part.duration is None and alone else part.duration,
        "size": part.size,
        "container": part.container or (form.container if form else None),
        "video_codec": form.video_codec if form else None,
        "audio_codec": form.audio_codec if form else None,
        "audio_channels": form.audio_channels if form else None,
        "width": form.width if form else None,
        "height": form.height if form else None,
        "video_resolution": form.video_resolution if form else None,
        "bitrate": form.bitrate if form else None,
        "optimized": int(media.proxy_type == OPTIMIZED),
        "change_stamp": part.stamp,
        "media_type": item.type,
        "source_id": item.guid,
        "updated_at": item.updated_at,
        "state": "unavailable" if gone else "active",
        "version_title": media.title,
        "aspect_ratio": float(form.aspect_ratio) if form else None,
        "frame_rate": form.video_frame_rate if form else None,
        "video_profile": form.video_profile if form else None,
        "audio_profile": form.audio_profile if form else None,
        "hdr": _hdr(streams_of(media, part)),
        "streams": tuple(
            (
                each.kind, each.codec, each.language, each.title, each.bitrate, each.channels, each.frame_rate,
                each.default, each.external,
            )
            for each in streams_of(media, part)
        ),
    }  # fmt: skip


def _hdr(streams: Streams) -> str | None:
    for each in streams:
        if each.kind == "video":
            ranges = {"smpte2084": "hdr10", "arib-std-b67": "hlg"}
            return "dolby vision" if each.dolby_vision is not None else ranges.get(each.color_trc or "", "sdr")
    return None


def _parts(item: Item) -> Iterator[tuple[Media, Part]]:
    return ((media, part) for media in media_of(item) for part in media.parts)


def _playable(item: Item, sight: _Sight) -> list[Part]:
    return [
        part
        for media, part in _parts(item)
        if sight.path(item, part) is not None and media.deleted_at is None and media.proxy_type != OPTIMIZED
    ]


def _primary(item: Item, sight: _Sight) -> int | None:
    playable = _playable(item, sight)
    return playable[0].id if playable and item.deleted_at is None else None


def _state(item: Item, sight: _Sight) -> str:
    has_file = isinstance(item, Show | Season) or bool(_playable(item, sight))
    return "active" if has_file and item.deleted_at is None else "unavailable"


def _guids(world: World, item: Item) -> frozenset[tuple[str, str]]:
    external = item.external_guids if world.release.guids else ()
    pairs = (guid.partition("://") for guid in (item.guid, *external))
    return frozenset((provider, external_id) for provider, _, external_id in pairs)


def _guid_primary(table: str, guids: frozenset[tuple[str, str]]) -> str | None:
    named = (f"{p}://{external_id}" for wanted in PREFERRED[table] for p, external_id in sorted(guids) if p == wanted)
    return next(named, None)
