"""Requesting single items to confirm that they are gone, if a server's totals cannot be trusted."""

from __future__ import annotations

import random
from array import array
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.errors import PlexError, ServerTimeout
from retrovue_daemon.sources.plex.narrowing import MOST_TIMEOUTS_IN_A_ROW, may_be_one_entry
from retrovue_daemon.store.items.displacement import is_displaced
from retrovue_daemon.store.items.lookup import rating_keys
from retrovue_daemon.sync.seen import ids_of_library

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.connection import Connection
    from retrovue_daemon.sync.seen import SeenIds
    from retrovue_daemon.sync.target import LibraryTarget, PassContext

MOST_AT_ONCE = 200
"""Requests per pass: more would burden the server like importers that request every item."""

_MOST_UNANSWERED = 5
"""Consecutive items for which requests may fail; if more do, the server itself has a problem."""


class Confirmed(msgspec.Struct, frozen=True):
    """The rows whose items the library no longer has, and the number of those that it still has, by kind.

    ``moved`` are those of the twins, and those whose keys were reassigned. ``waiting`` and ``twins_waiting`` are the
    numbers of items not requested yet.
    """

    gone: dict[Kind, list[int]] = {}
    present: dict[Kind, int] = {}
    moved: dict[Kind, list[int]] = {}
    waiting: int = 0
    twins_waiting: int = 0


async def confirm(
    context: PassContext,
    library: LibraryTarget,
    doubtful: Mapping[Kind, Sequence[int]],
    listed: Mapping[Kind, SeenIds],
    twins: Mapping[Kind, Sequence[int]] | None = None,
    *,
    faulty: Collection[Kind] = (),
) -> Confirmed | None:
    """Request the items of these rows; those answered with 404 are gone.

    So are those answered with an item of another kind or library, unless their kind is ``faulty``: its listing has
    entries without a key or that are unreadable, and the item of a row whose key was reassigned may be one of them.
    ``twins`` are rows that may be re-keyed, but not removed. If there are too many of both together, a random sample
    is requested: otherwise items that the server still has could block the others forever.

    Returns None if the server, or a proxy in front of it, also answers 404 for a listed item: then a 404 proves
    nothing. Rows without a key of their own are not requested and stay, as do rows whose request fails. Raises
    PlexError if several requests fail.
    """
    reader, check = context.database.reader, _ExistenceCheck(context, library)
    twins = {kind: ids for kind, ids in (twins or {}).items() if ids}
    for kind in doubtful.keys() | twins.keys():
        control = await _listed_key(context, library, kind, listed[kind])
        if control is not None and not await check.may_exist(control, kind):
            return None
    rows = [(kind, await _with_keys(reader, kind, ids), False) for kind, ids in doubtful.items()]
    rows += [(kind, await _with_keys(reader, kind, ids), True) for kind, ids in twins.items()]
    # Accepting removals means all of them.
    most = sum(len(ids) for _, ids, _ in rows) if context.settings.accept_removals else MOST_AT_ONCE
    gone: dict[Kind, list[int]] = {kind: [] for kind in doubtful}
    moved: dict[Kind, list[int]] = {kind: [] for kind in doubtful.keys() | twins.keys()}
    present = dict.fromkeys(doubtful, 0)
    waiting = {False: 0, True: 0}
    for (kind, ids, is_twin), chosen in zip(rows, samples([len(ids) for _, ids, _ in rows], most), strict=True):
        waiting[is_twin] += len(ids) - len(chosen)
        async for row_id, key in _keys(reader, kind, [ids[place] for place in chosen]):
            exists = await check.may_exist(key, kind)
            if not exists:
                (moved if is_twin or (exists is None and kind in faulty) else gone)[kind].append(row_id)
            elif not is_twin:
                present[kind] += 1
    return Confirmed(gone, present, moved, waiting[False], waiting[True])


def samples(sizes: Sequence[int], most: int) -> list[Sequence[int]]:
    """Return places in lists of these sizes, drawn at random from all of them: ``most`` if there are so many."""
    if sum(sizes) <= most:
        return [range(size) for size in sizes]
    drawn = sorted(random.sample(range(sum(sizes)), most))
    samples: list[Sequence[int]] = []
    start = 0
    for size in sizes:
        samples.append([place - start for place in drawn if start <= place < start + size])
        start += size
    return samples


class _ExistenceCheck:
    """Checks whether a library has items; a few requests may fail because of the item itself."""

    def __init__(self, context: PassContext, library: LibraryTarget) -> None:
        self._client = context.client
        self._slot = context.slot
        self._uuid = library.row.uuid
        self._failures = 0

    async def may_exist(self, rating_key: str, kind: Kind) -> bool | None:
        """Return whether the library has an item, True if the request failed, None if its key was reassigned."""
        try:
            requesting = self._client.metadata.has_item(rating_key, kind, self._uuid)
            exists = await self._slot.wait_for(requesting)
        except PlexError as error:
            self._failures += 1
            most = MOST_TIMEOUTS_IN_A_ROW if isinstance(error, ServerTimeout) else _MOST_UNANSWERED
            if not may_be_one_entry(error) or self._failures > most:
                raise
            return True
        self._failures = 0
        return exists


async def _with_keys(reader: Connection, kind: Kind, ids: Sequence[int]) -> array[int]:
    """Return those of these rows that have a key of their own; the keys of a million would take 200 MB."""
    found = array("q")
    async for row_id, _ in _keys(reader, kind, ids):
        found.append(row_id)
    return found


async def _keys(reader: Connection, kind: Kind, ids: Sequence[int]) -> AsyncIterator[tuple[int, str]]:
    """Yield the ids and rating keys of those of these rows that have a key of their own."""
    for start in range(0, len(ids), 1000):
        keys = await reader.run(rating_keys, kind, ids[start : start + 1000])
        for row_id, key in keys.items():
            if not is_displaced(key):
                yield row_id, key


async def _listed_key(context: PassContext, library: LibraryTarget, kind: Kind, listed: SeenIds) -> str | None:
    """Return the rating key of one listed item, or None if none was listed."""
    reader = context.database.reader
    async for ids in ids_of_library(reader, kind, library.row.id, chunk=100):
        for row_id in ids:
            if row_id in listed:
                return (await reader.run(rating_keys, kind, [row_id]))[row_id]
    return None
