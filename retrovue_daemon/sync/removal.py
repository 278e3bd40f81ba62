"""What a complete listing lacks: re-keyed first, then guarded, then marked missing, all in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.rekeying import Listed, Rekeyed, rekey
from retrovue_daemon.store.items.sweep import accept_removals, children_of, mark_missing, present, still_of
from retrovue_daemon.store.tables.runs import blocked_since, removed_since
from retrovue_daemon.sync.completeness import GUARD_WINDOW, guard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.store.connection import Connection
    from retrovue_daemon.sync.target import LibraryTarget, PassContext

_PARENTS_LAST = (Kind.MOVIE, Kind.EPISODE, Kind.SEASON, Kind.SHOW)


class Removal(msgspec.Struct, frozen=True):
    """The rows that leave a library, by kind, once those that live on under other keys were re-keyed.

    ``refusal`` says why they must wait for a person; then none of them goes.
    """

    leaving: Mapping[Kind, list[int]]
    rekeyed: Rekeyed
    refusal: str | None = None


async def plan_removal(
    connection: Connection,
    context: PassContext,
    library: LibraryTarget,
    leaving: Mapping[Kind, list[int]],
    *,
    displaced: Mapping[Kind, list[int]] | None = None,
    before: int | None = None,
    vanished: bool = False,
    waiting: int = 0,
) -> Removal:
    """Re-key the rows of a library that live on, of those that were not listed (ids by kind), and judge the rest.

    ``displaced`` rows gave up their keys: they may live on under others, but do not go.
    Nothing is re-keyed where the guard refuses, for the listing is doubted and with it that
    anything moved, unless most of the library did: that is no hiccup. ``before`` is the moment at which the listing
    began: what came with it says nothing of what the library had. ``vanished`` says that the library itself is no
    longer listed: then only a person may let anything go. ``waiting`` rows are not listed
    either, but not confirmed to be gone yet: the guard counts them, so that nothing trickles away in slices.
    """
    listed = Listed(library.row.listed_from, library.row.listed_until)
    kinds = leaving.keys() | (displaced or {}).keys()
    moving = {kind: [*leaving.get(kind, ()), *(displaced or {}).get(kind, ())] for kind in kinds}
    refusal = None
    async with connection.savepoint() as undo:
        rekeyed = await rekey(connection, library.target, listed, moving)
        left = await _orphaned(connection, library, leaving, rekeyed)
        if any(left.values()) and not context.settings.accept_removals:
            refusal = await _refusal(connection, context, library, left, before, vanished=vanished, waiting=waiting)
        if refusal is not None and not await _most_moved(connection, library, moving, rekeyed):
            await undo()
            rekeyed = Rekeyed()
    library.round.note(rekeyed)
    return Removal(left, rekeyed, refusal)


async def sweep(connection: Connection, context: PassContext, library: LibraryTarget, removal: Removal) -> int:
    """Mark the rows missing that leave, unless they must wait, and return how many there were."""
    if removal.refusal is not None or not any(removal.leaving.values()):
        return 0
    if context.settings.accept_removals:
        await accept_removals(connection, library.row.id, context.now())
    removed, now, observed = 0, context.now(), context.observed.now()
    for kind, ids in removal.leaving.items():
        removed += await mark_missing(connection, library.target, kind, ids, now, observed, library.row.listed_from)
    # Stored with the rows, so that the next process does not begin before the time that they carry.
    await connection.run(context.observed.keep)
    return removed


async def _most_moved(
    connection: Connection, library: LibraryTarget, leaving: Mapping[Kind, list[int]], rekeyed: Rekeyed
) -> bool:
    """Tell whether most of what a library had lives on under other keys, wherever: to be asked after it was re-keyed.

    What came lately, in this pass or one before that was not whole, says nothing of what the library had.
    """
    moved = sum(len(rekeyed.pairs.get(kind, {}).keys() & set(ids)) for kind, ids in leaving.items())
    has = sum([await present(connection, kind, library.row.id) for kind in leaving])
    had = has - rekeyed.arrived[library.row.id] + moved
    return moved * 2 > had


async def _orphaned(
    connection: Connection,
    library: LibraryTarget,
    leaving: Mapping[Kind, list[int]],
    rekeyed: Rekeyed,
) -> dict[Kind, list[int]]:
    """Return what is left of the leaving rows without those that were re-keyed, and without living parents.

    Rows that another library's pass took over since they were judged are not this one's any more. A show or season
    lives as long as one of its episodes is listed, also where it is not listed itself.
    """
    left: dict[Kind, list[int]] = {}
    gone_episodes: set[int] = set()
    for kind in _PARENTS_LAST:
        if kind not in leaving:
            continue
        ids = await still_of(connection, kind, library.row.id, leaving[kind])
        ids = [row_id for row_id in ids if row_id not in rekeyed.pairs.get(kind, {})]
        if kind is Kind.EPISODE:
            gone_episodes = set(ids)
        elif kind in {Kind.SEASON, Kind.SHOW} and ids:
            living = set()
            async for parent_id, episode_id in children_of(connection, kind, ids):
                if episode_id not in gone_episodes:
                    living.add(parent_id)
            ids = [row_id for row_id in ids if row_id not in living]
        left[kind] = ids
    return left


async def _refusal(
    connection: Connection,
    context: PassContext,
    library: LibraryTarget,
    leaving: Mapping[Kind, list[int]],
    before: int | None,
    *,
    vanished: bool,
    waiting: int,
) -> str | None:
    """Return why these removals must wait for a person; a kind of which nothing is left is as bad as all.

    Time alone ends no refusal: the window of a library that is held back is the one in which that began. It is
    counted by the observed clock: a wall clock that jumps forward ends no window.
    """
    has = {kind: await present(connection, kind, library.row.id) for kind in leaving}
    if vanished:
        return f"the server no longer lists this library, which had {sum(has.values())} items"
    # What left exactly a window ago is outside: a weekly sync observes one day from one to the next.
    since = context.observed.now() - GUARD_WINDOW + 1
    if library.row.state == "blocked":
        began = await blocked_since(connection, library.row.id)
        since = min(since, began - GUARD_WINDOW) if began is not None else since
    recently = await removed_since(connection, library.row.id, since)
    max_removed = context.settings.max_removed
    for kind, ids in leaving.items():
        if ids and len(ids) == has[kind]:
            return guard(present=has[kind], leaving=len(ids), left_recently=recently, max_removed=max_removed)
    return guard(
        present=sum([await present(connection, kind, library.row.id, before) for kind in leaving]),
        leaving=sum(map(len, leaving.values())) + waiting,
        left_recently=recently,
        max_removed=max_removed,
        emptied=False,
    )
