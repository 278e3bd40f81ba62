"""A reader of the change feed, which keeps a copy of the database by the feed alone: that must equal the database.

The copy holds everything that `docs/database.md` calls published, so each change without an entry shows.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Content: TypeAlias = list[object]
"""What is stored about one row, with everything that belongs to it."""

TABLES = {
    "movie": "movies",
    "show": "shows",
    "season": "seasons",
    "episode": "episodes",
    "collection": "collections",
    "library": "libraries",
    "server": "plex_servers",
}

BOOKKEEPING = frozenset({
    "digest", "first_moment", "last_moment", "synced_at", "created_at", "missing_since", "missing_observed",
    "details_stamp", "details_read_stamp", "details_read_at", "details_again_at", "details_again", "streams_digest",
    "section_updated_at", "scanned_at", "known_moment", "listed_from", "listed_until", "content_changed_at",
    "watermark", "path_fingerprint", "last_full_sync_at", "last_sync_at", "fault", "doubt", "list_again",
    "former_names", "removals_accepted_at", "last_error", "last_error_hint", "last_error_type", "failing_since",
    "next_try_at", "abilities", "token",
})  # fmt: skip
"""Columns whose changes are not changes of an item."""

STAMPED = frozenset({"library", "server"})
"""The kinds whose ``updated_at`` is no more than that, either."""

FILES = "media_files AS x ON x.server_id = i.server_id AND x.rating_key = i.rating_key AND x.media_type = '{kind}'"

BELONGINGS = {
    "guids": "{kind}_guids AS x ON x.{kind}_id = i.id",
    "tags": "{kind}_tags AS y ON y.{kind}_id = i.id JOIN tags AS x ON x.id = y.tag_id",
    "credits": "{kind}_credits AS x ON x.{kind}_id = i.id JOIN people AS y ON y.id = x.person_id",
    "chapters": "chapters AS x ON x.{kind}_id = i.id",
    "markers": "markers AS x ON x.{kind}_id = i.id",
    "files": FILES,
    "streams": FILES.replace("AS x", "AS y").replace("x.", "y.") + " JOIN streams AS x ON x.media_file_id = y.id",
    "members": "collection_items AS x ON x.collection_id = i.id",
    "folders": "library_locations AS x ON x.library_id = i.id",
    "mappings": "plex_path_mappings AS x ON x.server_id = i.id",
}
"""How what belongs to a row (``i``) is found: ``x``."""

OF = {
    "movie": ("guids", "tags", "credits", "chapters", "markers", "files", "streams"),
    "show": ("guids", "tags", "credits"),
    "season": (),
    "episode": ("guids", "tags", "credits", "chapters", "markers", "files", "streams"),
    "collection": ("members",),
    "library": ("folders",),
    "server": ("mappings",),
}


class FeedReader:
    """Follows the feed of one database; ``copy`` holds what it knows, by kind and id."""

    def __init__(self, database: Path) -> None:
        self.copy: dict[str, dict[int, Content]] = {kind: {} for kind in TABLES}
        self.feed_id: str | None = None
        self.last = 0
        self._database = database

    def follow(self) -> list[str]:
        """Apply what is new, and return how the copy then differs from the database."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as connection:
            connection.execute("BEGIN")
            real = {kind: _rows(connection, kind) for kind in TABLES}
            feed_id, floor, last = connection.execute("SELECT feed_id, floor, last_seq FROM feed_state").fetchone()
            wrong = []
            if self.feed_id not in {None, feed_id} or self.last < floor:
                self.copy = real
            else:
                wrong = self._apply(connection)
            self.feed_id, self.last = feed_id, last
        return [*wrong, *self._differences(real)]

    def _apply(self, connection: sqlite3.Connection) -> list[str]:
        ops: defaultdict[str, dict[int, list[str]]] = defaultdict(dict)
        query = "SELECT kind, item_id, op FROM changes WHERE seq > ? ORDER BY seq"
        for kind, row_id, op in connection.execute(query, (self.last,)):
            ops[kind].setdefault(row_id, []).append(op)
        wrong = []
        for kind, of_rows in ops.items():
            found = _rows(connection, kind, of_rows)
            for row_id, each in of_rows.items():
                self.copy[kind].pop(row_id, None)
                if (each[-1] == "deleted") == (row_id in found):
                    wrong.append(f"the {kind} {row_id} has the entries {each}, and is {found.get(row_id)}")
            self.copy[kind].update(found)
        return wrong

    def _differences(self, real: dict[str, dict[int, Content]]) -> list[str]:
        return [
            f"no entry for the {kind} {row_id}: {[pair for pair in zip(*both, strict=False) if pair[0] != pair[1]]}"
            for kind in TABLES
            for row_id in sorted(real[kind].keys() | self.copy[kind].keys())
            if (both := (self.copy[kind].get(row_id, [None]), real[kind].get(row_id, [None])))[0] != both[1]
        ]


def _rows(connection: sqlite3.Connection, kind: str, ids: Iterable[int] | None = None) -> dict[int, Content]:
    """Return these rows of a kind, or all, with everything that belongs to them."""
    chosen = "" if ids is None else "WHERE i.id IN (SELECT value FROM json_each(?))"
    values = () if ids is None else (json.dumps(list(ids)),)
    hidden = BOOKKEEPING | ({"updated_at"} if kind in STAMPED else set())
    cursor = connection.execute(f"SELECT i.id AS row_id, i.* FROM {TABLES[kind]} AS i {chosen}", values)
    rows: dict[int, Content] = {row_id: [shown] for row_id, shown in _shown(cursor, hidden)}
    for name in OF[kind]:
        more = ", y.name, y.person_key" if name == "credits" else ", y.position" if name == "tags" else ""
        query = f"SELECT i.id AS row_id, x.*{more} FROM {TABLES[kind]} AS i JOIN {BELONGINGS[name]} {chosen}"
        found: defaultdict[int, list[object]] = defaultdict(list)
        for row_id, shown in _shown(connection.execute(query.format(kind=kind), values), hidden):
            found[row_id].append(shown)
        for row_id, row in rows.items():
            row.append((name, sorted(found[row_id], key=repr)))
    return rows


def _shown(cursor: sqlite3.Cursor, hidden: Iterable[str]) -> Iterable[tuple[int, dict[str, object]]]:
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield row[0], {name: value for name, value in zip(names[1:], row[1:], strict=True) if name not in hidden}
