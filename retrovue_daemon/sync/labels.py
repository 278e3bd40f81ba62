"""Keeping the labels of one server's items: after a complete listing of a library, one short listing per label.

Where no item is stored with a label, the server is first asked whether it has any: most have none. No label edit
moves a time or shows in a listing. A label's list replaces who has it; if a list fails, nothing changes. What a
server may have got wrong is checked with the details of a few items: a label that all items have all of a sudden,
or that none has any more.
"""

from __future__ import annotations

from array import array
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from retrovue_daemon.errors import PlexError, ServerTimeout
from retrovue_daemon.records import folded
from retrovue_daemon.sources.plex.narrowing import may_be_one_entry
from retrovue_daemon.store.items.labels import (
    LABELLED_KINDS,
    add_label,
    labelled_items,
    listed_items,
    remove_label,
    stored_labels,
)
from retrovue_daemon.store.items.lookup import rating_keys
from retrovue_daemon.store.items.sweep import present
from retrovue_daemon.store.items.tags import delete_unused_tags
from retrovue_daemon.sync.seen import SeenIds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from retrovue_daemon.records import Kind, Label
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.tables.libraries import StoredLibrary

log = structlog.get_logger()

MOST_LABELS: Final = 50
"""Per library and kind of item: with more, labels come from details alone."""

_AT_ONCE: Final = 2_000

_MOST_CHECKED: Final = 100
"""Items that lost a label, up to which each is checked with its own details."""


class LabelCounts(msgspec.Struct):
    """How many labels were read, how many items got or lost one, how many lists failed, and the requests."""

    labels: int = 0
    labelled: int = 0
    unlabelled: int = 0
    failed: int = 0
    pages: int = 0


class LabelReader:
    """The labels of one server's items."""

    def __init__(self, server: str, database: Database, now: Callable[[], int]) -> None:
        self._server = server
        self._database = database
        self._now = now
        self._logged: set[tuple[int, str]] = set()

    async def update(
        self, client: PlexClient, server_id: int, libraries: Sequence[StoredLibrary], page_size: int
    ) -> LabelCounts:
        """Read the labels of libraries' items.

        Raise PlexError if the server failed as a whole or a page timed out, and StoreError.
        """
        counts = LabelCounts()
        if libraries:
            stored = await self._database.reader.run(stored_labels, server_id)
            if not stored:
                counts.pages += 1
                if not await client.labels.may_exist():
                    return counts
            for library in libraries:
                await self._update(client, server_id, library, page_size, stored, counts)
        if counts.unlabelled:
            await self._database.writer.run(delete_unused_tags)
        return counts

    async def _update(
        self,
        client: PlexClient,
        server_id: int,
        library: StoredLibrary,
        page_size: int,
        stored: Collection[tuple[Kind, int, str]],
        counts: LabelCounts,
    ) -> None:
        for kind in LABELLED_KINDS.get(library.kind, ()):
            try:
                counts.pages += 1
                labels = await client.labels.of_library(library.key, kind)
            except PlexError as error:
                if not may_be_one_entry(error):
                    raise
                self._note_failure(library, None, error, counts)
                continue
            if labels is not None and len(labels) > MOST_LABELS:
                self._note_many(library, len(labels))
                continue
            one = _OneKind(client, self._database, server_id, library, kind, self._now, counts)
            for label in labels or ():
                try:
                    await one.read(label, page_size)
                except PlexError as error:
                    if not may_be_one_entry(error) or isinstance(error, ServerTimeout):
                        raise
                    self._note_failure(library, label, error, counts)
            names = {label.name for label in labels or ()}
            for name in sorted(name for *of, name in stored if of == [kind, library.id] and name not in names):
                await one.remove(name, SeenIds())

    def _note_many(self, library: StoredLibrary, number: int) -> None:
        if self._is_new(library, "many"):
            log.warning(
                "labels.too_many",
                server=self._server,
                library=library.name,
                labels=number,
                most=MOST_LABELS,
                hint="the labels of an item are read with its details only, so that an edit may be noticed late",
            )

    def _note_failure(
        self, library: StoredLibrary, label: Label | None, error: PlexError, counts: LabelCounts
    ) -> None:
        counts.failed += 1
        name = None if label is None else label.name
        level = "warning" if self._is_new(library, f"failed {name}") else "debug"
        getattr(log, level)(
            "labels.unreadable", server=self._server, library=library.name, label=name, error=str(error)
        )

    def _is_new(self, library: StoredLibrary, what: str) -> bool:
        is_new = (library.id, what) not in self._logged
        self._logged.add((library.id, what))
        return is_new


class _OneKind(msgspec.Struct, frozen=True):
    """The items of one kind in a library."""

    client: PlexClient
    database: Database
    server_id: int
    library: StoredLibrary
    kind: Kind
    now: Callable[[], int]
    counts: LabelCounts

    async def read(self, label: Label, page_size: int) -> None:
        """Let exactly the items have a label that the server lists. A list in doubt changes nothing."""
        reader = self.database.reader
        seen, lacking, keys, totals, number = SeenIds(), array("q"), 0, set[int | None](), 0
        pages = self.client.labels.items(self.library.key, self.kind, label, page_size=page_size)
        async with aclosing(pages):
            async for page in pages:
                self.counts.pages += 1
                number += 1
                totals.add(page.total)
                if page.unreadable is not None:
                    return
                keys += page.entries
                ids, without = await reader.run(
                    listed_items,
                    self.kind,
                    self.library.id,
                    self.server_id,
                    label.name,
                    [item.rating_key for item in page.items],
                )
                seen.update(ids)
                lacking.extend(without)
        self.counts.labels += 1
        if len(totals) > 1 or not totals <= {None, keys}:
            return
        if lacking and len(seen) > 1 and len(seen) >= await reader.run(present, self.kind, self.library.id):
            # A server that ignores the filter lists everything.
            few = {lacking[0], lacking[len(lacking) // 2], lacking[-1]}
            named = await reader.run(rating_keys, self.kind, few)
            has_label = await self._have_label([*named.values()], label.name)
            if set(has_label.values()) != {True}:
                return
        for some in _chunks(lacking):
            await self.database.writer.run(add_label, self.kind, label.name, some, self.now())
        self.counts.labelled += len(lacking)
        await self.remove(label.name, seen, in_pages=number > 1)

    async def remove(self, name: str, seen: SeenIds, *, in_pages: bool = False) -> None:
        """Take a label off the items that were not seen with it.

        If they were listed ``in_pages``, one may have slipped from a page to one that was read before: unless they
        are many, they lose the label only if their own details lack it.
        """
        last, is_certain = 0, len(seen) > 0
        while rows := await self.database.reader.run(
            labelled_items, self.kind, self.library.id, name, last, _AT_ONCE
        ):
            last = rows[-1][0]
            gone = {key: row_id for row_id, key in rows if row_id not in seen}
            if gone and not is_certain:
                if await self._have_label([rows[0][1]], name) != {rows[0][1]: False}:
                    return
                is_certain = True
            elif in_pages and 0 < len(gone) <= _MOST_CHECKED:
                has_label = await self._have_label([*gone], name)
                gone = {key: row_id for key, row_id in gone.items() if has_label[key] is False}
            if gone:
                await self.database.writer.run(remove_label, self.kind, name, [*gone.values()], self.now())
                self.counts.unlabelled += len(gone)

    async def _have_label(self, keys: Sequence[str], name: str) -> dict[str, bool | None]:
        """Return by key if items have a label by their own details; None for one whose details cannot be had."""
        self.counts.pages += 1
        answer = await self.client.details.read(keys, self.kind, cast=0)
        if answer.failure is not None:
            raise answer.failure
        found: dict[str, bool | None] = dict.fromkeys(keys)
        for key in keys:
            details = answer.found.get(key)
            if details is not None and details.tags is not None:
                found[key] = folded(name) in map(folded, details.tags.get("label", ()))
        return found


def _chunks(ids: array[int]) -> Sequence[array[int]]:
    return [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
