"""Looking up shows and seasons by key that were not listed although listed children refer to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.records import Episode, Kind, Page, Season
from retrovue_daemon.store.items.digests import digests
from retrovue_daemon.store.items.lookup import known_rows
from retrovue_daemon.store.items.own_guids import is_of_key
from retrovue_daemon.store.items.shared_files import replace_parent, stored_parents
from retrovue_daemon.store.items.upserts import Change, write_items

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.records import Item
    from retrovue_daemon.store.items.lookup import KnownRow
    from retrovue_daemon.sync.damage import DamageWatch
    from retrovue_daemon.sync.target import LibraryTarget, PassContext

_CHILDREN = (Season, Episode)


class ParentLookup:
    """Makes sure that the parents of a pass's items are stored; each parent is looked up once per pass."""

    def __init__(self, context: PassContext, library: LibraryTarget, damage: DamageWatch) -> None:
        self._context = context
        self._damage = damage
        self._library = library
        self.unreadable: list[tuple[Kind, str]] = []
        """Parents that the server has but cannot send, as (kind, rating key)."""
        self._resolved: dict[Kind, set[str]] = {Kind.SHOW: set(), Kind.SEASON: set()}

    def add_listed(self, kind: Kind, items: Sequence[Item]) -> None:
        """Add listed items: they are stored before their children are listed, and need no look-up."""
        if kind in self._resolved:
            self._resolved[kind].update([item.rating_key for item in items])

    async def store_parents(self, items: Sequence[Item]) -> None:
        """Store the shows, then the seasons, that these items refer to and that have no row or a missing one.

        A parent that the server does not have either stays unresolved; each pass looks for it again, and writes its
        child's row once it is there. Raises PlexError and StoreError.
        """
        await self._store(Kind.SHOW, {item.show_rating_key for item in items if isinstance(item, _CHILDREN)})
        await self._store(Kind.SEASON, {item.season_rating_key for item in items if isinstance(item, Episode)})

    async def _store(self, kind: Kind, keys: set[str | None]) -> None:
        wanted = sorted({key for key in keys if key} - self._resolved[kind])
        if not wanted:
            return
        context, target = self._context, self._library.target
        known = await context.database.reader.run(known_rows, kind, target.server_id, wanted)
        orphaned = [key for key in wanted if key not in known or known[key].state == "missing"]
        page = await self._fetch(kind, orphaned)
        changes = [Change(item, digest) for item, digest in zip(page.items, digests(page.items), strict=True)]
        without_guid = {key for key, lost in page.mended if "guid" in lost.split(", ")}
        others = await self._other_items(kind, changes, known)
        others = {key: change for key, change in others.items() if key not in without_guid}
        if page.mended or self._damage.remembers:
            changes = await self._damage.sift(kind, page, known, changes, others)
        changes = [change for change in changes if change.item.rating_key not in others]
        now, writer = context.now(), context.database.writer
        if changes:
            await writer.run(write_items, target, kind, changes, now)
        for key, change in others.items():
            # The new row gets the key of the missing one, which keeps its children.
            await writer.run(replace_parent, target, kind, known[key].id, change, now, lambda _kind, _id: False)
        self._resolved[kind].update(wanted)

    async def _other_items(
        self, kind: Kind, changes: Sequence[Change], known: Mapping[str, KnownRow]
    ) -> dict[str, Change]:
        """Return, by rating key, the changes of items that differ from the missing row with the same key.

        Neither the items nor their rows are listed, so only guids can decide.
        """
        found = {change.item.rating_key: change for change in changes if change.item.rating_key in known}
        stored = await self._context.database.reader.run(stored_parents, kind, [known[key].id for key in found])
        guids = {key: (change.item.guid, stored[known[key].id].guid) for key, change in found.items()}
        return {
            key: found[key]
            for key, (guid, old) in guids.items()
            if guid and old and guid != old and not (is_of_key(guid) and is_of_key(old))
        }

    async def _fetch(self, kind: Kind, keys: Sequence[str]) -> Page:
        """Return the server's items for these keys as a page; damaged ones are requested a second time.

        They are not listed, so no later listing would read them again.
        """
        found: dict[str, Item] = {}
        mended: dict[str, str] = {}
        unreadable: list[str] = []
        wanted = keys
        for _ in range(2):
            if wanted:
                lost: dict[str, str] = {}
                requesting = self._context.client.metadata.items(wanted, kind, unreadable=unreadable, mended=lost)
                items = await self._context.slot.wait_for(requesting)
                for item in items:
                    if item.rating_key in wanted:
                        found[item.rating_key] = item
                        mended.pop(item.rating_key, None)
                wanted = [key for key in lost if key in wanted]
                mended |= {key: lost[key] for key in wanted}
        self.unreadable += [(kind, key) for key in dict.fromkeys(unreadable) if key not in found]
        damaged = tuple((key, what) for key, what in mended.items() if key in found)
        return Page(0, None, len(found), tuple(found.values()), mended=damaged)
