"""Shows and seasons that are listed under a known key with another guid.

Some guids are only made from the key. For these, a show with another title is a conflict instead, and so is a season
with another number, with another show, or with a show that is a conflict itself.

A conflict has one of two causes. The item was matched anew (Fix Match, a new agent): it keeps its row. Or Plex gave
its key to another item, for example after a restore of Plex's database: the row must wait for its own item.
Shows and seasons have no files, so their episodes decide: if one listed episode has a file that the row's episodes
have, the item is the same. Until the episodes are listed, neither the row nor the episodes below such a key are
written, because a pass that breaks off must leave the next one what it needs to decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.records import Episode, Kind, Season, Show
from retrovue_daemon.store.items.own_guids import is_of_key
from retrovue_daemon.store.items.shared_files import (
    FileSet,
    StoredParent,
    episode_files,
    is_guid_elsewhere,
    replace_parent,
    stored_parents,
)
from retrovue_daemon.store.items.upserts import BatchResult, write_items

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.records import Item
    from retrovue_daemon.store.items.lookup import KnownRow
    from retrovue_daemon.store.items.upserts import Change
    from retrovue_daemon.sync.completeness import Listed
    from retrovue_daemon.sync.target import LibraryTarget, PassContext

_PARENTS = (Kind.SHOW, Kind.SEASON)

_NAMES = {Kind.SHOW: {"title"}, Kind.SEASON: {"index", "parentRatingKey"}}
"""Plex's names of the values that are compared if a guid is only made from the key."""

MOST_WAITING = 20_000
"""The largest number of episodes kept: memory stays flat even if all keys of a large library are reassigned."""


class _KeyConflict(msgspec.Struct):
    """A change that waits for its row, which has the guid ``guid``.

    ``has_episodes`` and ``has_files`` say what was listed below it. ``is_unmatched`` means that no catalogue has the
    item; then files of equal sizes count as the same, even if they were renamed. ``is_elsewhere`` means that the row
    belongs to another library, whose pass may already have moved its episodes away.
    """

    change: Change
    row_id: int
    guid: str
    is_unmatched: bool
    is_elsewhere: bool
    files: FileSet | None = None
    has_episodes: bool = False
    has_files: bool = False


class KeyConflicts:
    """The shows and seasons of one pass that cannot be written until their episodes are listed."""

    def __init__(self, context: PassContext, library: LibraryTarget) -> None:
        self._context = context
        self._library = library
        self._open: dict[Kind, dict[str, _KeyConflict]] = {kind: {} for kind in _PARENTS}
        self._waiting: list[Change] = []
        """Episodes of undecided shows and seasons."""
        self.unwritten = 0
        """The number of such episodes that were not kept: the next pass writes them, after their parents."""

    def __bool__(self) -> bool:
        return any(self._open.values())

    async def hold_back(self, kind: Kind, changes: list[Change], known: Mapping[str, KnownRow]) -> list[Change]:
        """Return the changes that can be written now."""
        if kind not in _PARENTS:
            return changes
        rows = {key: known[key].id for item, _ in changes if item.guid and (key := item.rating_key) in known}
        stored = await self._context.database.reader.run(stored_parents, kind, rows.values()) if rows else {}
        certain = []
        for change in changes:
            item = change.item
            key = item.rating_key
            before = stored.get(rows[key]) if key in rows else None
            if before is not None and self._may_be_another(item, before):
                guid = before.guid or ""
                is_unmatched = is_of_key(item.guid or "") and is_of_key(guid)
                is_elsewhere = known[key].library_id != self._library.row.id
                self._open[kind][key] = _KeyConflict(change, rows[key], guid, is_unmatched, is_elsewhere)
            else:
                self._open[kind].pop(key, None)
                certain.append(change)
        return certain

    async def possibly_different(
        self, kind: Kind, items: Sequence[Item], known: Mapping[str, KnownRow], lost: Mapping[str, Sequence[str]]
    ) -> list[str]:
        """Return the keys of shows or seasons that may differ from the items in their rows.

        Each of ``items`` has a row. ``lost`` names the values that arrived damaged, by key: they prove nothing.
        """
        rows = {item.rating_key: known[item.rating_key].id for item in items if item.guid}
        stored = await self._context.database.reader.run(stored_parents, kind, rows.values()) if rows else {}
        return [
            item.rating_key
            for item in items
            if (before := stored.get(rows.get(item.rating_key, 0))) is not None
            and not (is_of_key(before.guid or "") and not _NAMES[kind].isdisjoint(lost[item.rating_key]))
            and self._may_be_another(item, before)
        ]

    def may_affect(self, item: Item) -> bool:
        """Return whether an item that matches its row may still be a different item."""
        return (
            isinstance(item, Season) and item.show_rating_key in self._open[Kind.SHOW] and is_of_key(item.guid or "")
        )

    def _may_be_another(self, item: Item, before: StoredParent) -> bool:
        if not before.guid or before.guid != item.guid:
            return bool(before.guid)
        if not is_of_key(before.guid):
            return False
        if isinstance(item, Show):
            return item.title.casefold() != str(before.name).casefold()
        if isinstance(item, Season) and (item.season_number, item.show_rating_key) != (before.name, before.show_key):
            return True
        return self.may_affect(item)

    async def remember_files(self) -> None:
        """Record the files of the rows' episodes, before a listing of episodes moves any of them."""
        self._waiting = []
        self.unwritten = 0
        for kind in _PARENTS:
            # One query at a time, so that other readers get their turn.
            for one in self._open[kind].values():
                one.files = await self._context.database.reader.run(episode_files, kind, one.row_id)

    async def match_episodes(self, items: Sequence[Item], listed: Mapping[Kind, Listed]) -> list[BatchResult]:
        """Write the parents that one of these episodes proves to be the same item as their row."""
        certain: dict[Kind, list[_KeyConflict]] = {kind: [] for kind in _PARENTS}
        for item in items:
            if isinstance(item, Episode):
                for kind, key in ((Kind.SHOW, item.show_rating_key), (Kind.SEASON, item.season_rating_key)):
                    one = self._open[kind].get(key or "")
                    if one is not None and self._shares(one, item):
                        del self._open[kind][key or ""]
                        certain[kind].append(one)
        return await self._write(certain, listed)

    def hold_back_episodes(self, changes: list[Change], waiting: set[str]) -> list[Change]:
        """Return the changes of episodes that can be written now.

        The others are kept until `released` is called, or are counted as ``unwritten`` if there are too many; their
        rating keys are added to ``waiting``.
        """
        certain = []
        for change in changes:
            if not self._belongs_to_open(change.item):
                certain.append(change)
                continue
            waiting.add(change.item.rating_key)
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(change)
            else:
                self.unwritten += 1
        return certain

    def released(self) -> list[Change]:
        """Return the kept episodes once; call this after `resolve`."""
        waited, self._waiting = self._waiting, []
        return waited

    def _belongs_to_open(self, item: Item) -> bool:
        return isinstance(item, Episode) and (
            item.show_rating_key in self._open[Kind.SHOW] or item.season_rating_key in self._open[Kind.SEASON]
        )

    async def resolve(self, listed: Mapping[Kind, Listed], *, complete: bool) -> tuple[list[BatchResult], bool]:
        """Decide the rest; return what was written, and whether something must wait for a full listing.

        If the entry or the row has no file, the item is the same unless the row's own item is listed elsewhere. A
        listing that is not ``complete`` proves nothing; the next pass then lists the kept episodes again.
        """
        if not self:
            return [], False
        if not complete:
            for kind in _PARENTS:
                # These rows count as listed although they are not written.
                listed[kind].rows.update([one.row_id for one in self._open[kind].values()])
                self._open[kind].clear()
            self._waiting = []
            return [], True
        same: dict[Kind, list[_KeyConflict]] = {kind: [] for kind in _PARENTS}
        others: dict[Kind, list[_KeyConflict]] = {kind: [] for kind in _PARENTS}
        for kind in _PARENTS:
            guids = {one.change.item.guid or "" for one in self._open[kind].values()}
            for one in self._open[kind].values():
                (others if await self._is_another(kind, one, guids) else same)[kind].append(one)
            self._open[kind].clear()
        results = await self._write(same, listed)
        for kind in _PARENTS:
            for one in others[kind]:
                results.append(await self._replace(kind, one, listed))
        return results, False

    async def _is_another(self, kind: Kind, one: _KeyConflict, guids: set[str]) -> bool:
        """Return whether an entry that shares no file with its row is another item.

        ``guids`` are the guids of all entries that are undecided.
        """
        is_waiting = one.guid in guids and not is_of_key(one.guid)
        if not one.has_files:
            # The token may not see files, which proves nothing; an entry without episodes has no file to share.
            return is_waiting and not one.has_episodes
        reader = self._context.database.reader
        if one.files or is_waiting or one.is_elsewhere:
            return True
        return await reader.run(is_guid_elsewhere, kind, one.row_id)

    @staticmethod
    def _shares(one: _KeyConflict, episode: Episode) -> bool:
        paths = [file.plex_path for file in episode.files if file.plex_path is not None]
        one.has_episodes = True
        one.has_files = one.has_files or bool(paths)
        if one.files is None:
            return False
        sizes = [file.size for file in episode.files if file.size] if one.is_unmatched else []
        return any(path in one.files for path in paths) or any(size in one.files for size in sizes)

    async def _write(
        self, certain: Mapping[Kind, Sequence[_KeyConflict]], listed: Mapping[Kind, Listed]
    ) -> list[BatchResult]:
        results = []
        writer, target, now = self._context.database.writer, self._library.target, self._context.now()
        for kind, conflicts in certain.items():
            if conflicts:
                changes = [one.change for one in conflicts]
                written = await writer.run(write_items, target, kind, changes, now)
                listed[kind].rows.update(written.ids)
                results.append(written)
        return results

    async def _replace(self, kind: Kind, one: _KeyConflict, listed: Mapping[Kind, Listed]) -> BatchResult:
        target, now, key = self._library.target, self._context.now(), one.change.item.rating_key

        def is_listed_below(child: Kind, row_id: int) -> bool:
            """Return whether a row with this parent was listed below the key; rows that changed are written later."""
            if child not in listed or row_id not in listed[child].rows:
                return False
            return key in listed[child].kept.get(row_id, {key})

        written = await self._context.database.writer.run(
            replace_parent,
            target,
            kind,
            one.row_id,
            one.change,
            now,
            is_listed_below,
        )
        listed[kind].rows.update(written.ids)
        return written
