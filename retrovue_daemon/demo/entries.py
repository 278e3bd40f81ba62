"""From an item to its listing entry: the nested dict that becomes an element of `Metadata`, or a `<Video>` in XML.

Listing entries are what the pages of a library contain: a few tags of each kind, `Media` and `Part` but no `Stream`.
Keys that Plex omits when they have no value are omitted here too. `inherited` builds what all episodes of a season
share, so that the encoder needs it only once per season: that makes the first page twice as fast.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from retrovue_daemon.demo.files import media_entry
from retrovue_daemon.demo.items import Episode, Movie
from retrovue_daemon.demo.pictures import art, blur, image, theme, thumb
from retrovue_daemon.demo.shape import Entry, Shape, strip
from retrovue_daemon.demo.tags import add_tags

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.demo.items import Artist, Item, Photo, Season, Show
    from retrovue_daemon.demo.release import Release
    from retrovue_daemon.demo.world import World

NOT_IN_SLUGS = re.compile(r"[^a-z0-9]+")


class Inherited(msgspec.Struct, frozen=True):
    """What the entries of a season's episodes inherit: two pictures and the fields that all of them share."""

    poster: str
    background: str
    fields: Entry


def listing_entry(world: World, item: Item, shape: Shape) -> Entry:
    """Return one element of a page."""
    if isinstance(item, Episode):
        above = inherited(world, world.season_of(item), shape)
        return episode_entry(world.release, item, above, shape) | above.fields
    if isinstance(item, Movie):
        return movie_entry(world.release, item, shape)
    return _finished(_BUILDERS[item.type](world, item), item, shape)


def movie_entry(release: Release, movie: Movie, shape: Shape) -> Entry:
    """Return the element of a film or a clip."""
    entry: Entry = {
        "ratingKey": movie.rating_key,
        "key": f"/library/metadata/{movie.id}",
        "guid": movie.guid,
        "type": "movie",
        "title": movie.title,
        "summary": movie.summary,
        "thumb": thumb(movie),
        "art": art(movie),
    }
    _add_description(entry, movie)
    entry |= _given(
        ratingImage=rating_image(movie) if movie.rating is not None else None,
        slug=slug(movie) if release.slugs else None,
        editionTitle=movie.edition_title,
        tagline=movie.tagline,
        chapterSource=movie.chapter_source,
        duration=movie.duration,
        subtype=movie.subtype,
    )
    if movie.subtype == "clip":
        entry["createdAtAccuracy"] = "epoch"
        entry["createdAtTZOffset"] = "3600"
    if movie.media:
        entry["Media"] = [media_entry(release, media, streams=shape.streams) for media in movie.media]
    if release.images:
        entry["Image"] = [image(movie, "coverPoster", entry["thumb"]), image(movie, "background", entry["art"])]
        entry["UltraBlurColors"] = blur(movie)
    return _finished(entry, movie, shape)


def episode_entry(release: Release, episode: Episode, above: Inherited, shape: Shape) -> Entry:
    """Return the element of an episode, without the fields that it inherits."""
    entry: Entry = {
        "ratingKey": episode.rating_key,
        "key": f"/library/metadata/{episode.id}",
        "guid": episode.guid,
        "title": episode.title,
        "summary": episode.summary,
        "thumb": thumb(episode),
    }
    _add_description(entry, episode)
    entry |= _given(index=episode.index, duration=episode.duration, chapterSource=episode.chapter_source)
    if episode.media:
        entry["Media"] = [media_entry(release, media, streams=shape.streams) for media in episode.media]
    if release.images:
        entry["Image"] = [
            image(episode, "coverPoster", above.poster),
            image(episode, "snapshot", entry["thumb"]),
            image(episode, "background", above.background),
        ]
    return _finished(entry, episode, shape)


def inherited(world: World, season: Season, shape: Shape) -> Inherited:
    """Return what episodes inherit from their season and show."""
    show = world.show_of(season)
    background = art(show)
    fields: Entry = {
        "parentRatingKey": season.rating_key,
        "grandparentRatingKey": show.rating_key,
        **({"parentGuid": season.guid, "grandparentGuid": show.guid} if world.release.guids else {}),
        **_given(grandparentSlug=slug(show) if world.release.slugs else None),
        "type": "episode",
        "grandparentKey": f"/library/metadata/{show.id}",
        "parentKey": f"/library/metadata/{season.id}",
        "grandparentTitle": show.title,
        "parentTitle": season.title,
        "parentIndex": season.index,
        "art": background,
        "parentThumb": thumb(season),
        "grandparentThumb": thumb(show),
        "grandparentArt": background,
        **_given(grandparentTheme=theme(show)),
    }
    if show.flattened:
        fields["skipParent"] = True
    if world.release.images:
        fields["UltraBlurColors"] = blur(show)
    return Inherited(poster=thumb(season), background=background, fields=strip(fields, shape))


def slug(item: Item) -> str | None:
    """Return the title as it appears in web addresses, or None for unmatched items."""
    return NOT_IN_SLUGS.sub("-", item.title.lower()).strip("-") or None if item.guid.startswith("plex://") else None


def rating_image(movie: Movie) -> str | None:
    """Return the source of a film's `rating`, or None for legacy agents."""
    return "imdb://image.rating" if movie.guid.startswith("plex://") else None


def _finished(entry: Entry, item: Item, shape: Shape) -> Entry:
    """Add the optional elements of all kinds of items and remove what the shape excludes."""
    add_tags(entry, item.tags)
    if shape.guids and item.external_guids:
        entry["Guid"] = [{"id": guid} for guid in item.external_guids]
    return strip(entry, shape)


def _show(world: World, show: Show) -> Entry:
    entry: Entry = {
        "ratingKey": show.rating_key,
        "key": f"/library/metadata/{show.id}/children",
        "guid": show.guid,
        "type": "show",
        "title": show.title,
        "summary": show.summary,
        "index": 1,
        "thumb": thumb(show),
        "art": art(show),
        "leafCount": world.count_leaves(show.id),
        "viewedLeafCount": 0,
        "childCount": world.count_children(show.id),
    }
    _add_description(entry, show)
    entry |= _given(
        slug=slug(show) if world.release.slugs else None,
        duration=show.duration,
        tagline=show.tagline,
        theme=theme(show),
        showOrdering=show.show_ordering,
    )
    if world.has_specials(show.id):
        entry["seasonCount"] = entry["childCount"] - 1
    if show.flattened:
        entry["skipChildren"] = True
        entry["flattenSeasons"] = "1"
    if world.release.images:
        entry["Image"] = [image(show, "coverPoster", entry["thumb"]), image(show, "background", entry["art"])]
        entry["UltraBlurColors"] = blur(show)
    return entry


def _season(world: World, season: Season) -> Entry:
    show = world.show_of(season)
    entry: Entry = {
        "ratingKey": season.rating_key,
        "key": f"/library/metadata/{season.id}/children",
        "parentRatingKey": show.rating_key,
        "guid": season.guid,
        **({"parentGuid": show.guid} if world.release.guids else {}),
        **_given(parentSlug=slug(show) if world.release.slugs else None, parentStudio=show.studio),
        "type": "season",
        "title": season.title,
        "parentKey": f"/library/metadata/{show.id}",
        "parentTitle": show.title,
        "summary": season.summary,
        "index": season.index,
        "parentIndex": 1,
        **_given(parentYear=show.year),
        "thumb": thumb(season),
        "art": art(show),
        "parentThumb": thumb(show),
        **_given(parentTheme=theme(show)),
        "leafCount": world.count_children(season.id),
        "viewedLeafCount": 0,
    }
    _add_description(entry, season)
    if world.release.images:
        entry["Image"] = [image(season, "coverPoster", entry["thumb"]), image(season, "background", entry["art"])]
        entry["UltraBlurColors"] = blur(season)
    return entry


def _artist(_world: World, artist: Artist) -> Entry:
    return {
        "ratingKey": artist.rating_key,
        "key": f"/library/metadata/{artist.id}/children",
        "guid": artist.guid,
        "type": "artist",
        "title": artist.title,
        "summary": artist.summary,
        "index": 1,
        "thumb": thumb(artist),
        "addedAt": artist.added_at,
    }


def _photo(world: World, photo: Photo) -> Entry:
    return {
        "ratingKey": photo.rating_key,
        "key": f"/library/metadata/{photo.id}",
        "guid": photo.guid,
        "type": "photo",
        "title": photo.title,
        "summary": photo.summary,
        "index": 1,
        "addedAt": photo.added_at,
        "Media": [media_entry(world.release, media) for media in photo.media],
    }


_BUILDERS: dict[str, Callable[[World, Any], Entry]] = {
    "show": _show,
    "season": _season,
    "artist": _artist,
    "photo": _photo,
}


def _add_description(entry: Entry, item: Item) -> None:
    """Add the optional fields of all kinds of items. One test per field is twice as fast as a comprehension."""
    entry["addedAt"] = item.added_at
    if item.updated_at is not None:
        entry["updatedAt"] = item.updated_at
    if item.deleted_at is not None:
        entry["deletedAt"] = item.deleted_at
    if item.title_sort is not None:
        entry["titleSort"] = item.title_sort
    if item.original_title is not None:
        entry["originalTitle"] = item.original_title
    if item.year is not None:
        entry["year"] = item.year
    if item.originally_available_at is not None:
        entry["originallyAvailableAt"] = item.originally_available_at
    if item.content_rating is not None:
        entry["contentRating"] = item.content_rating
    if item.studio is not None:
        entry["studio"] = item.studio
    if item.rating is not None:
        entry["rating"] = item.rating
    if item.audience_rating is not None:
        entry["audienceRating"] = item.audience_rating
        entry["audienceRatingImage"] = "themoviedb://image.rating"


def _given(**fields: object) -> Entry:
    return {name: value for name, value in fields.items() if value is not None}
