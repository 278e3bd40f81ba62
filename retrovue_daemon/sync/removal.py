"""Removing unlisted rows: they are re-keyed if possible, then checked by the guard, then marked missing."""

from __future__ import annotations

from array import array
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.records import Kind
from retrovue_daemon.store.connection import savepoint
from retrovue_daemon.store.items.rekeying import ListingMoments, Rekeyed, rekey
from retrovue_daemon.store.items.sweep import (
    accept_removals,
    mark_missing,
    parents_of_others,
    present,
    seen_before,
    still_of,
)
from retrovue_daemon.sync.guard import refusal_of
from retrovue_daemon.sync.seen import SeenIds

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.sync.target import LibraryTarget, PassContext

_PARENTS_LAST = (Kind.MOVIE, Kind.EPISODE, Kind.SEASON, Kind.SHOW)


class Removal(msgspec.Struct, frozen=True):
    """The rows to remove from a library, by kind, and the rows that were re-keyed instead.

    ``refusal`` is the guard's reason to remove nothing until a person confirms it.
    """

    leaving: Mapping[Kind, Sequence[int]]
    rekeyed: Rekeyed
    refusal: str | None = None


def still_unlisted(
    connection: sqlite3.Connection,
    library: LibraryTarget,
    leaving: Mapping[Kind, Sequence[int]],
    listed: Mapping[Kind, SeenIds],
    began: int,
) -> dict[Kind, Sequence[int]]:
    """Return the unlisted rows without those of which another pass has shown that their items are there.

    Such a pass may have added, moved or re-keyed them since the listing ``began``, which is a moment.
    """
    left: dict[Kind, Sequence[int]] = {}
    for kind, ids in leaving.items():
        unlisted = library.round.merged_rows.unlisted(kind, ids, listed[kind], began)
        left[kind] = seen_before(connection, kind, unlisted, began) if unlisted else unlisted
    return left


def plan_removal(
    connection: sqlite3.Connection,
    context: PassContext,
    library: LibraryTarget,
    leaving: Mapping[Kind, Sequence[int]],
    *,
    displaced: Mapping[Kind, Sequence[int]] | None = None,
    before: int | None = None,
    vanished: bool = False,
    waiting: int = 0,
) -> Removal:
    """Re-key unlisted rows whose items have new keys, and decide whether the rest may be removed.

    ``leaving`` are the ids of the unlisted rows, by kind. ``displaced`` rows may be re-keyed, but not removed. If the
    guard refuses, the listing is not trusted and nothing is re-keyed, unless most of the library's items have new
    keys. ``before`` is the moment at which the listing began: the guard does not count rows added since. ``vanished``
    means that the server no longer lists the library; then only a person may confirm the removal. ``waiting`` is the
    number of unlisted rows not yet confirmed to be gone: the guard counts them too, so that a library is not removed
    in small steps.
    """
    listed = ListingMoments(library.row.listed_from, library.row.listed_until)
    kinds = leaving.keys() | (displaced or {}).keys()
    moving = {kind: array("q", chain(leaving.get(kind, ()), (displaced or {}).get(kind, ()))) for kind in kinds}
    if not any(leaving.values()):
        # Rows that went missing earlier are re-keyed all the same. Nothing can be refused or undone.
        rekeyed = rekey(connection, library.target, listed, moving)
        library.round.note(rekeyed)
        return Removal({kind: [] for kind in leaving}, rekeyed)
    refusal = None
    with savepoint(connection) as undo:
        rekeyed = rekey(connection, library.target, listed, moving)
        left = _to_remove(connection, library, leaving, rekeyed)
        if any(left.values()) and not context.settings.accept_removals:
            refusal = refusal_of(connection, context, library, left, before, vanished=vanished, waiting=waiting)
        if refusal is not None and not _most_moved(connection, library, moving, rekeyed):
            undo()
            rekeyed = Rekeyed()
    library.round.note(rekeyed)
    return Removal(left, rekeyed, refusal)


def carry_out(connection: sqlite3.Connection, context: PassContext, library: LibraryTarget, removal: Removal) -> int:
    """Mark the removed rows missing unless the guard refused, and return their number."""
    if removal.refusal is not None or not any(removal.leaving.values()):
        return 0
    removed, now, observed = 0, context.now(), context.observed.now()
    if context.settings.accept_removals:
        accept_removals(connection, library.row.id, observed)
    for kind, ids in removal.leaving.items():
        removed += mark_missing(connection, library.target, kind, ids, now, observed, library.row.listed_from)
    # Stored with the rows, so that the next process starts no earlier than the time stored in them.
    context.observed.keep(connection)
    return removed


def _most_moved(
    connection: sqlite3.Connection, library: LibraryTarget, leaving: Mapping[Kind, Sequence[int]], rekeyed: Rekeyed
) -> bool:
    """Return whether most of the library's items were re-keyed. Call after re-keying.

    Items that came from other libraries are not counted.
    """
    moved = sum(row_id in rekeyed.pairs.get(kind, {}) for kind, ids in leaving.items() for row_id in ids)
    has = sum(present(connection, kind, library.row.id) for kind in leaving)
    had = has - rekeyed.arrived[library.row.id] + moved
    return moved * 2 > had


def _to_remove(
    connection: sqlite3.Connection,
    library: LibraryTarget,
    leaving: Mapping[Kind, Sequence[int]],
    rekeyed: Rekeyed,
) -> dict[Kind, Sequence[int]]:
    """Return the unlisted rows to remove: neither re-keyed, nor moved to another library, nor parents of kept rows.

    A show or season stays as long as one of its episodes does, even if it is not listed itself.
    """
    left: dict[Kind, Sequence[int]] = {}
    gone_episodes = SeenIds()
    for kind in _PARENTS_LAST:
        if kind not in leaving:
            continue
        rekeyed_ids = rekeyed.pairs.get(kind, {})
        ids = array("q", (row_id for row_id in leaving[kind] if row_id not in rekeyed_ids))
        ids = still_of(connection, kind, library.row.id, ids)
        if kind is Kind.EPISODE:
            gone_episodes.update(ids)
        elif kind in {Kind.SEASON, Kind.SHOW} and ids:
            living = parents_of_others(connection, kind, ids, gone_episodes)
            ids = array("q", (row_id for row_id in ids if row_id not in living))
        left[kind] = ids
    return left
