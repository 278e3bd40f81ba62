"""Asking for single items whether they are still there, where a server's totals cannot be trusted."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.store.lookup import ids_of_library, rating_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.records import Kind
    from retrovue_daemon.sync.seen import SeenIds
    from retrovue_daemon.sync.targets import Equipment, LibraryTarget

MOST_AT_ONCE = 200
"""Requests of one pass: more would be as bad as the importers that ask for every item."""


class Confirmed(msgspec.Struct, frozen=True):
    """The rows whose items the server does not have, by kind, and how many could not be asked for yet."""

    gone: dict[Kind, list[int]]
    waiting: int


async def confirm(
    equipment: Equipment,
    library: LibraryTarget,
    doubtful: Mapping[Kind, list[int]],
    listed: Mapping[Kind, SeenIds],
) -> Confirmed | None:
    """Ask for these rows' items: gone is what the server answers 404 for.

    Which ones are asked for where they are too many is left to chance: those that the server still has would else
    stand before the others for ever.

    None where the server, or a proxy before it, answers 404 for a listed item too: then its word proves nothing.
    Raises PlexError where it gives no answer.
    """
    client, reader = equipment.client, equipment.database.reader
    for kind in doubtful:
        control = await _listed_key(equipment, library, kind, listed[kind])
        if control is not None and not await client.has_item(control):
            return None
    gone: dict[Kind, list[int]] = {}
    asked = 0
    for kind, ids in doubtful.items():
        now = random.sample(ids, min(len(ids), MOST_AT_ONCE - asked))
        asked += len(now)
        keys = await rating_keys(reader, kind, now)
        gone[kind] = [row_id for row_id, key in keys.items() if not await client.has_item(key)]
    return Confirmed(gone, sum(map(len, doubtful.values())) - asked)


async def _listed_key(equipment: Equipment, library: LibraryTarget, kind: Kind, listed: SeenIds) -> str | None:
    """Return the rating key of some item that the listing showed, None where it showed none."""
    reader = equipment.database.reader
    async for ids in ids_of_library(reader, kind, library.row.id, chunk=100):
        for row_id in ids:
            if row_id in listed:
                return (await rating_keys(reader, kind, [row_id]))[row_id]
    return None
