"""What a complete listing lacks: re-keyed first, then guarded, then marked missing, all in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.rekeying import Listed, Rekeyed, rekey
from retrovue_daemon.store.items.sweep import accept_removals, children_of, mark_missing, present, still_of
from retrovue_daemon.sync.guard import refusal_of

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
            refusal = await refusal_of(connection, context, library, left, before, vanished=vanished, waiting=waiting)
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
