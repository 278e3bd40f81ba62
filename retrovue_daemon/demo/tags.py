"""Tags and people in entries: a few names of each kind in listings, all of them with ids in details."""

from __future__ import annotations

import zlib
from hashlib import blake2b
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Tags
    from retrovue_daemon.demo.shape import Entry

TAG_FIELDS: Final = {
    # The field of filters: the list's name in an entry (Plex) and in `Tags` (here)
    "genre": ("Genre", "genres"),
    "country": ("Country", "countries"),
    "director": ("Director", "directors"),
    "writer": ("Writer", "writers"),
    "collection": ("Collection", "collections"),
    "actor": ("Role", "roles"),
    "producer": ("Producer", "producers"),
    "label": ("Label", "labels"),
    "network": ("Network", "networks"),
}
FILTERED_ONLY: Final = frozenset({"network"})
"""What items can be filtered by but no response names on the item."""
PEOPLE: Final = frozenset({"director", "writer", "actor", "producer"})
MOST_ROLES: Final = 200
"""The length of the longest cast that a real server sends."""
ENTRIES_KEPT: Final = 1_000
WITHOUT_PICTURE: Final = 5
"""One person in so many has no picture."""


def add_tags(entry: Entry, tags: Tags) -> None:
    """Add what listings show: the first two or three tags of a kind, all collections, no producers and no labels."""
    if tags.genres:
        entry["Genre"] = [{"tag": tag} for tag in tags.genres[:2]]
    if tags.countries:
        entry["Country"] = [{"tag": tag} for tag in tags.countries[:2]]
    if tags.directors:
        entry["Director"] = [{"tag": tag} for tag in tags.directors[:3]]
    if tags.writers:
        entry["Writer"] = [{"tag": tag} for tag in tags.writers[:2]]
    if tags.collections:
        entry["Collection"] = [{"tag": tag} for tag in tags.collections]
    if tags.roles:
        entry["Role"] = [{"tag": tag} for tag in tags.roles[:3]]


_kept: dict[tuple[int, bool], tuple[Tags, Entry]] = {}


def full_tags(tags: Tags, *, modern: bool) -> Entry:
    """Return the lists of tags in details. Items share their tags, so the lists are built once for all of them.

    Only people of `modern` agents have a tagKey, which is the same on all servers, and a picture.
    """
    key = (id(tags), modern)
    kept = _kept.get(key)
    if kept is None:
        if len(_kept) >= ENTRIES_KEPT:
            _kept.clear()
        kept = _kept[key] = (tags, _built(tags, modern=modern))
    return kept[1]


def tag_id(field: str, tag: str) -> int:
    """Return the id of a tag in filters and details; it is the same in every run."""
    return zlib.crc32(f"{field}:{tag}".encode()) % 900_000 + 1


def tag_entry(field: str, tag: str) -> Entry:
    """Return an element of a list of tags in details."""
    number = tag_id(field, tag)
    return {"id": number, "filter": f"{field}={number}", "tag": tag}


def _built(tags: Tags, *, modern: bool) -> Entry:
    lists: Entry = {}
    for field, (name, attribute) in TAG_FIELDS.items():
        names = getattr(tags, attribute)
        if field == "actor":
            lists[name] = [
                _person(field, actor, modern=modern) | {"role": part or _somebody(actor)}
                for actor, part in zip_longest(names[:MOST_ROLES], tags.characters[: len(names[:MOST_ROLES])])
            ]
        elif field in PEOPLE:
            lists[name] = [_person(field, person, modern=modern) for person in names]
        elif field not in FILTERED_ONLY:
            lists[name] = [tag_entry(field, tag) for tag in names]
    return {name: entries for name, entries in lists.items() if entries}


def _person(field: str, name: str, *, modern: bool) -> Entry:
    entry = tag_entry(field, name)
    if modern:
        number = zlib.crc32(name.encode())
        entry["tagKey"] = f"5d{number:022x}"
        if number % WITHOUT_PICTURE:
            picture = blake2b(name.encode(), digest_size=16).hexdigest()
            entry["thumb"] = f"https://metadata-static.plex.tv/{picture[0]}/people/{picture}.jpg"
    return entry


def _somebody(actor: str) -> str:
    return "Herself" if zlib.crc32(actor.encode()) % 2 else "Himself"
