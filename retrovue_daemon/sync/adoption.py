"""Shows and seasons that no listing showed, although their children name them: they are asked for by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.records import Episode, Kind, Season
from retrovue_daemon.store.lookup import known_rows
from retrovue_daemon.store.upserts import Change, write_items
from retrovue_daemon.sync.digest import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrovue_daemon.records import Item
    from retrovue_daemon.sync.targets import Equipment, LibraryTarget


async def adopt_parents(equipment: Equipment, library: LibraryTarget, items: Sequence[Item]) -> None:
    """Store the shows, then the seasons, that these items name and that have no row, or a missing one.

    What the server does not have either stays unresolved: such an item's row is written anew at the next pass. Raises
    PlexError and StoreError.
    """
    shows = {item.show_rating_key for item in items if isinstance(item, Season | Episode)}
    await _adopt(equipment, library, Kind.SHOW, shows)
    seasons = {item.season_rating_key for item in items if isinstance(item, Episode)}
    await _adopt(equipment, library, Kind.SEASON, seasons)


async def _adopt(equipment: Equipment, library: LibraryTarget, kind: Kind, keys: Iterable[str | None]) -> None:
    wanted = sorted({key for key in keys if key})
    if not wanted:
        return
    target = library.target
    known = await known_rows(equipment.database.reader, kind, target.server_id, wanted)
    orphaned = [key for key in wanted if key not in known or known[key].state == "missing"]
    if not orphaned:
        return
    found = await equipment.client.items(orphaned, kind)
    changes = [Change(item, digest(item)) for item in found if item.rating_key in orphaned]
    if changes:
        now = equipment.now()
        await equipment.database.writer.write(lambda connection: write_items(connection, target, kind, changes, now))
