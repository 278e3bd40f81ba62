"""The index of words, for searches in large libraries: the titles of items and collections, and the names of people.

The daemon builds it behind the listings, a few thousand rows per transaction, and keeps it in step: rows with higher
ids than the last one indexed are new, and triggers put what is changed or deleted into ``search_queue``. It is only
used while nothing is missing in it.

Two tables help it: ``search_titles`` has a token for each whole title, by which a title that is a frequent word is
found among all that contain it, and ``search_words`` has each word once, for searches for a part of a word: by its
beginning, by its end, or by length, so that a part that many words contain is found among the shortest.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from typing import TYPE_CHECKING, Final, NamedTuple

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

ROWS_AT_ONCE: Final = 1_000
"""Rows per transaction, in about 30 ms: passes wait for the writer meanwhile."""

_SHIFT: Final = 48
_ID: Final = (1 << _SHIFT) - 1
_KEY: Final = "word_index"
_MATCHES: Final = "x.search_index MATCH ?"
_WORD: Final = re.compile(r"[^\W_]+")
_MOST_WORDS: Final = 8
"""Words of a search; further ones would hardly narrow it."""
_MOST_WHOLE_WORDS: Final = 100
"""Words that contain, begin or end with a part; the shortest are closest to it."""

# For the tokenizer "ascii" all other characters are part of words, so that it finds exactly those of `words`;
# "unicode61" knows fewer letters than Python, and to search for what it would split is an error.
_TABLES: Final = """
CREATE VIRTUAL TABLE search_index USING fts5 (
    words, detail = none, columnsize = 0, prefix = '1 2 3 4 5 6 7 8', tokenize = 'ascii'
);
CREATE VIRTUAL TABLE search_titles USING fts5 (titles, detail = none, columnsize = 0, tokenize = 'ascii');
CREATE TABLE search_words (word TEXT PRIMARY KEY, reversed TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX search_words_by_length ON search_words (length(word), word);
CREATE INDEX search_words_by_end ON search_words (reversed);
"""
_LATEST: Final = "search_words_by_end"
"""What an index of an earlier form lacks."""

# With "+", SQLite sorts what the range yields instead of reading all words by length.
_IN_RANGE: Final = "{column} >= ? AND {column} < ? ORDER BY +length(word), word"
_LAST: Final = "\U0010ffff"
"""Sorted behind every letter."""


class Test(NamedTuple):
    """A condition for rows ``x`` of a table of the index, with its values."""

    sql: str
    values: tuple[str, ...]
    table: str = "search_index"


def words(text: str | None) -> list[str]:
    """Return the words of a text, in lower case and without accents."""
    return _WORD.findall(simplified(text))


def build_step(connection: sqlite3.Connection) -> int:
    """Bring the next rows of the index up to date; return how many, 0 if it is. Call this from the writer.

    Raise sqlite3.OperationalError if SQLite has no FTS5.
    """
    if not _has_latest_form(connection):
        _create(connection)
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
        connection.execute("SELECT x.rowid FROM search_index AS x, search_titles LIMIT 1").fetchone()
    except sqlite3.OperationalError:
        return None
    return not is_behind(connection) if _has_latest_form(connection) else None


def is_behind(connection: sqlite3.Connection) -> bool:
    """Return whether something is missing in the index."""
    if connection.execute("SELECT 1 FROM search_queue LIMIT 1").fetchone():
        return True
    done = _progress(connection)
    if done and not _has_latest_form(connection):
        return True
    return any(done.get(number, 0) != _last(connection, table) for number, (table, *_) in _SOURCES.items())


def title_test(text: str) -> Test | None:
    """Return the test for titles that equal a text but for case, accents and signs; None if it has no word."""
    return Test("x.search_titles MATCH ?", (_whole(found),), "search_titles") if (found := words(text)) else None


def word_tests(text: str) -> list[Test]:
    """Return tests for the words of a text, then for them with the last going on; none if it has no word.

    The first is much faster for frequent words.
    """
    found = " ".join(f'"{word}"' for word in words(text)[:_MOST_WORDS])
    return [Test(_MATCHES, (found,)), Test(_MATCHES, (f"{found}*",))] if found else []


def part_tests(connection: sqlite3.Connection, text: str) -> list[Test]:
    """Return a test for a text that begins and ends within words; none if no word has such a part."""
    parts = words(text)
    if len(parts) == 1:
        choices = [_words_where(connection, "instr(word, ?) ORDER BY length(word), word", parts[0])]
    else:
        first = _words_in_range(connection, "reversed", parts[0][::-1])
        last = _words_in_range(connection, "word", parts[-1])
        choices = [first, *([word] for word in parts[1:-1][:_MOST_WORDS]), last]
    if not all(choices):
        return []
    found = " AND ".join("(" + " OR ".join(f'"{word}"' for word in choice) + ")" for choice in choices)
    return [Test(f"{_MATCHES} AND x.words LIKE ?", (found, f"%{' '.join(parts)}%"))]


def _words_in_range(connection: sqlite3.Connection, column: str, beginning: str) -> list[str]:
    return _words_where(connection, _IN_RANGE.format(column=column), beginning, beginning + _LAST)


def _words_where(connection: sqlite3.Connection, condition: str, *values: str) -> list[str]:
    query = f"SELECT word FROM search_words WHERE {condition} LIMIT ?"
    return [word for (word,) in connection.execute(query, (*values, _MOST_WHOLE_WORDS))]


def _whole(title: list[str]) -> str:
    """Return the token of a whole title, by its words."""
    return hashlib.blake2b(" ".join(title).encode(), digest_size=5).hexdigest()


def bounds(number: int) -> tuple[int, int]:
    """Return the lowest and the highest row key of a table."""
    return number << _SHIFT, (number << _SHIFT) + _ID


def id_of(column: str) -> str:
    """Return the SQL for the id in a row key."""
    return f"({column} & {_ID})"


def _has_latest_form(connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?"
    return bool(connection.execute(query, (_LATEST,)).fetchall())


def _create(connection: sqlite3.Connection) -> None:
    for table in ("search_index", "search_titles", "search_words"):  # of an earlier form
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute("DELETE FROM daemon_state WHERE key = ?", (_KEY,))
    for statement in filter(str.strip, _TABLES.split(";")):
        connection.execute(statement)


def _renew(connection: sqlite3.Connection, keys: Collection[int]) -> None:
    for table in ("search_index", "search_titles"):
        connection.executemany(f"DELETE FROM {table} WHERE rowid = ?", ((key,) for key in keys))
    for number, (table, title, other) in _SOURCES.items():
        ids = [key & _ID for key in keys if key >> _SHIFT == number]
        query = f"SELECT id, {title}, {other} FROM {table} WHERE id IN (SELECT value FROM json_each(?))"
        if ids:
            _index(connection, number, connection.execute(query, (json.dumps(ids),)))


def _index(connection: sqlite3.Connection, number: int, rows: Iterable[tuple[int, str, str | None]]) -> None:
    index, whole, known = [], [], set[str]()
    for row_id, *names in rows:
        titles = [title for title in map(words, names) if title]
        plain = [word for title in titles for word in title]
        known.update(plain)
        key = (number << _SHIFT) + row_id
        index.append((key, " ".join(plain)))
        whole.append((key, " ".join(map(_whole, titles))))
    connection.executemany("INSERT OR REPLACE INTO search_index (rowid, words) VALUES (?, ?)", index)
    connection.executemany("INSERT OR REPLACE INTO search_titles (rowid, titles) VALUES (?, ?)", whole)
    connection.executemany(
        "INSERT OR IGNORE INTO search_words (word, reversed) VALUES (?, ?)",
        ((word, word[::-1]) for word in sorted(known)),
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
