"""Finding items by the index of words: by their titles, and by the people and collections that match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.word_index import COLLECTIONS, NUMBERS, PEOPLE, bounds, id_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.items.filters import Condition
    from retrovue_daemon.store.items.word_index import Test

_MOST_NAMES: Final = 20
"""People, and collections, whose items are found: more would match a word that means none of them."""


class WordMatches:
    """The items that a search of the index finds, ``most`` per kind; ``is_capped`` says that there may be more."""

    def __init__(self, connection: sqlite3.Connection, tests: Sequence[Test], whole: Test, most: int | None) -> None:
        self._connection = connection
        self._tests = tests
        self._whole = whole
        self._most = most
        self._people = self._names(PEOPLE)
        self._collections = self._names(COLLECTIONS)
        self.is_capped = False

    def ids(self, kind: Kind, condition: Condition) -> list[int]:
        """Return the ids of the rows of a kind that match and meet a condition, equal titles among them."""
        table, name = TABLES[kind], kind.value
        most = -1 if self._most is None else self._most
        found: dict[int, None] = {}
        matches: dict[int, None] = {}
        for test in (self._whole, *self._tests):
            query = (
                f"SELECT i.id FROM {test.table} AS x CROSS JOIN {table} AS i ON i.id = {id_of('x.rowid')}"
                f" WHERE {test.sql} AND x.rowid BETWEEN ? AND ? AND {condition.sql} LIMIT ?"
            )
            chosen = found if test is self._whole else matches
            chosen.update(self._column(query, *test.values, *bounds(NUMBERS[kind]), *condition.values, most))
            if len(matches) >= most >= 0:
                self.is_capped = True
                break
        found.update(matches)
        for ids, members, column in (
            (self._people, f"{name}_credits", "person_id"),
            (self._collections, "collection_items", "collection_id"),
        ):
            if ids:
                # Read one by one, up to the limit: a person may have hundreds of thousands of credits.
                query = (
                    f"SELECT DISTINCT i.id FROM {members} AS x CROSS JOIN {table} AS i ON i.id = x.{name}_id"
                    f" WHERE x.{column} IN (SELECT value FROM json_each(?)) AND {condition.sql} LIMIT ?"
                )
                named = self._column(query, json_list(ids), *condition.values, most)
                self.is_capped = self.is_capped or len(named) >= most >= 0
                found.update(named)
        return list(found)

    def _names(self, number: int) -> list[int]:
        found: dict[int, None] = {}
        for test in (self._whole, *self._tests):
            query = (
                f"SELECT {id_of('x.rowid')} FROM {test.table} AS x WHERE {test.sql}"
                " AND x.rowid BETWEEN ? AND ? LIMIT ?"
            )
            found.update(self._column(query, *test.values, *bounds(number), _MOST_NAMES - len(found)))
            if len(found) >= _MOST_NAMES:
                break
        return list(found)

    def _column(self, query: str, *values: object) -> dict[int, None]:
        return dict.fromkeys(row[0] for row in self._connection.execute(query, values))
