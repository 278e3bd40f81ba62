"""From a collection to its entry in listings and details."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from retrovue_daemon.demo.query import TYPE_NUMBERS
from retrovue_daemon.demo.tags import tag_entry, tag_id

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Collection
    from retrovue_daemon.demo.memberships import Memberships
    from retrovue_daemon.demo.shape import Entry
    from retrovue_daemon.demo.world import World

PICTURE_SIZE = "width=400&height=600"


def collection_entry(world: World, memberships: Memberships, collection: Collection) -> Entry:
    """Return the element of a collection in a listing.

    `index` is the id of its tag, which its members name and by which they can be filtered; it is not its ratingKey.
    The years are texts, and before 1.41 so was the number of members.
    """
    members = memberships.of(collection)
    years = [item.year for item in members if item.year is not None]
    ratings = [item.content_rating for item in members if item.content_rating is not None]
    count = memberships.count(collection)
    stamp = collection.added_at if collection.updated_at is None else collection.updated_at
    fields: Entry = {
        "ratingKey": collection.rating_key,
        "key": f"/library/collections/{collection.id}/children",
        "guid": collection.guid,
        "type": "collection",
        "title": collection.title,
        "titleSort": collection.title_sort,
        "contentRating": ratings[0] if ratings else None,
        "subtype": collection.item_type,
        "summary": collection.summary,
        "smart": True if collection.filter is not None else None,
        "index": tag_id("collection", collection.title),
        "content": _content(world, collection),
        "ratingCount": 1,
        "thumb": f"/library/collections/{collection.id}/composite/{stamp}?{PICTURE_SIZE}",
        "art": f"/library/collections/{collection.id}/art/{stamp}" if collection.has_art else None,
        "addedAt": collection.added_at,
        "updatedAt": collection.updated_at,
        "childCount": count if world.release.numeric_counts else str(count),
        "collectionMode": collection.mode if collection.mode >= 0 else None,
        "collectionSort": collection.sort or None,
        "maxYear": str(max(years)) if years else None,
        "minYear": str(min(years)) if years else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def located_collection(world: World, memberships: Memberships, collection: Collection) -> Entry:
    """Return the element of a collection in a response that spans several libraries."""
    library = world.libraries[collection.library]
    return collection_entry(world, memberships, collection) | {
        "librarySectionTitle": library.title,
        "librarySectionID": int(library.key),
        "librarySectionKey": f"/library/sections/{library.key}",
    }


def collection_details(world: World, memberships: Memberships, collection: Collection) -> Entry:
    """Return the single element of a collection's own response."""
    labels = [tag_entry("label", label) for label in collection.tags.labels]
    return located_collection(world, memberships, collection) | ({"Label": labels} if labels else {})


def _content(world: World, collection: Collection) -> str | None:
    """Return the address of a smart collection's filter."""
    if collection.filter is None:
        return None
    listing = f"/library/sections/{collection.library}/all?type={TYPE_NUMBERS[collection.item_type]}"
    asked = quote(f"{listing}&{collection.filter}", safe="")
    return f"server://{world.machine_identifier}/com.plexapp.plugins.library{asked}"
