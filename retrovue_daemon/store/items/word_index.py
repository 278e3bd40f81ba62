"""The index of words, for searches in large libraries: the titles of items and collections, and the names of people.

The daemon builds it behind the listings, a few thousand rows per transaction, and keeps it in step: rows with higher
ids than the last one indexed are new, and triggers put what is changed or deleted into ``search_queue``. It is only
used while nothing is missing in it.
"""

from __future__ import annotations

import json
import re
import sqlite3
from typing import TYPE_CHECKING, Final

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.titles import simplified

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_SOURCES: Final = {
    1: ("movies", "title", "original_title"),
    2: ("shows", "title", "original_title"),
    3: ("episodes", "episode_title", "original_title"),
    4: ("collections", "title", "NULL"),
    5: ("people", "name", "NULL"),
}
"""By number in a row key: the table, and the columns with words."""

NUMBERS: Final = {Kind.MOVIE: 1, Kind.SHOW: 2, Kind.EPISODE: 3}
COLLECTIONS: Final = 4
PEOPLE: Final = 5

ROWS_AT_ONCE: Final = 2_000
"""Rows per transaction, in about 30 ms: passes wait for the writer meanwhile."""

_SHIFT: Final = 48
_ID: Final = (1 << _SHIFT) - 1
_KEY: Final = "word_index"
_MATCHES: Final = "x.search_index MATCH ?"
_WORD: Final = re.compile(r"[^\W_]+")
_MOST_WORDS: Final = 8
"""Words of a search; further ones would hardly narrow it."""


def words(text: str | None) -> list[str]:
    """Return the words of a text, in lower case and without accents."""
    return _WORD.findall(simplified(text))


def build_step(connection: sqlite3.Connection) -> int:
    """Bring the next rows of the index up to date; return how many, 0 if it is. Call this from the writer.

    Raise sqlite3.OperationalError if SQLite has no FTS5.
    """
    # For the tokenizer "ascii" all other characters are part of words, so that it finds exactly those of `words`;
    # "unicode61" knows fewer letters than Python, and to search for what it would split is an error.
    connection.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS search_index"
        " USING fts5 (words, detail = none, columnsize = 0, prefix = '1 2 3 4 5 6 7 8', tokenize = 'ascii')"
    )
    query = "SELECT id, row_key FROM search_queue ORDER BY id LIMIT ?"
    if queued := connection.execute(query, (ROWS_AT_ONCE,)).fetchall():
        _renew(connection, {key for _, key in queued})
        connection.execute("DELETE FROM search_queue WHERE id <= ?", (queued[-1][0],))
        _return_to_last(connection)
        return len(queued)
    done = _progress(connection)
    for number, (table, title, other) in _SOURCES.items():
        last = _last(connection, table)
        if (before := done.get(number, 0)) == last:
            continue
        query = f"SELECT id, {title}, {other} FROM {table} WHERE id > ? ORDER BY id LIMIT ?"
        rows = connection.execute(query, (before, ROWS_AT_ONCE)).fetchall()
        _index(connection, number, rows)
        done[number] = rows[-1][0] if rows else last
        _store_progress(connection, done)
        return max(len(rows), 1)
    return 0


def is_complete(connection: sqlite3.Connection) -> bool | None:
    """Return whether the index shows all that is stored; None if there is none, or if SQLite has no FTS5."""
    try:
        connection.execute("SELECT rowid FROM search_index LIMIT 1").fetchone()
    except sqlite3.OperationalError:
        return None
    return not is_behind(connection)


def is_behind(connection: sqlite3.Connection) -> bool:
    """Return whether something is missing in the index."""
    if connection.execute("SELECT 1 FROM search_queue LIMIT 1").fetchone():
        return True
    done = _progress(connection)
    return any(done.get(number, 0) != _last(connection, table) for number, (table, *_) in _SOURCES.items())


def word_conditions(text: str) -> list[tuple[str, str]]:
    """Return conditions for rows ``x`` of the index, with values: the words of a text, then with the last going on.

    The first is much faster for frequent words. Return none if the text has no word.
    """
    found = " ".join(f'"{word}"' for word in words(text)[:_MOST_WORDS])
    return [(_MATCHES, found), (_MATCHES, f"{found}*")] if found else []


def part_condition(text: str) -> tuple[str, str]:
    """Return a condition for rows ``x`` of the index that contain a text, also within words: it reads all of them."""
    return "x.words LIKE ?", f"%{' '.join(words(text))}%"


def bounds(number: int) -> tuple[int, int]:
    """Return the lowest and the highest row key of a table."""
    return number << _SHIFT, (number << _SHIFT) + _ID


def id_of(column: str) -> str:
    """Return the SQL for the id in a row key."""
    return f"({column} & {_ID})"


def _renew(connection: sqlite3.Connection, keys: Collection[int]) -> None:
    connection.executemany("DELETE FROM search_index WHERE rowid = ?", ((key,) for key in keys))
    for number, (table, title, other) in _SOURCES.items():
        ids = [key & _ID for key in keys if key >> _SHIFT == number]
        query = f"SELECT id, {title}, {other} FROM {table} WHERE id IN (SELECT value FROM json_each(?))"
        if ids:
            _index(connection, number, connection.execute(query, (json.dumps(ids),)))


def _index(connection: sqlite3.Connection, number: int, rows: Iterable[tuple[int, str, str | None]]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO search_index (rowid, words) VALUES (?, ?)",
        (((number << _SHIFT) + row_id, " ".join(words(f"{title} {other or ''}"))) for row_id, title, other in rows),
    )


def _return_to_last(connection: sqlite3.Connection) -> None:
    """Note of each table that no row after its last one is in the index: ids of people are given out again."""
    done = _progress(connection)
    last = {number: min(row_id, _last(connection, _SOURCES[number][0])) for number, row_id in done.items()}
    if last != done:
        _store_progress(connection, last)


def _last(connection: sqlite3.Connection, table: str) -> int:
    ((last,),) = connection.execute(f"SELECT ifnull(max(id), 0) FROM {table}")
    return int(last)


def _progress(connection: sqlite3.Connection) -> dict[int, int]:
    """Return the highest id in the index, by number of the table; what another program wrote counts as nothing."""
    for (value,) in connection.execute("SELECT value FROM daemon_state WHERE key = ?", (_KEY,)):
        try:
            return {int(number): int(row_id) for number, row_id in json.loads(value).items()}
        except (ValueError, TypeError, AttributeError, RecursionError):
            return {}
    return {}


def _store_progress(connection: sqlite3.Connection, done: dict[int, int]) -> None:
    connection.execute(
        "INSERT INTO daemon_state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_KEY, json.dumps(done)),
    )
