"""The values of an edit: converted from JSON, checked, and compared with those before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from retrovue_daemon.demo.items import Episode, Item, Season, Show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.demo.world import World


def converted(item: Item, fields: Mapping[str, object], not_edited: frozenset[str]) -> dict[str, Any]:
    """Return the new values of an item's fields. Raise KeyError or ValueError if one does not fit."""
    types = {field.name: field.type for field in msgspec.structs.fields(item) if field.name not in not_edited}
    return {name: msgspec.convert(value, types[name]) for name, value in fields.items()}


def check_parents(world: World, item: Item, values: Mapping[str, Any]) -> None:
    """Refuse a parent that is not a show or season, or that belongs to another library or show."""
    if not isinstance(item, Season | Episode) or not values.keys() & {"show_id", "season_id"}:
        return
    show = world.item(values.get("show_id", item.show_id))
    if not isinstance(show, Show):
        raise TypeError(show.type)
    if show.library != item.library:
        raise ValueError(show.library)
    if isinstance(item, Season) and item.show_id != show.id and world.count_children(item.id):
        raise ValueError(show.id)  # its episodes would stay with the other show
    if isinstance(item, Episode):
        season = world.item(values.get("season_id", item.season_id))
        if not isinstance(season, Season):
            raise TypeError(season.type)
        if season.show_id != show.id:
            raise ValueError(season.id)


def only_labelled(before: Item, after: Item) -> bool:
    """Return whether only labels and collections of an item changed, which real servers do not announce."""
    tags = msgspec.structs.replace(after.tags, labels=before.tags.labels, collections=before.tags.collections)
    alike = msgspec.structs.replace(after, tags=tags, updated_at=before.updated_at) == before
    return alike and after.tags != before.tags
