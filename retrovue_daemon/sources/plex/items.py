"""From the entries of a listing to records.

This runs once for every item of every full pass, so records are built with positional arguments, directly from the
decoded structs.
"""

from __future__ import annotations

from datetime import MAXYEAR, date
from typing import TYPE_CHECKING, Final

from retrovue_daemon.records import Episode, Item, Kind, MediaFile, Movie, Season, Show, Skipped, folded
from retrovue_daemon.sources.plex.artwork import artwork_of
from retrovue_daemon.sources.plex.guid import GUIDParser
from retrovue_daemon.sources.plex.json_structs import INT64_MAX
from retrovue_daemon.sources.plex.streams import build_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrovue_daemon.records import Guids
    from retrovue_daemon.sources.plex.json_structs import Container, Entry, Key, Media, Part, Tag

OPTIMIZED: Final = 42
"""``Media.proxyType`` of a version that Plex made for another device."""

HIGHEST_RATING: Final = 10
LARGEST_RATIO: Final = 100
"""Of width to height; what is larger is no measure of a picture."""

_DATE_LENGTH: Final = len("YYYY-MM-DD")
_STREAMS: Final = "Media.Part.Stream"
_PIECES_OF_PART_KEY: Final = 6
_parse_date: Final = date.fromisoformat
_external_ids: Final = GUIDParser.external_ids


def build_items(
    container: Container, entries: Sequence[Entry], kind: Kind | None = None
) -> tuple[list[Item], list[Skipped]]:
    """Return the records of one page, in the server's order, and the entries that were skipped, with reasons.

    If a ``kind`` is given, items of another kind are skipped: a proxy may drop ``type=``, and all rows of a listing
    go to one table. ``container`` holds the values that its entries share (Plex may hoist any attribute); an entry's
    own value takes precedence.
    """
    items: list[Item] = []
    skipped: list[Skipped] = []
    builders = _BUILDERS if kind is None else {kind.value: _BUILDERS[kind.value]}
    for entry in entries:
        build = builders.get(entry.type or "")
        key = entry.rating_key
        if type(key) is not str:
            key = _text(key)
        if build is None or not key:
            skipped.append(_skip(entry, key))
        else:
            items.append(build(entry, key, container))
    return items, skipped


def _skip(entry: Entry, key: str | None) -> Skipped:
    if not key:
        reason = "no ratingKey"
    elif not entry.type:
        reason = "no type"
    else:
        reason = f"type {entry.type!r}"
    return Skipped(key or None, entry.title, reason)


def _build_movie(entry: Entry, key: str, _container: Container) -> Movie:
    return Movie(
        key,
        _guid(entry.guid),
        entry.title or "",
        _year(entry.year),
        entry.edition_title,
        entry.content_rating,
        entry.summary,
        _joined(entry.genres),
        _joined(entry.directors),
        entry.studio,
        _date(entry.originally_available_at),
        entry.duration,
        entry.updated_at,
        bool(entry.deleted_at),
        _guids(entry),
        _files(entry),
        entry.added_at,
        entry.title_sort,
        entry.original_title,
        entry.tagline,
        _rating(entry.rating),
        _rating(entry.audience_rating),
        artwork_of(entry, key),
    )


def _build_show(entry: Entry, key: str, _container: Container) -> Show:
    return Show(
        key,
        _guid(entry.guid),
        entry.title or "",
        _year(entry.year),
        entry.child_count,
        entry.leaf_count,
        entry.content_rating,
        entry.summary,
        _joined(entry.genres),
        entry.studio,
        _date(entry.originally_available_at),
        entry.updated_at,
        bool(entry.deleted_at),
        _guids(entry),
        entry.added_at,
        entry.title_sort,
        entry.original_title,
        entry.tagline,
        entry.show_ordering,
        entry.networks[0].tag if entry.networks else None,
        _rating(entry.rating),
        _rating(entry.audience_rating),
        artwork_of(entry, key),
    )


def _build_season(entry: Entry, key: str, container: Container) -> Season:
    show_key = entry.parent_rating_key
    if show_key is None:
        show_key = container.parent_rating_key
    return Season(
        key,
        _guid(entry.guid),
        _text(show_key),
        entry.index,
        entry.title or "",
        entry.updated_at,
        bool(entry.deleted_at),
        entry.added_at,
        entry.title_sort,
        entry.summary,
        _rating(entry.rating),
        _rating(entry.audience_rating),
        artwork_of(entry, key),
    )


def _build_episode(entry: Entry, key: str, container: Container) -> Episode:
    show_key = entry.grandparent_rating_key
    if show_key is None:
        show_key = container.grandparent_rating_key
    season_key = entry.parent_rating_key
    if season_key is None:
        season_key = container.parent_rating_key
    season_number = entry.parent_index
    if season_number is None:
        season_number = container.parent_index
    return Episode(
        key,
        _guid(entry.guid),
        show_key if type(show_key) is str else _text(show_key),
        season_key if type(season_key) is str else _text(season_key),
        entry.title or "",
        season_number,
        entry.index,
        entry.content_rating,
        entry.summary,
        _date(entry.originally_available_at),
        entry.duration,
        entry.updated_at,
        bool(entry.deleted_at),
        _guids(entry),
        _files(entry),
        entry.added_at,
        entry.title_sort,
        entry.original_title,
        _rating(entry.rating),
        _rating(entry.audience_rating),
        artwork_of(entry, key),
    )


_BUILDERS: Final[dict[str, Callable[[Entry, str, Container], Item]]] = {
    "movie": _build_movie,
    "show": _build_show,
    "season": _build_season,
    "episode": _build_episode,
}


def _guid(guid: str | None) -> str | None:
    """Return a guid, or None for one without an id (``none://``), which all items of a kind may share."""
    if not guid or guid.endswith("://") or "://?" in guid:
        return None
    return guid


def _guids(entry: Entry) -> Guids:
    references = entry.guids
    return _external_ids(entry.guid, [reference.id for reference in references] if references else ())


def _files(entry: Entry) -> tuple[MediaFile, ...]:
    """Return every Part of every Media in the server's order: the best version first, stacked files as they play."""
    versions = entry.media
    if not versions:
        return ()
    if len(versions) == 1:
        # The common case: handling one file directly takes half as long as the loops.
        (media,) = versions
        if media.parts and len(media.parts) == 1:
            return (_file(entry, media, media.parts[0], 0),)
    return tuple(
        [
            _file(entry, media, part, position)
            for media in versions
            if media.parts
            for position, part in enumerate(media.parts)
        ]
    )


def _file(entry: Entry, media: Media, part: Part, position: int) -> MediaFile:
    part_id = part.id
    stamp = None
    # /library/parts/{id}/{change stamp}/file.ext
    pieces = part.key.split("/", 5) if part.key else ()
    if len(pieces) == _PIECES_OF_PART_KEY and pieces[2] == "parts":
        stamp = _number(pieces[4])
        if part_id is None:
            part_id = _number(pieces[3])
    duration = part.duration
    if duration is None and len(media.parts or ()) == 1:
        # A version of one file is as long as the file; of several, only the first states its own duration.
        duration = media.duration
    streams, dropped = build_streams(part.streams) if part.streams else (None, False)
    if dropped and _STREAMS not in (entry.cut or ""):
        entry.cut = ", ".join(filter(None, (entry.cut, _STREAMS)))
    return MediaFile(
        media.id,
        part_id,
        position,
        part.file or None,
        duration,
        part.size,
        part.container or media.container,
        media.video_codec,
        media.audio_codec,
        media.audio_channels,
        media.width,
        media.height,
        media.video_resolution,
        media.bitrate,
        media.proxy_type == OPTIMIZED,
        stamp,
        bool(part.deleted_at or media.deleted_at),
        media.title,
        _ratio(media.aspect_ratio),
        media.video_frame_rate,
        media.video_profile,
        media.audio_profile,
        streams,
    )


def _ratio(value: float | None) -> float | None:
    return value if value is not None and 0 < value < LARGEST_RATIO else None


def _rating(value: float | None) -> float | None:
    return value if value is not None and 0 <= value <= HIGHEST_RATING else None


def _number(digits: str) -> int | None:
    try:
        number = int(digits)
    except ValueError:
        return None
    return number if -INT64_MAX <= number <= INT64_MAX else None


def _text(key: Key) -> str | None:
    return key if key is None or type(key) is str else str(key)


def _date(value: str | None) -> str | None:
    """Return a day as ``YYYY-MM-DD``, without the time that some servers append, or None for anything else."""
    if not value:
        return None
    if len(value) != _DATE_LENGTH:
        value = value.strip()
        if len(value) > _DATE_LENGTH and value[_DATE_LENGTH] not in " T":
            return None
        value = value[:_DATE_LENGTH]
    try:
        _parse_date(value)
    except ValueError:
        return None
    # It also reads days of a week (2016-W01-1) and days without dashes.
    return value if value[4:5] == value[7:8] == "-" else None


def _joined(tags: list[Tag] | None) -> str | None:
    """Return the tags without duplicates, in their first spelling; upper and lower case are equal."""
    if not tags:
        return None
    names = [tag.tag for tag in tags if tag.tag]
    if len(names) > 1:
        first_of = {folded(name): name for name in reversed(names)}
        if len(first_of) < len(names):
            names = [name for name in names if first_of.pop(folded(name), None) is not None]
    return ", ".join(names) or None


def _year(year: int | None) -> int | None:
    return year if year is None or 0 < year <= MAXYEAR else None
