"""Items that arrive with missing values: their rows keep the good values until the damage is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import structlog

from retrovue_daemon.store.items.damage import (
    STORED_AT,
    Damage,
    forget_damage,
    known_damage,
    remember_damage,
    return_kept,
)
from retrovue_daemon.sync.faults import damaged

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping

    from retrovue_daemon.records import Item, Kind, Page
    from retrovue_daemon.store.items.lookup import KnownRow
    from retrovue_daemon.store.items.upserts import Change
    from retrovue_daemon.store.tables.runs import Counts
    from retrovue_daemon.sync.target import LibraryTarget, PassContext
    from retrovue_daemon.sync.verdict import Verdict

log = structlog.get_logger()

_NAMED = 5
"""Items that a warning names."""


class DamageWatch:
    """Decides which damaged items of one pass are stored, from the damage known before the pass.

    An item that is listed twice in a pass counts as damaged once.
    """

    def __init__(self, context: PassContext, library: LibraryTarget, counts: Counts) -> None:
        self._context = context
        self._library = library
        self._counts = counts
        self.remembers = False
        """Whether damage of any item of the server was stored before the pass."""
        self._before: dict[str, Damage | None] = {}
        """What was stored, before the pass, about the items for which it stored anything else."""
        self._kept: set[tuple[Kind, str]] = set()
        self._stored: set[tuple[Kind, str]] = set()
        self._undecided: dict[tuple[Kind, str], int] = {}
        """The items that another listing is to decide on, and how often they arrived damaged."""

    def adjust_verdict(self, verdict: Verdict) -> Verdict:
        """Return the verdict with damaged items reported; undecided ones cause another full listing, or a few."""
        if not self._undecided:
            return verdict
        faults = damaged(self._undecided)
        note = f"{len(self._kept)} items arrived damaged; their stored values are kept until the items are read again"
        return msgspec.structs.replace(
            verdict,
            list_again=verdict.list_again or not self._library.faults.settles(faults),
            fault=(*verdict.fault, *faults),
            error="; ".join(part for part in (verdict.error, note if self._kept else None) if part) or None,
        )

    async def sift(
        self,
        kind: Kind,
        page: Page,
        known: Mapping[str, KnownRow],
        changes: list[Change],
        others: Collection[str],
    ) -> list[Change]:
        """Return a page's changes without the items that keep their stored values, and store the damage.

        ``others`` are the rating keys of items whose rows may belong to other items.
        """
        mended = dict(page.mended)
        before = await self._known_before([item.rating_key for item in page.items])
        await self._forget({key: before[key] for key in before.keys() - mended.keys()})
        if not mended:
            return changes
        new: dict[str, Damage] = {}
        kept: dict[str, Item] = {}
        stored: set[str] = set()
        undecided: dict[tuple[Kind, str], int] = {}
        for item, digest in changes:
            key = item.rating_key
            if key not in mended:
                continue
            row, last = known.get(key), before.get(key)
            if row is None or key in others or row.library_id != self._library.target.library_id:
                # The row has no values to keep, or belongs to another library or item: the next pass reads it again.
                new[key] = Damage(digest, STORED_AT)
                if last is None:
                    undecided[kind, key] = 1
                stored.add(key)
                continue
            new[key] = Damage(digest, 1) if last is None else last.again(digest)
            if new[key].times < STORED_AT:
                kept[key] = item
            else:
                stored.add(key)
        if new:
            self._before = {key: before.get(key) for key in new} | self._before
            undecided |= {(kind, key): new[key].times for key in kept}
            self._undecided |= undecided
            list_again = not self._library.faults.settles(damaged(undecided))
            await self._remember(kind, new, [(known[key], item) for key, item in kept.items()], list_again=list_again)
            self._warn(kind, page, kept.keys(), stored)
        self._kept |= {(kind, key) for key in kept}
        return [change for change in changes if change.item.rating_key not in kept]

    async def _known_before(self, keys: Collection[str]) -> dict[str, Damage]:
        """Return what was known of these items before the pass."""
        known: dict[str, Damage | None] = {}
        if self.remembers:
            reader, server_id = self._context.database.reader, self._library.target.server_id
            known.update(await reader.run(known_damage, server_id, keys))
        known.update({key: self._before[key] for key in keys if key in self._before})
        return {key: damage for key, damage in known.items() if damage is not None}

    async def _forget(self, known: Mapping[str, Damage]) -> None:
        if known:
            self._before = {**known, **self._before}
            server_id = self._library.target.server_id
            await self._context.database.writer.run(forget_damage, server_id, known)

    async def _remember(
        self, kind: Kind, new: dict[str, Damage], kept: list[tuple[KnownRow, Item]], *, list_again: bool
    ) -> None:
        target = self._library.target
        missing = [(row.id, item) for row, item in kept if row.state == "missing"]

        def work(connection: sqlite3.Connection) -> int:
            remember_damage(connection, target, new, list_again=list_again)
            return return_kept(connection, kind, missing) if missing else 0

        self._counts.restored += await self._context.database.writer.run(work)

    def _warn(self, kind: Kind, page: Page, kept: Collection[str], stored: Collection[str]) -> None:
        stored = {key for key in stored if (kind, key) not in self._stored}
        self._stored |= {(kind, key) for key in stored}
        mended = dict(page.mended)
        affected = [key for key in mended if key in kept or key in stored]
        if affected:
            log.warning(
                "page.mended",
                server=self._library.server,
                library=self._library.row.name,
                kind=kind.value,
                offset=page.offset,
                kept=len(kept),
                stored=len(stored),
                items=[f"{key}: {mended[key]}" for key in affected[:_NAMED]],
            )
