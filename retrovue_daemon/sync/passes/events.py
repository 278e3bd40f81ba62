"""The pass over items that notifications named: each is requested, and only a 404 of its own removes it.

A notification says where to look and proves nothing. What is stored always comes from the server's response.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, ClassVar

import msgspec

from retrovue_daemon.errors import PlexError, WrongLibrary
from retrovue_daemon.records import Episode, Item, Kind, LocatedPage, Movie, Page, Season
from retrovue_daemon.store.items.lookup import living_rows, rating_keys, rows_of_keys, seasons_of_keys, shows_of_keys
from retrovue_daemon.store.items.sweep import still_of
from retrovue_daemon.store.tables.runs import Counts, list_library_again, record_failure, record_run
from retrovue_daemon.sync.confirmation import confirm
from retrovue_daemon.sync.listing import ListingReader
from retrovue_daemon.sync.passes.base import Conclusion
from retrovue_daemon.sync.removal import carry_out, plan_removal
from retrovue_daemon.sync.seen import SeenIds
from retrovue_daemon.sync.verdict import Verdict

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

    from retrovue_daemon.store.items.lookup import KnownRow
    from retrovue_daemon.store.tables.runs import RunKind
    from retrovue_daemon.sync.passes.base import RunRecorder
    from retrovue_daemon.sync.progress import Meter
    from retrovue_daemon.sync.removal import Removal
    from retrovue_daemon.sync.target import LibraryTarget, PassContext

LISTING = "changed items"
"""The name of what such a pass reads, in the progress."""


class Answers(msgspec.Struct, frozen=True):
    """What a server has sent for items that were requested at a ``moment``, whichever libraries they belong to."""

    moment: int
    pages: list[LocatedPage]
    unreadable: list[str]


class EventsPass:
    """Reads the items with these rating keys, of whichever kind they are.

    They are requested, unless ``answers`` has what the pass over another library has requested; ``synced`` are the
    keys of the libraries over which such passes run. It may run beside a
    full pass over the same library: the target has a round of its own, and rows that were read here are not removed
    by a listing that had begun before. The library's marks stay as they are.
    """

    kind: ClassVar[RunKind] = "events"

    def __init__(
        self,
        context: PassContext,
        library: LibraryTarget,
        meter: Meter,
        rating_keys: Sequence[str],
        answers: Answers | None = None,
        *,
        synced: Collection[str] = (),
    ) -> None:
        self.counts = Counts()
        self.unfinished: list[str] = []
        """Keys of items that the server has not finished: they have no guid, or no file."""
        self.elsewhere: dict[str, list[str]] = {}
        """Keys of items that belong to other libraries, by the key of the library."""
        self.needs_look = False
        """Whether a pass over the library must decide what became of an item, mostly by a full listing."""
        self.answers = answers
        """What the server has sent, once it has."""
        self._context = context
        self._library = library
        self._rating_keys = list(dict.fromkeys(rating_keys))
        self._synced = synced
        self._has_lost = False
        """Whether a row's key now belongs to something that no pass over announced items moves it to."""
        self._reader = ListingReader(context, library, self.counts, meter, complete=False)
        self.changed = self._reader.changed
        self._waiting = 0
        """The number of announced removals that were too many to be confirmed one by one."""
        self._leaving: dict[Kind, dict[int, str]] = {}
        """The rows that may go, with the rating keys that were requested."""

    async def read(self) -> Verdict:
        """Request the items, write what differs, and find what is gone."""
        target, reader = self._library.target, self._context.database.reader
        kinds = [kind for kind, _ in self._library.listings]
        stored = await reader.run(rows_of_keys, target.server_id, self._rating_keys, kinds)
        if self.answers is None:
            moment, unreadable = target.moments.now, list[str]()
            self.answers = Answers(moment, await self._located(self._rating_keys, unreadable), unreadable)
        pages = self.answers.pages
        here = self._items_of_library(pages, stored, self._rating_keys)
        answered = _answered(pages, self.answers.unreadable)
        leaving = {
            kind: {key: row.id for key, row in stored[kind].items() if key not in answered and self._lives_here(row)}
            for kind in kinds
        }
        if parents := await self._parents(here, [key for rows in leaving.values() for key in rows]):
            unreadable = list[str]()
            of_parents = await self._located(parents, unreadable)
            known = await reader.run(rows_of_keys, target.server_id, parents, kinds)
            stored = {kind: {**stored[kind], **known[kind]} for kind in kinds}
            here += self._items_of_library(of_parents, stored, parents)
            pages = [*pages, *of_parents]
            # They may be gone with what was in them.
            answered = _answered(of_parents, unreadable)
            for kind, rows in leaving.items():
                rows.update(
                    {key: row.id for key, row in known[kind].items() if key not in answered and self._lives_here(row)}
                )
        self._leaving = {kind: {row_id: key for key, row_id in rows.items()} for kind, rows in leaving.items()}
        # Before they are written: a full pass that runs beside this one must not remove them.
        for kind in kinds:
            ids = [stored[kind][item.rating_key].id for item in here if item.rating_key in stored[kind]]
            self._library.round.merged_rows.note_read(kind, ids, self.answers.moment)
        for kind in kinds if here else ():
            # Kinds without an item, too: the key of one may have gone to another kind, and the episodes' listing
            # decides on shows and seasons.
            await self._reader.read(kind, LISTING, _page(tuple(item for item in here if item.kind is kind), pages))
        if self._reader.unwritten is not None:
            return Verdict("incomplete", self._reader.unwritten, list_again=True)
        return await self._confirmed({kind: [*rows.values()] for kind, rows in leaving.items()})

    async def _located(self, rating_keys: Sequence[str], unreadable: list[str]) -> list[LocatedPage]:
        requesting = self._context.client.metadata.located(rating_keys, unreadable=unreadable)
        pages = await self._context.slot.wait_for(requesting)
        self._check_uuid(pages)
        return pages

    def _lives_here(self, row: KnownRow | None) -> bool:
        return row is not None and row.state != "missing" and row.library_id == self._library.target.library_id

    async def _parents(self, here: Sequence[Item], leaving: Sequence[str]) -> list[str]:
        """Return the shows that have gained or lost seasons or episodes, and the seasons that have lost episodes.

        No notification need name them.
        """
        reader, server_id = self._context.database.reader, self._library.target.server_id
        children = {item.rating_key: item.show_rating_key for item in here if isinstance(item, Season | Episode)}
        keys = [*children, *leaving]
        before = await reader.run(shows_of_keys, server_id, keys)
        pairs = ((before.get(key), children.get(key)) for key in keys)
        shows = (show for old, new in pairs if old != new for show in (old, new) if show is not None)
        seasons = await reader.run(seasons_of_keys, server_id, leaving)
        wanted = dict.fromkeys((*shows, *seasons.values()))
        return [key for key in wanted if key not in self._rating_keys]

    def _check_uuid(self, pages: Sequence[LocatedPage]) -> None:
        """Raise WrongLibrary if another library, of another machine, has the key of this one.

        A response about items of several libraries may have the uuid of any of them.
        """
        expected = self._library.row.uuid
        for each in pages:
            found = each.page.library_uuid
            is_of_one = {*each.libraries.values()} == {self._library.row.key}
            if is_of_one and None not in {expected, found} and found != expected:
                raise WrongLibrary(self._library.server, str(expected), str(found))

    def _items_of_library(
        self,
        pages: Sequence[LocatedPage],
        stored: Mapping[Kind, Mapping[str, KnownRow]],
        rating_keys: Sequence[str],
    ) -> list[Item]:
        """Return the requested items of this library; a response may contain anything."""
        wanted, found = {*rating_keys}, dict[str, Item]()
        for each in pages:
            for item in each.page.items:
                key = item.rating_key
                row = stored.get(item.kind, {}).get(key)
                known_here = row is not None and row.library_id == self._library.target.library_id
                library = each.libraries.get(key, self._library.row.key if known_here else None)
                if key not in wanted or library is None:
                    continue
                if library != self._library.row.key:
                    self.elsewhere.setdefault(library, []).append(key)
                    living = [kind for kind, rows in stored.items() if self._lives_here(rows.get(key))]
                    self._has_lost |= any(kind is not item.kind or library not in self._synced for kind in living)
                    continue
                if item.kind not in stored:
                    continue
                found[key] = item
                if item.guid is None or (isinstance(item, Movie | Episode) and not item.files):
                    self.unfinished.append(key)
        return [*found.values()]

    async def _confirmed(self, leaving: Mapping[Kind, Sequence[int]]) -> Verdict:
        """Request the items that were missing in the response, one by one; a living item must answer beside them."""
        if not any(leaving.values()):
            return Verdict("ok")
        reader, library_id = self._context.database.reader, self._library.row.id
        doubtful = {kind: ids for kind, ids in leaving.items() if ids}
        candidates = {kind: await reader.run(living_rows, kind, library_id, ids) for kind, ids in doubtful.items()}
        controls: dict[Kind, int | None] = {}
        confirmed = None
        # The item of a control may have just been deleted, too.
        for number in range(max(1, *map(len, candidates.values()))):
            controls = {kind: ids[min(number, len(ids) - 1)] if ids else None for kind, ids in candidates.items()}
            living = {kind: SeenIds(() if row_id is None else (row_id,)) for kind, row_id in controls.items()}
            try:
                confirmed = await confirm(self._context, self._library, doubtful, living)
            except PlexError as error:
                return Verdict("incomplete", str(error), list_again=True, cause=error)
            if confirmed is not None:
                break
        if confirmed is None:
            return Verdict(
                "incomplete", "the server responds with 404 for an item that should be there", list_again=True
            )
        # The server has these, but did not send them with the others.
        self.needs_look = any(confirmed.present.values())
        self._waiting = confirmed.waiting
        gone = {kind: await self._denied(kind, ids, controls[kind]) for kind, ids in confirmed.gone.items() if ids}
        if any(len(gone[kind]) < len(ids) for kind, ids in confirmed.gone.items() if ids):
            return Verdict("ok", "the server does not say clearly what is gone", leaving=gone, list_again=True)
        # A listing is cheaper than so many requests.
        return Verdict("ok", leaving=gone, list_again=self._waiting > 0)

    async def _denied(self, kind: Kind, row_ids: Sequence[int], control: int | None) -> list[int]:
        """Return those of these rows whose items are answered with 404 once more, beside a living one that is there.

        No listing shows that they are gone. So an answer with another item, which may be damaged, is no proof here.
        """
        keys = await self._context.database.reader.run(rating_keys, kind, [*row_ids, *([control] if control else [])])
        denied = [row_id for row_id in row_ids if await self._has_item(keys.get(row_id), kind) is False]
        if denied and control is not None and await self._has_item(keys.get(control), kind) is not True:
            return []
        return denied

    async def _has_item(self, rating_key: str | None, kind: Kind) -> bool | None:
        """Return whether the library has an item; None if the server gives no clear answer."""
        if rating_key is None:
            return None
        requesting = self._context.client.metadata.has_item(rating_key, kind, self._library.row.uuid)
        try:
            return await self._context.slot.wait_for(requesting)
        except PlexError:
            return None

    def finish(self, connection: sqlite3.Connection, verdict: Verdict, recorder: RunRecorder) -> Conclusion:
        """Re-key and remove rows, and record the pass if it changed something."""
        library, moment = self._library, 0 if self.answers is None else self.answers.moment
        leaving = {kind: self._still_leaving(connection, kind, ids) for kind, ids in verdict.leaving.items()}
        list_again = verdict.list_again or self._has_lost
        if not any(leaving.values()) and not self.counts.added:
            removal, removed = None, 0
        else:
            removal = plan_removal(connection, self._context, library, leaving, waiting=self._waiting)
            for kind, pairs in removal.rekeyed.pairs.items():
                # These rows have keys now that were read here.
                library.round.merged_rows.note_read(kind, pairs, moment)
            removed = carry_out(connection, self._context, library, removal)
            if removal.refusal is not None:
                verdict = Verdict("blocked", removal.refusal)
            elif any(self._still_here(connection, kind, ids, removal) for kind, ids in leaving.items()):
                list_again = True
        verdict = self._reader.hidden_paths.adjust_verdict(verdict)
        run = recorder.run(verdict, self.counts, removal, removed)
        if verdict.status == "blocked":
            record_failure(connection, run)
        if self._reader.displaced or self._reader.list_again or list_again:
            self.needs_look = True
            list_library_again(connection, library.row.id)
        is_worth_a_record = run.counts.any_change or run.status != "ok"
        return Conclusion(run, record_run(connection, run) if is_worth_a_record else None, removal)

    def _still_here(
        self, connection: sqlite3.Connection, kind: Kind, row_ids: Sequence[int], removal: Removal
    ) -> bool:
        """Return whether rows were neither removed nor re-keyed: of what is in them, nothing was announced yet."""
        kept = {*row_ids} - {*removal.leaving.get(kind, ())} - removal.rekeyed.pairs.get(kind, {}).keys()
        return bool(still_of(connection, kind, self._library.row.id, array("q", kept)))

    def _still_leaving(self, connection: sqlite3.Connection, kind: Kind, row_ids: Sequence[int]) -> list[int]:
        """Return those of these rows that still have the requested key: a full pass may have given them another."""
        keys = rating_keys(connection, kind, row_ids)
        return [row_id for row_id in row_ids if keys.get(row_id) == self._leaving[kind].get(row_id)]


def _answered(pages: Sequence[LocatedPage], unreadable: Sequence[str]) -> set[str]:
    """Return the rating keys of what a server has, although it may not be readable."""
    found = {item.rating_key for each in pages for item in each.page.items}
    found |= {skipped.rating_key for each in pages for skipped in each.page.skipped if skipped.rating_key}
    return found | {*unreadable}


async def _page(items: tuple[Item, ...], pages: Sequence[LocatedPage]) -> AsyncGenerator[Page, None]:
    """Yield one page with some of the items that were requested one by one."""
    keys = {item.rating_key for item in items}
    yield Page(
        offset=0,
        total=None,
        entries=len(items),
        items=items,
        mended=tuple(lost for each in pages for lost in each.page.mended if lost[0] in keys),
        cut=tuple(lost for each in pages for lost in each.page.cut if lost[0] in keys),
    )
