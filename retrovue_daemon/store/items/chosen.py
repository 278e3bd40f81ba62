"""Reading the items that filters and a text choose: how many, which, and where their files are."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrovue_daemon.config.values import is_utf8
from retrovue_daemon.errors import BadCursor
from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.columns import (
    FOUND,
    FROM,
    HIT,
    SORT_KEYS,
    TITLE,
    Found,
    Hit,
    expression,
    of_kinds,
    select_found,
)
from retrovue_daemon.store.items.filters import FILES, PLAYED, Condition
from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.titles import simplified
from retrovue_daemon.store.items.word_index import is_complete as is_complete_index
from retrovue_daemon.store.items.word_index import part_tests, title_test, word_tests
from retrovue_daemon.store.items.word_matches import WordMatches

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from retrovue_daemon.store.items.columns import Columns
    from retrovue_daemon.store.items.filters import Filters


MOST_RANKED: Final = 500
"""Matches of each kind among which the best are sought by a page."""

Place: TypeAlias = tuple[str | int | float | bool | None, ...]
"""Where a page ends, in the order of its items."""


class Chosen:
    """The items that meet the filters and match the text.

    If there is an index of words, a text matches by its words in titles, original titles, the names of people and the
    titles of collections. Without one, or if it has no match, a title must contain the text, ignoring case; if none
    does, accents are ignored, too. ``is_index_behind`` says that there is an index, which is not complete.

    With ``most``, about so many matches of the index are read per kind; ``is_capped`` says that there may be more.
    Without ``counts``, ``total`` is unknown unless the index was used: to count the items of a large library takes
    seconds.
    All that is read is from one moment: until the connection is closed, it stays in a transaction. Raise UnknownName
    if the filters name something that does not exist.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        filters: Filters,
        text: str | None = None,
        *,
        most: int | None = None,
        counts: bool = True,
    ) -> None:
        self._connection = connection
        self._text = text
        self._file = filters.file()
        self._conditions: dict[Kind, Condition] = {}
        self._counts = counts
        self.total = 0
        self.is_capped = self.is_index_behind = False
        if text is not None and not is_utf8(text):
            return
        connection.create_function("simplified", 1, simplified, deterministic=True)
        if not connection.in_transaction:
            connection.execute("BEGIN")
        self._conditions = filters.conditions(connection)
        if text is None:
            self.total = self._count() if counts else 0
        elif not self._match_words(text, most):
            self._match_titles(filters, text)

    def _match_words(self, text: str, most: int | None) -> bool:
        """Choose what the index of words finds; return whether it was used for a text that has words."""
        is_complete, whole = is_complete_index(self._connection), title_test(text)
        self.is_index_behind = is_complete is False
        if not is_complete or whole is None or Kind.SEASON in self._conditions:
            return False
        found: dict[Kind, list[int]] = {}
        for attempt in (word_tests, partial(part_tests, self._connection)):
            matches = WordMatches(self._connection, attempt(text), whole, most)
            found = {kind: matches.ids(kind, condition) for kind, condition in self._conditions.items()}
            self.is_capped = matches.is_capped
            if any(found.values()):
                break
        self.total = sum(map(len, found.values()))
        for kind, ids in found.items():
            self._conditions[kind] = condition = Condition()
            condition.add("i.id IN (SELECT value FROM json_each(?))", json_list(ids))
        return True

    def _match_titles(self, filters: Filters, text: str) -> None:
        """Choose by reading all titles."""
        for test, wanted in _title_tests(text):
            self._conditions = filters.conditions(self._connection)
            for kind, condition in self._conditions.items():
                other = "" if kind is Kind.SEASON else " || char(31) || ifnull(i.original_title, '')"
                condition.add(test.format(title=f"({TITLE[kind]}{other})"), wanted)
            self.total = self._count() if self._counts else 0
            if self.total or (not self._counts and self._has_any()):
                break

    def _count(self) -> int:
        return sum(
            self._connection.execute(
                f"SELECT count(*) FROM {TABLES[kind]} AS i WHERE {condition.sql}", condition.values
            ).fetchone()[0]
            for kind, condition in self._conditions.items()
        )

    def _has_any(self) -> bool:
        return any(
            self._connection.execute(
                f"SELECT 1 FROM {TABLES[kind]} AS i WHERE {condition.sql} LIMIT 1", condition.values
            ).fetchone()
            for kind, condition in self._conditions.items()
        )

    def found(self, *, sort: str | None = None, limit: int | None = None) -> list[Found]:
        """Return the items as `rows` would: with a text and without ``sort``, the best matches first."""
        if self._text is not None and sort is None:
            return self._best(sys.maxsize if limit is None else min(limit, sys.maxsize))
        return [Found(*row) for row in self.rows(FOUND, sort=sort, limit=limit)]

    def rows(
        self, columns: Columns, *, sort: str | None = None, limit: int | None = None
    ) -> Generator[tuple[Any, ...], None, None]:
        """Yield these columns of each item, by kind and id unless sorted otherwise; unknown values come last."""
        keys = _keys(sort)
        parts, values = [], list[object]()
        for kind, condition in self._conditions.items():
            selected = [
                *(expression(each, kind) for each in columns.values()),
                *(expression(key, kind) for key in keys),
            ]
            file, its_values = self._file_of(kind)
            parts.append(f"SELECT {', '.join(selected)} FROM {FROM[kind]}{file} WHERE {condition.sql}")
            values += (*its_values, *condition.values)
        width = len(columns)
        for row in self._ordered(parts, values, width, sort, limit):
            yield row[:width]

    def page(self, *, sort: str | None, after: Place | None, limit: int) -> tuple[list[Hit], Place | None]:
        """Return the next items after a place, and the place of the last one unless there are no more.

        With a text and without ``sort``, the best matches come first: of each kind, only so many as were sought can
        follow each other. A place is only valid for the choice, text and order that it was returned for; raise
        BadCursor if it cannot be of these.
        """
        if self._text is not None and sort is None:
            return self._best_page(after, limit)
        if sort is not None and sort.removeprefix("-") == "random":
            return [Hit(*row) for row in self.rows(HIT, sort=sort, limit=limit)], None
        places = self._places(sort, after, limit + 1)
        hits = self._hits(places[:limit])
        return hits, places[limit - 1] if len(places) > limit else None

    def _places(self, sort: str | None, after: Place | None, limit: int) -> list[Place]:
        """Return the keys, kinds and ids of the next items: only of those on the page is anything else read."""
        keys, is_reversed = _keys(sort), (sort or "").startswith("-")
        if after is not None and (
            len(after) != len(keys) + 2 or after[-2] not in list(Kind) or type(after[-1]) is not int
        ):
            raise BadCursor
        parts, values = [], list[object]()
        for kind, condition in self._conditions.items():
            selected = [expression(key, kind) for key in keys]
            behind = _after([f"({key})" for key in selected], kind, after, is_reversed=is_reversed)
            table = TABLES[kind] + " AS i"
            if kind in {Kind.SEASON, Kind.EPISODE}:
                table += " LEFT JOIN shows AS w ON w.id = i.show_id"
            columns = ", ".join([f"'{kind.value}'", "i.id", *selected])
            parts.append(f"SELECT {columns} FROM {table} WHERE {condition.sql} AND {behind.sql}")
            values += (*condition.values, *behind.values)
        return [(*row[2:], *row[:2]) for row in self._ordered(parts, values, 2, sort, limit)]

    def _hits(self, places: Sequence[Place]) -> list[Hit]:
        found: dict[Place, Hit] = {}
        for kind in self._conditions:
            ids = [str(place[-1]) for place in places if place[-2] == kind.value]
            query = f"{select_found(kind, HIT)} WHERE i.id IN (SELECT value FROM json_each(?))"
            for row in self._connection.execute(query, (json_list(ids),)) if ids else ():
                hit = Hit(*row)
                found[hit.kind, hit.id] = hit
        return [found[place[-2:]] for place in places]

    def _ordered(
        self, parts: Sequence[str], values: list[object], width: int, sort: str | None, limit: int | None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of queries, whose first columns are kind and id, and whose keys follow ``width`` columns."""
        if not parts:
            return
        keys = _keys(sort)
        if keys:
            direction = " DESC" if (sort or "").startswith("-") else ""
            order = ", ".join(f"{width + 1 + place}{direction} NULLS LAST" for place in range(len(keys)))
            query = f"{' UNION ALL '.join(parts)} ORDER BY {order}, 1, 2"
        else:
            query = " UNION ALL ".join(f"SELECT * FROM ({part} ORDER BY i.id)" for part in parts)
        if limit is not None:
            query += " LIMIT ?"
            values = [*values, min(limit, sys.maxsize)]
        yield from self._connection.execute(query, values)

    def _file_of(self, kind: Kind) -> tuple[str, Sequence[object]]:
        """Return the SQL that joins the file ``f`` of an item, with its values.

        That is the primary one or, if files are chosen by their properties and it has not all of them, one that has.
        """
        if kind not in PLAYED:
            return "", ()
        if not self._file.parts:
            return " LEFT JOIN media_files AS f ON f.id = i.media_file_id", ()
        chosen = f"SELECT f.id {FILES[kind]} AND {self._file.sql}"
        best = f"ifnull(({chosen} AND f.id = i.media_file_id), ({chosen} ORDER BY f.optimized, f.id LIMIT 1))"
        return f" LEFT JOIN media_files AS f ON f.id = {best}", (*self._file.values, *self._file.values)

    def paths(self, *, sort: str | None = None, limit: int | None = None) -> Iterator[str | None]:
        """Yield the local path of each file to play, None if it is unknown: all parts of the primary version.

        If files are chosen by their properties, it is the version of a file that has them.
        """
        columns: Columns = {
            "kind": FOUND["kind"],
            "id": "i.id",
            "file": of_kinds("f.id", *PLAYED),
        }
        parts = (
            "SELECT p.file_path FROM media_files AS f JOIN media_files AS p ON p.server_id = f.server_id"
            " AND p.rating_key = f.rating_key AND p.media_type = f.media_type AND p.media_id IS f.media_id"
            " AND (p.state = f.state OR p.id = f.id) WHERE f.id = ? ORDER BY p.part_index, p.id"
        )
        for _, _, file_id in self.rows(columns, sort=sort, limit=limit):
            if file_id is not None:
                for (path,) in self._connection.execute(parts, (file_id,)):
                    yield path

    def _best(self, limit: int) -> list[Found]:
        ranked = self._ranked(FOUND, limit)
        return [Found(*row) for _, row in ranked[:limit]]

    def _best_page(self, after: Place | None, limit: int) -> tuple[list[Hit], Place | None]:
        if after is not None and tuple(map(type, after)) != (bool, bool, bool, str, int, int):
            raise BadCursor
        ranked = [(place, Hit(*row)) for place, row in self._ranked(HIT, MOST_RANKED)]
        kinds = Counter(hit.kind for _, hit in ranked)
        self.is_capped = self.is_capped or any(number >= MOST_RANKED for number in kinds.values())
        following = [each for each in ranked if after is None or each[0] > after]
        hits = [hit for _, hit in following[:limit]]
        return hits, following[limit - 1][0] if len(following) > limit else None

    def _ranked(self, columns: Columns, limit: int) -> list[tuple[Place, tuple[Any, ...]]]:
        """Return the best matches of each kind, the best of all first, each with its place."""
        text = self._text or ""
        plain = simplified(text)
        found: list[tuple[Place, tuple[Any, ...]]] = []
        names = list(columns)
        for number, (kind, condition) in enumerate(self._conditions.items()):
            title = TITLE[kind]
            # Among titles starting with the text, the shortest is the closest match.
            best = f"{title} LIKE ? ESCAPE '\\' DESC, length({title}), {title}, i.id LIMIT ?"
            query = f"{select_found(kind, columns)} WHERE {condition.sql} ORDER BY {best}"
            values = (*condition.values, f"{_like(text)}%", limit)
            for row in self._connection.execute(query, values):
                rank = _rank(simplified(row[names.index("title")]), plain)
                found.append(((*rank, number, row[names.index("id")]), row))
        return sorted(found)


def _keys(sort: str | None) -> tuple[str | Mapping[Kind, str], ...]:
    return SORT_KEYS[sort.removeprefix("-")] if sort else ()


def _after(keys: Sequence[str], kind: Kind, place: Place | None, *, is_reversed: bool) -> Condition:
    """Return the condition for items of a kind behind a place: the values of its keys, its kind and its id."""
    condition = Condition()
    if place is None:
        return condition
    *values, last_kind, last_id = place
    # Without keys, kinds follow each other as they are listed; otherwise by name.
    order = [each.value for each in Kind] if not keys else sorted(each.value for each in Kind)
    number, last = order.index(kind.value), order.index(str(last_kind))
    alternatives, used = [], list[object]()
    for count, (key, value) in enumerate(zip(keys, values, strict=True)):
        equal = "".join(f"{each} IS ? AND " for each in keys[:count])
        if value is not None:  # unknown values come last, so none is behind one
            alternatives.append(f"{equal}({key} {'<' if is_reversed else '>'} ? OR {key} IS NULL)")
            used += (*values[:count], value)
    if number >= last:
        equal = "".join(f"{each} IS ? AND " for each in keys)
        alternatives.append(f"{equal}i.id > ?" if number == last else f"{equal}1")
        used += (*values, last_id) if number == last else values
    condition.add(f"({' OR '.join(alternatives)})" if alternatives else "0", *used)
    return condition


def _title_tests(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a title must fulfil, with its value: the fast test, then the one that ignores accents."""
    if text.isascii():
        yield "{title} LIKE ? ESCAPE '\\'", f"%{_like(text)}%"
    yield "instr(simplified({title}), ?)", simplified(text)


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _rank(title: str, text: str) -> tuple[bool, bool, bool, str]:
    return title != text, not title.startswith(text), text not in title, title
