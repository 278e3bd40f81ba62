"""Rating keys that a server gives out again, as after its database was put back from a backup.

What was added since the backup is scanned again and gets the keys that come next, in another order: machineIdentifier
and the libraries' uuids are as before (https://github.com/mynttt/UpdateTool/issues/33).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.demo.marks import Marks
from retrovue_daemon.demo.world import media_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.demo.items import Item, Media
    from retrovue_daemon.demo.world import World


def reissue_keys(world: World, *order: int) -> None:
    """Give the ids of some items of one kind out again: each gets the id of the next one named, the last the first's.

    The ids of their Media and Parts go the same way, as far as the next one has as many. What hangs below an item
    stays below it, under its own id. A guid that is made of the id is made of the new one.
    """
    items = [world.item(item_id) for item_id in order]
    if len({item.type for item in items}) != 1:
        raise TypeError({item.type for item in items})
    new_ids = dict(zip(order, (*order[1:], order[0]), strict=True))
    below = [item for item in world.items.values() if _parents(item).keys() & new_ids.keys() and item not in items]
    heirs = [_media(world.item(new_ids[item.id]), item) for item in items]
    moved = [
        msgspec.structs.replace(
            item,
            id=new_ids[item.id],
            guid=f"local://{new_ids[item.id]}" if item.guid.startswith("local://") else item.guid,
            **({"media": media} if media else {}),
        )
        for item, media in zip(items, heirs, strict=True)
    ]
    for item in below:
        world.drop(item.id)
    for item in moved:
        world.put(item)
    for item in below:
        changes = {name: new_ids[value] for value, name in _parents(item).items() if value in new_ids}
        world.put(msgspec.structs.replace(item, **changes))
    for library in {item.library for item in items}:
        Marks(world).scan_found(library)


def _parents(item: Item) -> Mapping[int, str]:
    return {getattr(item, name): name for name in ("show_id", "season_id") if hasattr(item, name)}


def _media(owner: Item, item: Item) -> tuple[Media, ...]:
    """Return an item's versions under the ids of another item's, where both have as many of everything."""
    versions, ids = media_of(item), media_of(owner)
    if [len(version.parts) for version in versions] != [len(version.parts) for version in ids]:
        return versions
    return tuple(
        msgspec.structs.replace(
            version,
            id=like.id,
            parts=tuple(
                msgspec.structs.replace(part, id=other.id)
                for part, other in zip(version.parts, like.parts, strict=True)
            ),
        )
        for version, like in zip(versions, ids, strict=True)
    )
