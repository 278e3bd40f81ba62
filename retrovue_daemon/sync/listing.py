"""Reading one listing: items that differ from their rows are written, listed rows are marked as seen."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from retrovue_daemon.errors import WrongLibrary
from retrovue_daemon.records import Episode, Kind, Season
from retrovue_daemon.store.items.damage import holds_damage
from retrovue_daemon.store.items.digests import digests
from retrovue_daemon.store.items.lookup import holds_items, known_rows_and_streams
from retrovue_daemon.store.items.upserts import Change, other_items
from retrovue_daemon.store.tables.runs import FUTURE_S
from retrovue_daemon.sync.batches import Batches
from retrovue_daemon.sync.changed_items import ChangedItems
from retrovue_daemon.sync.completeness import Listed
from retrovue_daemon.sync.damage import DamageWatch
from retrovue_daemon.sync.hidden_paths import HiddenPaths
from retrovue_daemon.sync.key_conflicts import KeyConflicts
from retrovue_daemon.sync.parents import ParentLookup
from retrovue_daemon.sync.streams import listed_streams, update_streams

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from retrovue_daemon.records import Item, Movie, Page
    from retrovue_daemon.store.items.lookup import KnownRow
    from retrovue_daemon.store.items.upserts import BatchResult
    from retrovue_daemon.store.tables.runs import Counts
    from retrovue_daemon.sync.progress import Meter
    from retrovue_daemon.sync.target import LibraryTarget, PassContext


class ListingReader:
    """Reads the listings of one pass; ``counts`` is the pass's, ``watermark`` the highest updatedAt so far.

    ``complete`` means that the pass lists everything in its scope, parents first. ``list_again`` is set if something
    can only be decided or found by a full listing.
    """

    def __init__(
        self,
        context: PassContext,
        library: LibraryTarget,
        counts: Counts,
        meter: Meter,
        *,
        complete: bool = True,
    ) -> None:
        self.watermark: int | None = None
        self.list_again = False
        self.displaced = 0
        """The number of rows whose keys now belong to other items; their own items may have other keys."""
        self.changed = ChangedItems()
        self._complete = complete
        self._listed: dict[Kind, Listed] = {}
        self._unread: dict[Kind, bool] | None = None
        """Whether the library had rows before the pass, by kind, for the kinds not read yet."""
        self._conflicts = KeyConflicts(context, library)
        self._context = context
        self._library = library
        self._target = library.target
        self._counts = counts
        self._meter = meter
        self.damage = DamageWatch(context, library, counts)
        self._parents = ParentLookup(context, library, self.damage)
        self.hidden_paths = HiddenPaths(context, library, complete=complete)
        # An updatedAt further in the future is implausible, so it must not become the watermark.
        self._latest_plausible = context.now() + FUTURE_S

    async def read(self, kind: Kind, name: str, pages: AsyncGenerator[Page, None]) -> Listed:
        """Read one listing of one kind; ``name`` is its name in the progress. Raises PlexError and StoreError.

        Items read before a failure are still handed to the writer.
        """
        listed = self._listed[kind] = Listed()
        if kind is Kind.EPISODE:
            await self._conflicts.remember_files()
        is_new = await self._is_new(kind)
        context, changed = self._context, self.changed
        batches = Batches(context, self._target, kind, seen=listed.rows, counts=self._counts, changed=changed)
        try:
            async with aclosing(pages):
                while (page := await self._next_page(pages)) is not None:
                    self._check_uuid(page)
                    listed.log.note(page)
                    if page.unreadable is not None:
                        self._counts.skipped += 1
                        continue
                    self._context.skips.note_cut(self._library.server, self._library.row.name, kind, page)
                    page = await self.hidden_paths.restore(page)
                    await batches.put(await self._compare(kind, page, listed, is_new=is_new), size=page.size)
                    self._meter.advance(name, listed.log.entries, page.total, _last_title(page))
            await batches.flush()
            if kind is Kind.EPISODE:
                await self._resolve_conflicts(listed)
                await self._write_released(listed, batches)
        finally:
            # Queued before the pass's own record.
            batches.post_rest()
            for entry in listed.log.unreadable:
                self._context.skips.note_unreadable(self._library.server, self._library.row.name, kind, entry)
            self.displaced += batches.displaced
            self.list_again = self.list_again or (batches.displaced > 0 and not self._complete)
            self._counts.pages += listed.log.pages
            self._counts.bytes += listed.log.bytes
            self.hidden_paths.log_change()
        return listed

    async def _next_page(self, pages: AsyncGenerator[Page, None]) -> Page | None:
        """Wait for a page; meanwhile, other passes may use the slot, and need not wait for this one."""
        row = self._library.row
        page = await self._context.slot.wait_for(self._library.round.page(row.kind, row.id, anext(pages, None)))
        # It has just been decoded. Before it is compared, let others have a turn, such as live updates.
        await asyncio.sleep(0)
        return page

    def uncount(self, kind: Kind, listed: Listed) -> None:
        """Subtract a listing that is read again from the counts."""
        self.hidden_paths.forget(kind)
        self._counts.listed -= listed.log.items
        self._counts.skipped -= listed.log.skipped
        self._counts.unchanged -= listed.unchanged

    async def _is_new(self, kind: Kind) -> bool:
        """Return whether nothing of a kind need be looked up, because the library has no rows of it.

        If a changing listing shows an item twice, the writer notices.
        """
        reader, target = self._context.database.reader, self._target
        if self._unread is None:
            kinds = [kind for kind, _ in self._library.listings]
            before = await reader.run(_stored_before, target.server_id, target.library_id, kinds)
            self._unread, self.damage.remembers = before
        if kind in self._unread:
            return not self._unread.pop(kind)
        # A listing that is read again finds the rows that it wrote.
        return not await reader.run(holds_items, kind, target.library_id)

    @property
    def unreadable_parents(self) -> list[tuple[Kind, str]]:
        """Shows and seasons that no listing showed and that the server cannot send, by kind and rating key."""
        return self._parents.unreadable

    @property
    def unwritten(self) -> str | None:
        """Why listed episodes were not written, or None; the pass must not remove anything then."""
        if not self._conflicts.unwritten:
            return None
        number = self._conflicts.unwritten
        return f"{number} episodes wait for the next pass, because the keys of their shows were reassigned"

    async def _resolve_conflicts(self, listed: Listed) -> None:
        # If another listing is to follow because of a fault, this one may lack the very episode that would decide.
        settles = self._library.faults.settles(listed.faults(Kind.EPISODE))
        complete = self._complete and settles and (listed.doubt is None or listed.miscount != 0)
        results, waits = await self._conflicts.resolve(self._listed, complete=complete)
        self._count(results)
        self.list_again = self.list_again or waits or self._conflicts.unwritten > 0

    async def _write_released(self, listed: Listed, batches: Batches) -> None:
        """Write the episodes that waited until their parents were decided."""
        if released := self._conflicts.released():
            await self._parents.store_parents([change.item for change in released])
            await batches.put(released)
            await batches.flush()
            listed.waiting.difference_update([change.item.rating_key for change in released])

    def _count(self, results: Iterable[BatchResult]) -> None:
        for result in results:
            self._counts.take_in(result)
            self.changed.add(result)
            self._counts.unchanged += len(result.ids) - result.added - result.updated - result.restored

    async def _compare(self, kind: Kind, page: Page, listed: Listed, *, is_new: bool) -> list[Change]:
        """Return the changes of a page's new or different items; mark the rows of the others as seen."""
        keys, streams = self._keys_to_look_up(kind, page, is_new=is_new), {} if is_new else listed_streams(kind, page)
        reader, server_id = self._context.database.reader, self._target.server_id
        # The look-up starts now and runs while the digests are computed.
        looking = reader.run(known_rows_and_streams, kind, server_id, keys, streams) if keys else None
        fresh = digests(page.items)
        known, stored_streams = ({}, {}) if looking is None else await looking
        changes, altered, has_conflicts = list[Change](), listed.altered, bool(self._conflicts)
        same: list[Item] = []
        # Written items mark the rows that they are written to: a row with the same key may belong to another item.
        seen = [known[skipped.rating_key].id for skipped in page.skipped if skipped.rating_key in known]
        for item, digest in zip(page.items, fresh, strict=True):
            row = known.get(item.rating_key)
            if row is None:
                changes.append(Change(item, digest))
            elif (
                not row.shows(item, digest, self._target.library_id)
                or (altered and row.id in altered)
                or (has_conflicts and self._conflicts.may_affect(item))
            ):
                changes.append(Change(item, digest))
                altered.update((row.id,))
            else:
                seen.append(row.id)
                same.append(item)
        await update_streams(self._context.database, same, streams, stored_streams)
        if page.mended or self.damage.remembers:
            kept = {change.item.rating_key for change in changes}
            others = await self._different_items(kind, page, known, changes)
            changes = await self.damage.sift(kind, page, known, changes, others)
            kept -= {change.item.rating_key for change in changes}
            seen += [known[key].id for key in kept]
            listed.kept |= {
                known[item.rating_key].id: parents
                for item in page.items
                if item.rating_key in kept and (parents := _parents_of(item))
            }
        unchanged = len(page.items) - len(changes)
        changes = await self._conflicts.hold_back(kind, changes, known)
        if kind is Kind.EPISODE and self._conflicts:
            self._count(await self._conflicts.match_episodes(page.items, self._listed))
            changes = self._conflicts.hold_back_episodes(changes, listed.waiting)
        for skipped in page.skipped:
            self._context.skips.note(self._library.server, self._library.row.name, skipped)
            if skipped.rating_key is not None and skipped.rating_key not in known:
                listed.unstored.add(skipped.rating_key)
        listed.rows.update(seen)
        self._counts.listed += len(page.items)
        self._counts.skipped += len(page.skipped)
        listed.unchanged += unchanged
        self._counts.unchanged += unchanged
        self._raise_watermark(item.updated_at for item in page.items)
        if is_new:
            self._parents.add_listed(kind, page.items)
        if kind in {Kind.SEASON, Kind.EPISODE} and changes:
            await self._parents.store_parents([change.item for change in changes])
        return changes

    async def _different_items(
        self, kind: Kind, page: Page, known: Mapping[str, KnownRow], changes: Sequence[Change]
    ) -> Sequence[str]:
        """Return the keys of damaged items that may differ from the items in their rows: no old values are kept."""
        lost = {key: names.split(", ") for key, names in page.mended}
        items = [
            change.item
            for change in changes
            if (key := change.item.rating_key) in known and key in lost and "guid" not in lost[key]
        ]
        if not items:
            return ()
        if kind in {Kind.SHOW, Kind.SEASON}:
            return await self._conflicts.possibly_different(kind, items, known, lost)
        with_files = cast("list[Movie | Episode]", items)
        return await self._context.database.reader.run(other_items, kind, self._target.server_id, with_files)

    def _keys_to_look_up(self, kind: Kind, page: Page, *, is_new: bool) -> list[str]:
        """Return the rating keys of a page whose rows may be stored."""
        # Shows and seasons are few, and the key of one may be known from another library (``sync/key_conflicts.py``).
        if is_new and kind not in {Kind.SHOW, Kind.SEASON}:
            return []
        keys = [item.rating_key for item in page.items]
        return keys + [skipped.rating_key for skipped in page.skipped if skipped.rating_key is not None]

    def _raise_watermark(self, times: Iterable[int | None]) -> None:
        plausible = [time for time in times if time is not None and time <= self._latest_plausible]
        if self.watermark is not None:
            plausible.append(self.watermark)
        self.watermark = max(plausible, default=None)

    def _check_uuid(self, page: Page) -> None:
        """Raise WrongLibrary if the page belongs to another library, before anything of it is written."""
        expected, found = self._library.row.uuid, page.library_uuid
        if expected is not None and found is not None and found != expected:
            raise WrongLibrary(self._library.server, expected, found)


def _parents_of(item: Item) -> set[str]:
    """Return the keys of an item's show and season, or nothing if one of them is not known."""
    keys = [item.show_rating_key] if isinstance(item, Season | Episode) else []
    keys += [item.season_rating_key] if isinstance(item, Episode) else []
    return {key for key in keys if key is not None} if None not in keys else set()


def _stored_before(
    connection: sqlite3.Connection, server_id: int, library_id: int, kinds: Iterable[Kind]
) -> tuple[dict[Kind, bool], bool]:
    """Return which kinds a library has rows of, and whether damage of any item of the server is stored."""
    return {kind: holds_items(connection, kind, library_id) for kind in kinds}, holds_damage(connection, server_id)


def _last_title(page: Page) -> str:
    if not page.items:
        return ""
    item = page.items[-1]
    return item.episode_title if isinstance(item, Episode) else item.title
