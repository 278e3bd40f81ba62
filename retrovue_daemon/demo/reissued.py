"""Rating keys that a server assigns again, for example after its database was restored from a backup.

Items added since the backup are scanned again and get the next keys in a different order; machineIdentifier and the
libraries' uuids stay (https://github.com/mynttt/UpdateTool/issues/33).
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
    """Rotate the ids of some items of one type: each gets the id of the next one given, the last gets the first's.

    The ids of their Media and Parts rotate too, if all items have the same numbers of them; otherwise each keeps its
    own, because no id may be assigned twice. Items below an item stay below it and keep their ids. A guid derived
    from the id is derived from the new one.
    """
    items = [world.item(item_id) for item_id in order]
    if len({item.type for item in items}) != 1:
        raise TypeError({item.type for item in items})
    new_ids = dict(zip(order, (*order[1:], order[0]), strict=True))
    below = [item for item in world.items.values() if _parents(item).keys() & new_ids.keys() and item not in items]
    alike = len({_shape(item) for item in items}) == 1
    heirs = [_media(world.item(new_ids[item.id]), item) if alike else media_of(item) for item in items]
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


def _shape(item: Item) -> tuple[int, ...]:
    """Return the number of files of each of an item's versions."""
    return tuple(len(version.parts) for version in media_of(item))


def _media(owner: Item, item: Item) -> tuple[Media, ...]:
    """Return an item's versions under the ids of another item, which has the same numbers of versions and files."""
    return tuple(
        msgspec.structs.replace(
            version,
            id=like.id,
            parts=tuple(
                msgspec.structs.replace(part, id=other.id)
                for part, other in zip(version.parts, like.parts, strict=True)
            ),
        )
        for version, like in zip(media_of(item), media_of(owner), strict=True)
    )
