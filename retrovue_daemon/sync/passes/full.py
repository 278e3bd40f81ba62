"""The full pass: lists one library completely, and removes what the listing proves to be gone."""

from __future__ import annotations

import asyncio
from array import array
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace

from retrovue_daemon.errors import BadAnswer
from retrovue_daemon.store.items.displacement import displaced_rows
from retrovue_daemon.store.items.lookup import rating_keys
from retrovue_daemon.store.items.shared_files import with_guid_elsewhere
from retrovue_daemon.store.tables.runs import Counts, Marks, record_and_settle, record_failure, record_run
from retrovue_daemon.sync.confirmation import MOST_AT_ONCE, Confirmed, confirm
from retrovue_daemon.sync.faults import cut_short, unreadable_parent
from retrovue_daemon.sync.listing import ListingReader
from retrovue_daemon.sync.passes.base import Conclusion
from retrovue_daemon.sync.removal import carry_out, plan_removal, still_unlisted
from retrovue_daemon.sync.seen import SeenIds, unseen_rows
from retrovue_daemon.sync.verdict import Verdict

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from retrovue_daemon.errors import PlexError
    from retrovue_daemon.records import Kind, LibraryListing
    from retrovue_daemon.sources.plex.client import Listing
    from retrovue_daemon.store.tables.runs import RunKind
    from retrovue_daemon.sync.completeness import Listed
    from retrovue_daemon.sync.passes.base import RunRecorder
    from retrovue_daemon.sync.progress import Meter
    from retrovue_daemon.sync.target import LibraryTarget, PassContext


_AT_ONCE = 10_000

_UNREADABLE_HINT = (
    "item.skipped in the log names the entries and the reasons; check whether a proxy changes the server's responses,"
    " and whether a newer version of this program exists"
)


class FullPass:
    """Lists everything, writes the differences, marks removed items and sets the library's change marks."""

    kind: ClassVar[RunKind] = "full"

    def __init__(self, context: PassContext, library: LibraryTarget, meter: Meter) -> None:
        self.counts = Counts()
        self._context = context
        self._library = library
        self._reader = ListingReader(context, library, self.counts, meter)
        self.changed = self._reader.changed
        self._listed: dict[Kind, Listed] = {}
        self._began = 0
        self._listed_since = 0
        """The moment at which the listing began that counts, which may be the second one."""
        self._before: LibraryListing | None = library.listing
        self._doubts: list[str] = []
        self._faults: dict[Kind, tuple[str, ...]] = {}
        self._fault_notes: list[str] = []
        """The faults in words."""
        self._unlisted: Mapping[Kind, Sequence[int]] = {}
        """Rows that were not listed, including those that cannot be decided."""
        self._waiting = 0
        """The number of unlisted rows whose items were not requested yet."""

    async def read(self) -> Verdict:
        """List everything, and decide which items are gone."""
        self._began = self._listed_since = self._library.target.moments.advance()
        await self._list_all()
        if any(listed.log.moved for listed in self._listed.values()):
            for kind, listed in self._listed.items():
                self._reader.uncount(kind, listed)
            self._before = await self._looked_up()
            self._listed_since = self._library.target.moments.advance()
            await self._list_all()
        self._note_doubts()
        if nothing := self._nothing_read:
            return self._incomplete(*nothing, *self._doubts, cause=self._unreadable("; ".join(nothing)))
        if self._reader.unwritten is not None:
            self._doubts.append(self._reader.unwritten)
        if self._library.listing.refreshing:
            self._doubts.append("the server is scanning this library")
        if self._doubts:
            return self._incomplete(*self._doubts)
        if not self._library.faults.settles(self._fault):
            # The server may have been busy.
            return self._incomplete(*self._fault_notes)
        leaving = await self._unseen()
        if not any(leaving.values()):
            return await self._confirmed(leaving, [])
        to_confirm = await self._kinds_to_confirm(leaving)
        if to_confirm is None:
            return self._incomplete("the server reports no total, and two listings differ")
        if not await self._still_quiet():
            return self._incomplete("the server started to scan or change this library during the listing")
        return await self._confirmed(leaving, to_confirm)

    @property
    def _fault(self) -> tuple[str, ...]:
        """What could not be read or counted, as remembered in the library's row."""
        return tuple(fault for faults in self._faults.values() for fault in faults)

    async def _twins(self, leaving: Mapping[Kind, Sequence[int]]) -> dict[Kind, list[int]]:
        """Return rows that may be unreadable entries, or items with a new key: their guids are listed elsewhere.

        They are not removed; but if the library does not have their own items, they may be re-keyed. That must happen
        before the library's marks are set, because only rows added since then count as new.
        """
        found: dict[Kind, list[int]] = {}
        for kind, row_ids in leaving.items():
            if self._listed[kind].log.unreadable:
                found[kind] = []
                async for staying in self._staying(kind, row_ids):
                    found[kind] += await self._context.database.reader.run(with_guid_elsewhere, kind, staying)
        return found

    async def _staying(self, kind: Kind, row_ids: Sequence[int]) -> AsyncIterator[Sequence[int]]:
        """Yield the other unlisted rows than these, which are some of them, a few thousand at a time."""
        if len(row_ids) == len(self._unlisted[kind]):
            return
        these = SeenIds()
        for chunk in _chunks(row_ids):
            these.update(chunk)
            await asyncio.sleep(0)
        for chunk in _chunks(self._unlisted[kind]):
            if staying := these.unseen(chunk):
                yield staying
            await asyncio.sleep(0)

    async def _displaced(
        self, gone: Mapping[Kind, Sequence[int]], moved: Mapping[Kind, Sequence[int]]
    ) -> dict[Kind, list[int]]:
        """Return rows that must not be removed, but may be re-keyed: their items may be listed under new keys.

        The server gave the keys of these rows to other items, or they are ``moved`` twins.
        """
        reader = self._context.database.reader
        found: dict[Kind, list[int]] = {}
        for kind, row_ids in gone.items():
            found[kind] = []
            async for staying in self._staying(kind, row_ids):
                found[kind] += await reader.run(displaced_rows, kind, staying)
            found[kind] += moved.get(kind, ())
        return found

    @property
    def _nothing_read(self) -> list[str]:
        """The listings of which every entry was skipped: that is no property of single items."""
        return [
            f"{listing.value}: {nothing}"
            for kind, listing in self._library.listings
            if (nothing := self._listed[kind].log.nothing_read) is not None
        ]

    def _unreadable(self, detail: str) -> PlexError:
        return BadAnswer(self._library.server, detail, hint=_UNREADABLE_HINT)

    def _incomplete(self, *doubts: str, cause: PlexError | None = None) -> Verdict:
        return Verdict(
            "incomplete",
            "; ".join(doubts),
            fault=self._fault,
            list_again=bool(self._fault) or self._reader.list_again or cause is not None,
            cause=cause,
        )

    async def _list_all(self) -> None:
        for kind, listing in self._library.listings:
            self._listed[kind] = await self._read_listing(kind, listing)

    def _note_doubts(self) -> None:
        for kind, listing in self._library.listings:
            listed = self._listed[kind]
            if faults := listed.faults(kind):
                self._faults[kind] = faults
                self._fault_notes += [f"{listing.value}: {note}" for note in listed.described_faults]
            if listed.doubt is not None and not listed.miscount:
                self._doubts.append(f"{listing.value}: {listed.doubt}")
        for kind, key in dict.fromkeys(self._reader.unreadable_parents):
            # Their children are stored without a parent until the parent can be read.
            self._faults[kind] = (*self._faults.get(kind, ()), unreadable_parent(kind, key))
            self._fault_notes.append(f"the server cannot send the {kind} with rating key {key}")

    async def _read_listing(self, kind: Kind, listing: Listing) -> Listed:
        pages = self._context.client.pages(self._library.row.key, listing, page_size=self._context.settings.page_size)
        return await self._reader.read(kind, listing.value, pages)

    async def _unseen(self) -> dict[Kind, Sequence[int]]:
        """Return the ids of this library's rows that were not listed and are not yet missing, by kind."""
        reader = self._context.database.reader
        seen = {kind: listed.rows for kind, listed in self._listed.items()}
        self._unlisted = await unseen_rows(reader, self._library.row.id, seen)
        leaving: dict[Kind, Sequence[int]] = {**self._unlisted}
        for kind, ids in self._unlisted.items():
            log = self._listed[kind].log
            if ids and log.unreadable:
                # A row that may be an unreadable entry is not gone, whatever the server answers for the single item.
                left = leaving[kind] = array("q")
                for chunk in _chunks(ids):
                    left.extend(log.without_unread(await reader.run(rating_keys, kind, chunk)))
        return leaving

    async def _kinds_to_confirm(self, leaving: Mapping[Kind, Sequence[int]]) -> list[Kind] | None:
        """Return the kinds whose unlisted items must be requested one by one before their rows may be removed.

        If the server reports no total, a listing may have ended too early: a few items are requested one by one. If
        there are more, or a row lost its key so that its item cannot be requested, the listing is read a second time,
        and the result is None if it differs.
        """
        to_confirm = [kind for kind in self._faults if leaving[kind]]
        unsized = [
            kind
            for kind, listed in self._listed.items()
            if listed.log.first_total is None and leaving[kind] and kind not in self._faults
        ]
        if sum(len(leaving[kind]) for kind in unsized) <= MOST_AT_ONCE:
            reader = self._context.database.reader
            nameless = [kind for kind in unsized if await reader.run(displaced_rows, kind, leaving[kind])]
            to_confirm += [kind for kind in unsized if kind not in nameless]
            unsized = nameless
        for kind, listing in self._library.listings:
            if kind in unsized:
                first = self._listed[kind]
                self._reader.uncount(kind, first)
                second = self._listed[kind] = await self._read_listing(kind, listing)
                if second.doubt is not None or second.faults(kind) or not second.shows_as(first):
                    return None
        return to_confirm

    async def _still_quiet(self) -> bool:
        """Return whether the library is not being scanned and has not changed since the listing began.

        One item added while another is removed keeps the total, and can hide a third item between two pages.
        """
        now = await self._looked_up()
        return now is not None and not now.refreshing and self._before is not None and _looks_alike(self._before, now)

    async def _looked_up(self) -> LibraryListing | None:
        """Return the server's current entry for this library, or None."""
        listed = await self._context.slot.wait_for(self._context.client.libraries())
        return next((library for library in listed if library.key == self._library.listing.key), None)

    async def _confirmed(self, leaving: Mapping[Kind, Sequence[int]], to_confirm: list[Kind]) -> Verdict:
        """Request the unlisted items of some kinds, and return the verdict: items that the server denies are gone.

        What could not be read or counted remains in doubt.
        """
        doubtful, twins = {kind: leaving[kind] for kind in to_confirm}, await self._twins(leaving)
        confirmed: Confirmed | None = Confirmed()
        if doubtful or any(twins.values()):
            listed = {kind: each.rows for kind, each in self._listed.items()}
            faulty = {kind for kind, each in self._listed.items() if each.log.keyless or each.log.unreadable}
            confirmed = await confirm(self._context, self._library, doubtful, listed, twins, faulty=faulty)
        if confirmed is None:
            if doubtful:
                return self._incomplete(*self._fault_notes, "the server responds with 404 for an item that it lists")
            confirmed = Confirmed()
        for kind, number in confirmed.present.items():
            if number and kind not in self._faults:
                # There was no total, and items are missing: the listing ended too early.
                self._faults[kind] = (cut_short(kind, number),)
                self._fault_notes.append(f"the server has {number} more items than it lists")
        if not self._library.faults.settles(self._fault):
            return self._incomplete(*self._fault_notes)
        gone = {**leaving, **confirmed.gone}
        displaced, notes = await self._displaced(gone, confirmed.moved), [*self._fault_notes]
        waiting = confirmed.waiting + confirmed.twins_waiting
        # If none of so many was gone, the rest is not urgent.
        settles = not waiting or not any((*confirmed.gone.values(), *confirmed.moved.values()))
        if not settles:
            self._waiting = confirmed.waiting
            notes.append(f"{waiting} items that are no longer listed will be requested one by one in the next pass")
        return Verdict(
            "ok",
            "; ".join(notes) or None,
            leaving=gone,
            displaced=displaced,
            settles=settles,
            fault=self._fault,
        )

    def finish(self, connection: sqlite3.Connection, verdict: Verdict, recorder: RunRecorder) -> Conclusion:
        """Re-key and remove rows, set the marks and record the run: all or nothing."""
        verdict = self._reader.damage.adjust_verdict(verdict)
        library, listing = self._library, self._library.listing
        listed = {kind: each.rows for kind, each in self._listed.items()}
        leaving = still_unlisted(connection, library, verdict.leaving, listed, self._listed_since)
        removal = plan_removal(
            connection,
            self._context,
            library,
            leaving,
            displaced=verdict.displaced,
            before=self._began,
            waiting=self._waiting,
        )
        removed = carry_out(connection, self._context, library, removal)
        if removal.refusal is not None:
            verdict = Verdict("blocked", removal.refusal, fault=verdict.fault)
        elif not verdict.settles:
            # Rows that were only found to stay undecided would be found again each time.
            found = bool(removed or removal.rekeyed.total)
            verdict = replace(verdict, settles=not found, list_again=verdict.list_again or found)
        verdict = self._reader.hidden_paths.adjust_verdict(verdict)
        run = recorder.run(verdict, self.counts, removal, removed)
        faults = library.faults.after(verdict.fault)
        if verdict.status == "ok" and verdict.settles:
            marks = Marks(
                content_changed_at=listing.content_changed_at,
                section_updated_at=listing.updated_at,
                scanned_at=listing.scanned_at,
                watermark=self._reader.watermark,
                listed_from=self._began,
                listed_until=library.target.moments.advance(),
                fault=faults,
                list_again=verdict.list_again,
            )
            run_id = record_and_settle(connection, run, marks)
        else:
            run_id = record_run(connection, run)
            record_failure(connection, run, faults, list_again=verdict.list_again)
        return Conclusion(run, run_id, removal)


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the ids a few thousand at a time: neither the loop nor other readers may wait for 200,000 of them."""
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]


def _looks_alike(before: LibraryListing, after: LibraryListing) -> bool:
    """Return whether a library is the same as before, with the same change marks."""
    if before.uuid is not None and before.uuid != after.uuid:
        return False
    if before.content_changed_at is not None:
        return before.content_changed_at == after.content_changed_at
    return (before.updated_at, before.scanned_at) == (after.updated_at, after.scanned_at)
