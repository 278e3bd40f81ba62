"""Asking for single items whether they are still there, where a server's totals cannot be trusted."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.errors import PlexError, ServerTimeout
from retrovue_daemon.sources.plex.narrowing import MOST_TIMEOUTS_IN_A_ROW, may_be_one_entry
from retrovue_daemon.store.items.displacement import is_displaced
from retrovue_daemon.store.items.lookup import ids_of_library, rating_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.records import Kind
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.store.connection import Connection
    from retrovue_daemon.sync.seen import SeenIds
    from retrovue_daemon.sync.target import LibraryTarget, PassContext

MOST_AT_ONCE = 200
"""Requests of one pass: more would be as bad as the importers that ask for every item."""

_MOST_UNANSWERED = 5
"""Items in a row for which the server may have no answer; more, and it is in trouble itself."""


class Confirmed(msgspec.Struct, frozen=True):
    """The rows whose items the server does not have, and those that it still has, by kind.

    ``waiting`` is how many could not be asked for yet.
    """

    gone: dict[Kind, list[int]]
    waiting: int
    present: dict[Kind, int]


async def confirm(
    context: PassContext,
    library: LibraryTarget,
    doubtful: Mapping[Kind, list[int]],
    listed: Mapping[Kind, SeenIds],
) -> Confirmed | None:
    """Ask for these rows' items: gone is what the server answers 404 for.

    Which ones are asked for where they are too many is left to chance: those that the server still has would else
    stand before the others for ever.

    None where the server, or a proxy before it, answers 404 for a listed item too: then its word proves nothing.
    Rows without a key of their own are not asked for, and stay, and so do those for which there is no answer. Raises
    PlexError where there is none for several.
    """
    reader, question = context.database.reader, _Question(context.client)
    for kind in doubtful:
        control = await _listed_key(context, library, kind, listed[kind])
        if control is not None and not await question.may_exist(control, kind):
            return None
    gone: dict[Kind, list[int]] = {}
    present: dict[Kind, int] = {}
    left, waiting = MOST_AT_ONCE, 0
    # A person who accepts removals wants them all.
    most = None if context.settings.accept_removals else MOST_AT_ONCE
    for kind, ids in doubtful.items():
        keys = {row_id: key for row_id, key in (await _keys(reader, kind, ids)).items() if not is_displaced(key)}
        now = random.sample(list(keys), len(keys) if most is None else min(len(keys), left))
        left -= len(now)
        waiting += len(keys) - len(now)
        gone[kind], present[kind] = [], 0
        for row_id in now:
            if await question.may_exist(keys[row_id], kind):
                present[kind] += 1
            else:
                gone[kind].append(row_id)
    return Confirmed(gone, waiting, present)


async def not_there(context: PassContext, kind: Kind, ids: list[int]) -> list[int]:
    """Return those of a few rows whose items the server does not have. Raises PlexError where it gives no answer."""
    question = _Question(context.client)
    keys = await _keys(context.database.reader, kind, ids)
    return [row_id for row_id, key in keys.items() if not await question.may_exist(key, kind)]


class _Question:
    """Asks one server whether it has items; a few may spoil their own answers."""

    def __init__(self, client: PlexClient) -> None:
        self._client = client
        self._failures = 0

    async def may_exist(self, rating_key: str, kind: Kind) -> bool:
        """Return False where the server does not have an item, True where it has it or cannot say."""
        try:
            exists = await self._client.has_item(rating_key, kind)
        except PlexError as error:
            self._failures += 1
            most = MOST_TIMEOUTS_IN_A_ROW if isinstance(error, ServerTimeout) else _MOST_UNANSWERED
            if not may_be_one_entry(error) or self._failures > most:
                raise
            return True
        self._failures = 0
        return exists


async def _keys(reader: Connection, kind: Kind, ids: list[int]) -> dict[int, str]:
    """Return the rating keys of these rows, by their ids."""
    keys: dict[int, str] = {}
    for start in range(0, len(ids), 1000):
        keys |= await rating_keys(reader, kind, ids[start : start + 1000])
    return keys


async def _listed_key(context: PassContext, library: LibraryTarget, kind: Kind, listed: SeenIds) -> str | None:
    """Return the rating key of some item that the listing showed, None where it showed none."""
    reader = context.database.reader
    async for ids in ids_of_library(reader, kind, library.row.id, chunk=100):
        for row_id in ids:
            if row_id in listed:
                return (await rating_keys(reader, kind, [row_id]))[row_id]
    return None
