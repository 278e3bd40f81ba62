"""Shows and seasons that no listing showed, although their children name them: they are asked for by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.records import Episode, Kind, Season
from retrovue_daemon.store.items.lookup import known_rows
from retrovue_daemon.store.items.upserts import Change, write_items
from retrovue_daemon.sync.digest import digests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.records import Item
    from retrovue_daemon.sync.target import Equipment, LibraryTarget

_CHILDREN = (Season, Episode)


class Adoption:
    """Sees to it that the parents of a pass's items are stored; each parent is looked for once a pass."""

    def __init__(self, equipment: Equipment, library: LibraryTarget) -> None:
        self._equipment = equipment
        self._library = library
        self.unreadable: list[tuple[Kind, str]] = []
        """Parents that the server has but cannot send, by kind and rating key."""
        self._settled: dict[Kind, set[str]] = {Kind.SHOW: set(), Kind.SEASON: set()}

    def know(self, kind: Kind, items: Sequence[Item]) -> None:
        """Take in what a listing showed: it is stored before that of its children begins, and needs no look-up."""
        if kind in self._settled:
            self._settled[kind].update([item.rating_key for item in items])

    async def adopt_parents(self, items: Sequence[Item]) -> None:
        """Store the shows, then the seasons, that these items name and that have no row, or a missing one.

        What the server does not have either stays unresolved: such an item's row is written anew at the next pass.
        Raises PlexError and StoreError.
        """
        await self._adopt(Kind.SHOW, {item.show_rating_key for item in items if isinstance(item, _CHILDREN)})
        await self._adopt(Kind.SEASON, {item.season_rating_key for item in items if isinstance(item, Episode)})

    async def _adopt(self, kind: Kind, keys: set[str | None]) -> None:
        wanted = sorted({key for key in keys if key} - self._settled[kind])
        if not wanted:
            return
        equipment, target = self._equipment, self._library.target
        known = await known_rows(equipment.database.reader, kind, target.server_id, wanted)
        orphaned = [key for key in wanted if key not in known or known[key].state == "missing"]
        unreadable: list[str] = []
        found = await equipment.client.items(orphaned, kind, unreadable=unreadable) if orphaned else []
        self.unreadable += [(kind, key) for key in unreadable]
        adopted = [item for item in found if item.rating_key in orphaned]
        changes = [Change(item, digest) for item, digest in zip(adopted, digests(adopted), strict=True)]
        if changes:
            now = equipment.now()
            await equipment.database.writer.write(
                lambda connection: write_items(connection, target, kind, changes, now)
            )
        self._settled[kind].update(wanted)
