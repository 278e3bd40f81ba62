"""The detail entry of an item, as /library/metadata/{id} returns it: all tags with ids, streams, and its library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.demo.entries import listing_entry, rating_image
from retrovue_daemon.demo.items import Movie
from retrovue_daemon.demo.shape import Entry, Shape, strip
from retrovue_daemon.demo.tags import TAG_FIELDS, full_tag

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Item
    from retrovue_daemon.demo.world import World


def detail_entry(world: World, item: Item, shape: Shape) -> Entry:
    """Return the single element of a detail response. It has its Guid array whether or not that was requested."""
    entry = located_entry(world, item, Shape(guids=world.release.guids))
    for field, (name, attribute) in TAG_FIELDS.items():
        if tags := getattr(item.tags, attribute):
            entry[name] = [full_tag(field, tag) for tag in tags]
    if ratings := _ratings(item):
        entry["Rating"] = ratings
    for media in entry.get("Media", ()):
        for part in media.get("Part", ()):
            if "videoCodec" in media:
                part["Stream"] = _streams(part, media)
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


def _streams(part: Entry, media: Entry) -> list[Entry]:
    """Return the video and audio streams of a file; their ids derive from the part's id."""
    picture = f"{media['videoResolution']} ({media['videoCodec'].upper()})"
    sound = f"English ({media['audioCodec'].upper()})"
    return [
        {
            "id": part["id"] * 2,
            "streamType": 1,
            "default": True,
            "codec": media["videoCodec"],
            "index": 0,
            "bitrate": media["bitrate"] - 192,
            "bitDepth": 8,
            "frameRate": 23.976,
            "width": media["width"],
            "height": media["height"],
            "profile": media["videoProfile"],
            "displayTitle": picture,
            "extendedDisplayTitle": picture,
        },
        {
            "id": part["id"] * 2 + 1,
            "streamType": 2,
            "selected": True,
            "default": True,
            "codec": media["audioCodec"],
            "index": 1,
            "channels": media["audioChannels"],
            "bitrate": 192,
            "language": "English",
            "languageTag": "en",
            "languageCode": "eng",
            "samplingRate": 48_000,
            "displayTitle": sound,
            "extendedDisplayTitle": sound,
        },
    ]
