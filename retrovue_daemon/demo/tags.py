"""Tags and people in entries: a few names of each kind in listings, all of them with ids in details."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Tags
    from retrovue_daemon.demo.shape import Entry

TAG_FIELDS = {
    # The field of filters: the list's name in an entry (Plex) and in `Tags` (here)
    "genre": ("Genre", "genres"),
    "country": ("Country", "countries"),
    "director": ("Director", "directors"),
    "writer": ("Writer", "writers"),
    "collection": ("Collection", "collections"),
    "actor": ("Role", "roles"),
}


def add_tags(entry: Entry, tags: Tags) -> None:
    """Add the first two tags of each kind and three of the cast: no recorded listing has more."""
    if tags.genres:
        entry["Genre"] = [{"tag": tag} for tag in tags.genres[:2]]
    if tags.countries:
        entry["Country"] = [{"tag": tag} for tag in tags.countries[:2]]
    if tags.directors:
        entry["Director"] = [{"tag": tag} for tag in tags.directors[:2]]
    if tags.writers:
        entry["Writer"] = [{"tag": tag} for tag in tags.writers[:2]]
    if tags.collections:
        entry["Collection"] = [{"tag": tag} for tag in tags.collections[:2]]
    if tags.roles:
        entry["Role"] = [{"tag": tag} for tag in tags.roles[:3]]


def tag_id(field: str, tag: str) -> int:
    """Return the id of a tag in filters and details; it is the same in every run."""
    return zlib.crc32(f"{field}:{tag}".encode()) % 900_000 + 1


def full_tag(field: str, tag: str) -> Entry:
    """Return an element of a tag list in details."""
    number = tag_id(field, tag)
    entry: Entry = {"id": number, "filter": f"{field}={number}", "tag": tag}
    if field == "actor":
        entry["tagKey"] = f"5d{number:022x}"
        entry["role"] = "Herself" if number % 2 else "Himself"
    return entry
