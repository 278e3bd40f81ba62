"""Reading the details of a library's items, behind its listing: newest first, and at any moment resumable.

What an item wants stands in its row, so nothing is lost if the pass stops. A library is complete and usable before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.details import ReadItem, portions, write_details
from retrovue_daemon.store.items.wanting import MOST_AGAIN, due_again, first_listed, in_turn, of_seasons, wanting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from retrovue_daemon.errors import PlexError
    from retrovue_daemon.records import Details
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.sources.plex.details_requests import DetailsAnswer
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.items.wanting import WantingItem
    from retrovue_daemon.sync.details_abilities import DetailsAbilities

KINDS: Final = {"movie": (Kind.MOVIE,), "show": (Kind.SHOW, Kind.EPISODE)}
"""The kinds of a library's items that have details, in the order in which they are read."""

NEW_S: Final = 48 * 3600
"""Seconds for which an item or its file counts as new: servers look for markers hours after an item was added."""

AGAIN_S: Final = {3: 1 * 3600, 2: 5 * 3600, 1: 18 * 3600}
"""Seconds until markers of a new item are read again, by how often that still happens: after 1, 6 and 24 hours."""

UNSENT_S: Final = 15 * 60
"""Seconds until an item is requested again that the server could not send: one bad answer is often the only one."""

UNREADABLE_S: Final = 24 * 3600
"""The same after further failures."""

DAY_S: Final = 24 * 3600
MOST_NAMED: Final = 10
"""Skipped items that a log line names."""

log = structlog.get_logger()


class DetailsCounts(msgspec.Struct):
    """What a details pass read. ``skipped`` are items that the server could not send or does not have."""

    read: int = 0
    changed: int = 0
    skipped: int = 0
    moved: int = 0
    """Items that changed or left meanwhile."""
    ignored: int = 0
    """Entries of responses that were not requested."""
    dropped: int = 0
    """Unusable elements, such as chapters of no length."""


class DetailsTarget(NamedTuple):
    """A library whose items want details."""

    server: str
    server_id: int
    library: str
    library_id: int
    kind: str


class DetailsContext(NamedTuple):
    """What details passes over one server share; ``cast`` is the number of actors to store.

    ``may_continue`` is awaited before each request, and says whether a library's details are still wanted.
    ``progress`` is called with the number of items that no longer want their details.
    """

    client: PlexClient
    database: Database
    abilities: DetailsAbilities
    cast: int
    now: Callable[[], int]
    may_continue: Callable[[int], Awaitable[bool]]
    progress: Callable[[int], None]


class DetailsPass:
    """Reads the details of one library. Each of the ``read`` methods raises PlexError if the server fails."""

    def __init__(self, context: DetailsContext, target: DetailsTarget) -> None:
        self.counts = DetailsCounts()
        self._context = context
        self._target = target
        self._skipped: list[dict[str, str]] = []
        self._first_listed: int | None = None

    async def read_wanted(self) -> None:
        """Read what is new or has changed."""
        library_id = self._target.library_id
        self._first_listed = await self._context.database.reader.run(first_listed, library_id)
        for kind in KINDS[self._target.kind]:
            last: WantingItem | None = None
            while await self._may_continue():
                items = await self._find(wanting, kind, self._context.client.details.at_once, last)
                if not items:
                    break
                last = items[-1]
                await self._read(kind, items)
                self._context.progress(len(items))

    async def read_again(self) -> None:
        """Read what is to be read again: chapters and markers of new items, and what the server could not send."""
        for kind in KINDS[self._target.kind]:
            handled = True
            while handled and await self._may_continue():
                singly = self._context.abilities.singly
                limit = self._context.client.details.at_once
                items = await self._find(due_again, kind, self._context.now(), limit, newest=singly)
                before = msgspec.structs.astuple(self.counts)
                whole = [item for item in items if not item.again]
                if whole:
                    await self._read(kind, whole)
                times = [item for item in items if item.again]
                if times and singly:
                    await self._read_singly(kind, times)
                elif times:
                    await self._read_times(kind, times)
                handled = bool(items) and before != msgspec.structs.astuple(self.counts)

    async def read_skipped(self) -> None:
        """Read what the server could not send before, if it is time."""
        for kind in KINDS[self._target.kind]:
            handled = True
            while handled and await self._may_continue():
                limit = self._context.client.details.at_once
                items = await self._find(due_again, kind, self._context.now(), limit, skipped=True)
                before = msgspec.structs.astuple(self.counts)
                if items:
                    await self._read(kind, items)
                handled = bool(items) and before != msgspec.structs.astuple(self.counts)

    async def read_turn(self) -> None:
        """Read the part of the library whose turn it is today, as changes of some details are not announced."""
        day = self._context.now() // DAY_S
        for kind in KINDS[self._target.kind]:
            last = 0
            while await self._may_continue():
                items = await self._find(in_turn, kind, day, self._context.client.details.at_once, last)
                if not items:
                    break
                last = items[-1].id
                await self._read(kind, items, is_turn=True)

    def log_skipped(self) -> None:
        """Log the items that were skipped, if any."""
        if self._skipped:
            log.warning(
                "details.skipped",
                server=self._target.server,
                library=self._target.library,
                items=self._skipped[:MOST_NAMED],
                more=max(0, len(self._skipped) - MOST_NAMED),
            )

    # -- requests ---------------------------------------------------------------------------------------------------

    async def _read(self, kind: Kind, items: Sequence[WantingItem], *, is_turn: bool = False) -> None:
        """Request and store all details of items."""
        waiting = items
        while waiting and (waiting is items or await self._may_continue()):
            answer = await self._request(kind, waiting)
            asked = [item for item in waiting if item.rating_key not in answer.rest]
            waiting = [item for item in waiting if item.rating_key in answer.rest]
            if kind is not Kind.SHOW:
                self._context.abilities.learn(answer)
                await self._probe(kind, asked, answer)
            now = self._context.now()
            again = {item.id: self._again(kind, item, answer, now, is_turn=is_turn) for item in asked}
            await self._store(kind, asked, answer, again)

    async def _read_times(self, kind: Kind, due: Sequence[WantingItem]) -> None:
        """Request and store chapters and markers of items, and of their seasons: they are made for all of one."""
        items = {item.id: item for item in due}
        if kind is Kind.EPISODE:
            seasons = {item.season_id for item in due if item.season_id is not None}
            items |= {each.id: each for each in await self._find_all(of_seasons, seasons)}
        now = self._context.now()
        waiting = list(items.values())
        while waiting and await self._may_continue():
            most = self._context.client.details.at_once
            answer = await self._request(kind, waiting[:most], times_only=True)
            batch = [item for item in waiting[:most] if item.rating_key not in answer.rest]
            waiting = [item for item in waiting if item not in batch]
            self._context.abilities.learn(answer)
            again = {each.id: _following(each, now) for each in batch}
            await self._store(kind, batch, answer, again, times_only=True)

    async def _read_singly(self, kind: Kind, due: Sequence[WantingItem]) -> None:
        """Request and store chapters and markers of items one by one, as many as today's budget allows."""
        for item in due:
            if not (await self._may_continue() and await self._context.abilities.take_single(self._context.now())):
                return
            answer = await self._request(kind, [item], times_only=True)
            again = {item.id: _following(item, self._context.now())}
            await self._store(kind, [item], answer, again, times_only=True)

    async def _probe(self, kind: Kind, items: Sequence[WantingItem], answer: DetailsAnswer) -> None:
        """Find out, once per version of the server, whether a response for many items has chapters and markers.

        A few items are requested on their own, too; what such a response has and the other one lacked is missing
        there for all items.
        """
        together = [answer.found[item.rating_key] for item in items if item.rating_key in answer.together]
        for key in self._context.abilities.sample(kind, together, self._context.now()):
            if self._context.abilities.are_known or not await self._may_continue():
                break
            single = await self._request(kind, [item for item in items if item.rating_key == key])
            if key in single.found:
                self._context.abilities.compare(answer.found[key], single.found[key])
                answer.found[key] = single.found[key]
                answer.together.discard(key)
        await self._context.abilities.keep()

    async def _request(self, kind: Kind, items: Sequence[WantingItem], *, times_only: bool = False) -> DetailsAnswer:
        durations = {item.rating_key: item.duration for item in items}
        return await self._context.client.details.read(
            [*durations], kind, cast=self._context.cast, times_only=times_only, durations=durations
        )

    async def _may_continue(self) -> bool:
        return await self._context.may_continue(self._target.library_id)

    # -- rows -------------------------------------------------------------------------------------------------------

    def _again(
        self, kind: Kind, item: WantingItem, answer: DetailsAnswer, now: int, *, is_turn: bool
    ) -> tuple[int | None, int]:
        """Return when an item whose details were read is read again, and how often, for its chapters and markers."""
        if kind is Kind.SHOW:
            return None, 0
        is_new = not is_turn and self._is_new(item, now)
        reads = MOST_AGAIN if is_new else 1
        if self._context.abilities.singly and item.rating_key in answer.together:
            # They follow, one by one: those of new items first, then the newest, then those whose turn it is.
            return now if is_new else 1 if is_turn else min(item.added_at or 1, now), reads
        return (now + AGAIN_S[reads - 1], reads - 1) if reads > 1 else (None, 0)

    def _is_new(self, item: WantingItem, now: int) -> bool:
        """Return whether an item or its file came within two days, and after the first listing of its library.

        Otherwise the whole of a library that was set up yesterday would be read four times.
        """
        if self._first_listed is None or abs(now - item.changed_at) >= NEW_S:
            return False
        return max(item.created_at, item.changed_at) > self._first_listed

    async def _store(
        self,
        kind: Kind,
        items: Sequence[WantingItem],
        answer: DetailsAnswer,
        again: dict[int, tuple[int | None, int]],
        *,
        times_only: bool = False,
    ) -> None:
        """Store an answer. Raise its failure, after what was read before it."""
        now = self._context.now()
        rows: list[ReadItem] = []
        for item in items:
            found = answer.found.get(item.rating_key)
            if found is not None:
                whole = self._context.abilities.complete(found, alone=item.rating_key not in answer.together)
                rows.append(ReadItem(item.id, item.rating_key, item.stamp, *again[item.id], whole))
                self.counts.dropped += len(found.dropped)
                _log_dropped(self._target, found)
            elif item.rating_key in answer.unreadable or answer.failure is None:
                # An item of which only chapters and markers are wanted again counts how often; others are read whole.
                times = item.again if times_only else 0
                is_first = item.again_at is None or item.again_at > now
                later = now + (UNSENT_S if is_first else UNREADABLE_S)
                rows.append(ReadItem(item.id, item.rating_key, item.stamp, later, times, None))
                self._skip(item, answer.unreadable.get(item.rating_key))
        for part in portions(rows):
            result = await self._context.database.writer.run(write_details, kind, part, now)
            self.counts.read += result.read
            self.counts.changed += result.changed
            self.counts.moved += result.moved
        self.counts.ignored += answer.ignored
        if answer.failure is not None:
            raise answer.failure

    def _skip(self, item: WantingItem, error: PlexError | None) -> None:
        self.counts.skipped += 1
        if error is not None:
            self._skipped.append({"rating_key": item.rating_key, "reason": str(error.detail)})

    async def _find(
        self, query: Callable[..., list[WantingItem]], kind: Kind, *args: object, **more: object
    ) -> list[WantingItem]:
        found: list[WantingItem] = await self._context.database.reader.run(
            query, kind, self._target.library_id, *args, **more
        )
        return found

    async def _find_all(self, query: Callable[..., list[WantingItem]], ids: set[int]) -> list[WantingItem]:
        found: list[WantingItem] = await self._context.database.reader.run(query, self._target.library_id, ids)
        return found


def _following(item: WantingItem, now: int) -> tuple[int | None, int]:
    """Return when the markers of an item are read again after they were read now, and how often.

    For an item that was only read because it is of the same season, nothing changes.
    """
    if item.again_at is None or item.again_at > now or not item.again:
        return item.again_at, item.again
    left = item.again - 1
    return (now + AGAIN_S[left], left) if left else (None, 0)


def _log_dropped(target: DetailsTarget, found: Details) -> None:
    if found.dropped:
        log.debug(
            "details.dropped",
            server=target.server,
            library=target.library,
            rating_key=found.rating_key,
            reasons=list(dict.fromkeys(found.dropped)),
            elements=len(found.dropped),
        )
