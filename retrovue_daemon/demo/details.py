"""The detail entry of an item, as /library/metadata/{id} returns it.

It has all tags with ids, streams, its library and, on request, chapters and markers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.demo.entries import listing_entry, rating_image
from retrovue_daemon.demo.items import Episode, Movie, Show
from retrovue_daemon.demo.shape import Entry, Shape, strip
from retrovue_daemon.demo.shelf import file_name, is_modern
from retrovue_daemon.demo.tags import full_tags, tag_entry
from retrovue_daemon.demo.timeline import chapter_entries, marker_entries

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Item
    from retrovue_daemon.demo.world import World


def detail_entry(world: World, item: Item, shape: Shape) -> Entry:
    """Return the single element of a detail response. It has its Guid array whether or not that was requested."""
    entry = located_entry(world, item, Shape(guids=world.release.guids, streams=True))
    entry |= full_tags(item.tags, modern=is_modern(item.guid))
    if item.tags.collections:
        entry["Collection"] = [_collection(world, item, title) for title in item.tags.collections]
    if ratings := _ratings(item):
        entry["Rating"] = ratings
    if isinstance(item, Show):
        entry["Location"] = [{"path": _folder(world, item)}]
    elif isinstance(item, Movie | Episode):
        if shape.chapters and item.chapters:
            entry["Chapter"] = chapter_entries(item, item.media[0].id if item.media else 0)
        if shape.markers and item.markers:
            entry["Marker"] = marker_entries(item)
    return strip(entry, shape)


def located_entry(world: World, item: Item, shape: Shape) -> Entry:
    """Return a listing entry that names its library, for responses that span several libraries."""
    library = world.libraries[item.library]
    return listing_entry(world, item, shape) | {
        "librarySectionTitle": library.title,
        "librarySectionID": int(library.key),
        "librarySectionKey": f"/library/sections/{library.key}",
    }


def _ratings(item: Item) -> list[Entry]:
    ratings: list[Entry] = []
    if item.rating is not None and isinstance(item, Movie) and (image := rating_image(item)) is not None:
        ratings.append({"image": image, "value": item.rating, "type": "audience"})
    if item.audience_rating is not None:
        ratings.append({"image": "themoviedb://image.rating", "value": item.audience_rating, "type": "audience"})
    return ratings


def _folder(world: World, show: Show) -> str:
    """Return the folder of a show: the one above the seasons of its first file, or where one would be expected."""
    for season in world.seasons_of(show.id):
        for episode in world.episodes_of(season.id):
            for media in episode.media:
                for part in media.parts:
                    if part.file is not None and part.file.count("/") > 2:  # noqa: PLR2004  # a root, a show, a season
                        return part.file.rsplit("/", 2)[0]
    root = next((location.path for location in world.libraries[show.library].locations), "")
    return f"{root}/{file_name(show.title, show.year)}"


def _collection(world: World, item: Item, title: str) -> Entry:
    collection = world.collection_titled(item.library, title)
    return tag_entry("collection", title) | ({} if collection is None else {"guid": collection.guid})
