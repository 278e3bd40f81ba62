"""Deleted items that a scan finds again: they come back under new ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from retrovue_daemon.demo.versions import elsewhere
from retrovue_daemon.demo.world import media_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.demo.items import Item
    from retrovue_daemon.demo.world import World


def put_again(world: World, gone: Sequence[Item], library: str) -> list[Item]:
    """Put items into a library under new ids, parents first; their files move into its folder.

    Items that move to another library leave the collections of the old one.
    """
    found: set[int | None] = {None}
    for item in gone:
        if item.parent_id not in found and item.parent_id not in world.items:
            raise KeyError(item.parent_id)
        found.add(item.id)
    old_roots = [location.path for location in world.libraries[gone[0].library].locations]
    new_root = world.libraries[library].locations[0].path if library != gone[0].library else None
    new_ids: dict[int, int] = {}
    again: list[Item] = []
    for item in gone:
        new_id = new_ids[item.id] = world.new_id("item")
        above = {
            name: new_ids.get(getattr(item, name), getattr(item, name))
            for name in ("show_id", "season_id")
            if hasattr(item, name)
        }
        media = tuple(elsewhere(version, old_roots, new_root, world.new_id) for version in media_of(item))
        guid = f"local://{new_id}" if item.guid.startswith("local://") else item.guid
        files: dict[str, object] = {"media": media} if media else {}
        if new_root is not None and item.tags.collections:
            files["tags"] = replace(item.tags, collections=())
        anew = {"id": new_id, "guid": guid, "library": library, "added_at": world.now, "updated_at": world.now}
        new = replace(item, **anew, **above, **files)
        world.put(new)
        again.append(new)
    return again
