"""Which rows a batch or a pass changed, and the names of the first of them for the log."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import msgspec

from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.titles import TITLES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.items.lookup import KnownRow

Op: TypeAlias = Literal["removed", "moved", "restored", "added", "updated"]

MOST_NAMED: Final = 20
"""Items of one pass: a first sync may add a million."""

_LONGEST_TITLE: Final = 100
"""Characters, so that the names of a pass fit into one value of a log line."""


class ChangedRow(NamedTuple):
    """A row, and what was done to it."""

    op: Op
    kind: Kind
    id: int


class NamedChange(msgspec.Struct, frozen=True):
    """A changed item, named for people."""

    op: Op
    kind: Kind
    title: str


def first_written(kind: Kind, ids: Mapping[str, int], known: Mapping[str, KnownRow]) -> tuple[ChangedRow, ...]:
    """Return the first rows of each operation in a batch; ``ids`` are those of its rows, ``known`` existed before."""
    added = (row_id for key, row_id in ids.items() if key not in known)
    restored = (row.id for row in known.values() if row.state == "missing")
    updated = (row.id for row in known.values() if row.state != "missing")
    written: tuple[tuple[Op, Iterable[int]], ...] = (("added", added), ("restored", restored), ("updated", updated))
    return tuple(ChangedRow(op, kind, row_id) for op, row_ids in written for row_id in islice(row_ids, MOST_NAMED))


def name_changes(connection: sqlite3.Connection, rows: Sequence[ChangedRow]) -> tuple[NamedChange, ...]:
    """Return up to `MOST_NAMED` of these rows with their titles, in order; rows that no longer exist are omitted."""
    titles: dict[tuple[Kind, int], str] = {}
    for kind in {row.kind for row in rows}:
        title = TITLES[kind].format(schema="main")
        query = f"SELECT i.id, {title} FROM {TABLES[kind]} AS i WHERE i.id IN (SELECT value FROM json_each(?))"
        found = connection.execute(query, (json_list([row.id for row in rows if row.kind is kind]),))
        titles |= {(kind, row_id): _short(title) for row_id, title in found}
    named = (NamedChange(row.op, row.kind, titles[row.kind, row.id]) for row in rows if (row.kind, row.id) in titles)
    return tuple(islice(named, MOST_NAMED))


def _short(title: str) -> str:
    """Return a title as short, visible text."""
    text = (
        title
        if title.isprintable()
        else "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in title)
    )
    return text if len(text) <= _LONGEST_TITLE else text[: _LONGEST_TITLE - 1] + "…"
