"""Writing details: the tags, credits, chapters and markers of a batch of items, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from retrovue_daemon.records import Chapter, Kind, Marker
from retrovue_daemon.store.feed.recording import record
from retrovue_daemon.store.items.bulk import Insertion, write_rows
from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.tags import store_people, tag_ids

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from retrovue_daemon.records import Credit, Details


MOST_ELEMENTS: Final = 10_000
"""Tags, credits, chapters and markers per transaction; those of 100 items are seldom more than 6,000."""


class ReadItem(NamedTuple):
    """An item that was requested, as `WantingItem` describes it; ``details`` is None if there was no usable answer.

    ``again_at`` and ``again`` are what the row shall have.
    """

    id: int
    rating_key: str
    stamp: int | None
    again_at: int | None
    again: int
    details: Details | None


class DetailsResult(msgspec.Struct, frozen=True):
    """How many items of a batch were ``read``, how many of them ``changed``, and how many had ``moved`` on.

    The last ones are left alone: they changed or left after they were requested.
    """

    read: int
    changed: int
    moved: int


class _Tables(NamedTuple):
    """Where the details of one kind of item are; shows have no chapters and markers."""

    column: str
    tags: str
    credits: str
    has_times: bool


_OF: Final = {
    Kind.MOVIE: _Tables("movie_id", "movie_tags", "movie_credits", has_times=True),
    Kind.SHOW: _Tables("show_id", "show_tags", "show_credits", has_times=False),
    Kind.EPISODE: _Tables("episode_id", "episode_tags", "episode_credits", has_times=True),
}

_TEXTS: Final = {
    # The columns that repeat details as text. No release names the network everywhere, so an absent one stays.
    Kind.MOVIE: {"genre": "(v.value ->> 5)", "director": "(v.value ->> 6)"},
    Kind.SHOW: {"genre": "(v.value ->> 5)", "network": "coalesce(v.value ->> 6, network)"},
}


def write_details(connection: sqlite3.Connection, kind: Kind, items: Sequence[ReadItem], now: int) -> DetailsResult:
    """Write what was read about items of one kind. Run this as one of the writer's transactions.

    Only what differs is written, except for the time.
    """
    present = _present(connection, kind, items)
    read = {item.id: item.details for item in items if item.id in present and item.details is not None}
    changed = _write_tags(connection, _OF[kind], read)
    recredited, pictured = _write_credits(connection, _OF[kind], read)
    changed |= recredited
    if _OF[kind].has_times:
        changed |= _write_chapters(connection, _OF[kind].column, read)
        changed |= _write_markers(connection, _OF[kind].column, read)
    renamed = _write_rows(connection, kind, [item for item in items if item.id in present], changed, now)
    record(connection, kind, "updated", sorted(changed | pictured | renamed))
    return DetailsResult(len(read), len(changed), len(items) - len(present))


def portions(items: Sequence[ReadItem]) -> Iterator[list[ReadItem]]:
    """Yield items for one `write_details` after the other: each takes several times the memory of what it writes."""
    portion: list[ReadItem] = []
    elements = 0
    for item in items:
        portion.append(item)
        elements += 0 if item.details is None else item.details.elements
        if elements >= MOST_ELEMENTS:
            yield portion
            portion, elements = [], 0
    if portion:
        yield portion


def _present(connection: sqlite3.Connection, kind: Kind, items: Sequence[ReadItem]) -> set[int]:
    """Return the ids of the items whose rows are still as they were when the items were requested."""
    query = (
        f"SELECT id, rating_key, details_stamp FROM {TABLES[kind]}"
        " WHERE id IN (SELECT value FROM json_each(?)) AND state <> 'missing'"
    )
    rows = set(connection.execute(query, (json_list(item.id for item in items),)))
    return {item.id for item in items if (item.id, item.rating_key, item.stamp) in rows}


def _write_rows(
    connection: sqlite3.Connection, kind: Kind, items: Sequence[ReadItem], changed: set[int], now: int
) -> set[int]:
    """Update the items' rows; return the ids of those that get other texts.

    The columns that repeat details are those of films and shows.
    """
    rows: list[tuple[Any, ...]] = []
    texts: list[tuple[Any, ...]] = []
    for item in items:
        row = (item.id, item.again_at, item.again, item.details is not None, item.id in changed)
        if kind in _TEXTS and item.details is not None and item.details.tags is not None:
            texts.append((*row, *_texts(kind, item.details)))
        else:
            rows.append(row)
    renamed = _with_other_texts(connection, kind, texts) if texts else set()
    more_of_texts = "".join(f", {name} = {value}" for name, value in _TEXTS.get(kind, {}).items())
    for values, more in ((rows, ""), (texts, more_of_texts)):
        if values:
            connection.execute(
                f"UPDATE {TABLES[kind]} SET details_read_stamp = details_stamp,"
                " details_again_at = v.value ->> 1, details_again = v.value ->> 2,"
                " details_read_at = iif(v.value ->> 3, ?2, details_read_at),"
                f" synced_at = iif(v.value ->> 4, ?2, synced_at){more}"
                f" FROM json_each(?1) AS v WHERE {TABLES[kind]}.id = v.value ->> 0",
                (msgspec.json.encode(values).decode(), now),
            )
    return renamed


def _with_other_texts(connection: sqlite3.Connection, kind: Kind, texts: list[tuple[Any, ...]]) -> set[int]:
    """Return the ids of the rows whose columns differ from the texts that they get."""
    differs = " OR ".join(f"i.{name} IS NOT {value}" for name, value in _TEXTS[kind].items())
    query = f"SELECT i.id FROM json_each(?) AS v JOIN {TABLES[kind]} AS i ON i.id = v.value ->> 0 WHERE {differs}"
    return {row_id for (row_id,) in connection.execute(query, (msgspec.json.encode(texts).decode(),))}


def _texts(kind: Kind, details: Details) -> tuple[str | None, str | None]:
    """Return the genres, and the directors of a film or the network of a show."""
    tags = details.tags or {}
    genre = ", ".join(tags.get("genre", ())) or None
    if kind is Kind.SHOW:
        return genre, next(iter(tags.get("network", ())), None)
    directors = dict.fromkeys(credit.name for credit in details.credits or () if credit.job == "director")
    return genre, ", ".join(directors) or None


# -- tags and credits -----------------------------------------------------------------------------------------------


def _write_tags(connection: sqlite3.Connection, of: _Tables, read: dict[int, Details]) -> set[int]:
    """Replace the tags of the items whose tags differ, and return the ids of these."""
    wanted = {
        row_id: [(kind, name) for kind, names in sorted(details.tags.items()) for name in names]
        for row_id, details in read.items()
        if details.tags is not None
    }
    query = (
        f"SELECT x.{of.column}, t.kind, t.name FROM {of.tags} AS x JOIN tags AS t ON t.id = x.tag_id"
        f" WHERE x.{of.column} IN (SELECT value FROM json_each(?)) ORDER BY x.{of.column}, t.kind, x.position"
    )
    changed = _differing(connection, query, wanted)
    if changed:
        _delete(connection, of.tags, of.column, changed)
        ids = tag_ids(connection, (tag for row_id in changed for tag in wanted[row_id]))
        rows = []
        for row_id in changed:
            positions: dict[str, int] = defaultdict(int)
            for kind, name in wanted[row_id]:
                rows.append((row_id, ids[kind, name], positions[kind]))
                positions[kind] += 1
        write_rows(connection, Insertion(of.tags, (of.column, "tag_id", "position"), ""), rows)
    return changed


def _write_credits(
    connection: sqlite3.Connection, of: _Tables, read: dict[int, Details]
) -> tuple[set[int], set[int]]:
    """Replace the credits of the items whose credits differ.

    Return the ids of these, and of the items that brought another picture of a person.
    """
    listed = {row_id: _by_job(details.credits) for row_id, details in read.items() if details.credits is not None}
    wanted = {
        row_id: [(each.job, each.name, each.person_key, each.role) for each in credits_]
        for row_id, credits_ in listed.items()
    }
    query = (
        f"SELECT x.{of.column}, x.job, p.name, p.person_key, x.role FROM {of.credits} AS x"
        " JOIN people AS p ON p.id = x.person_id"
        f" WHERE x.{of.column} IN (SELECT value FROM json_each(?)) ORDER BY x.{of.column}, x.job, x.position"
    )
    changed = _differing(connection, query, wanted)
    # Of everybody, because a person may have another picture.
    ids, people = store_people(connection, (credit for credits_ in listed.values() for credit in credits_))
    if changed:
        _delete(connection, of.credits, of.column, changed)
        rows = []
        for row_id in changed:
            positions: dict[str, int] = defaultdict(int)
            for credit in listed[row_id]:
                person = ids[credit.name, credit.person_key]
                rows.append((row_id, person, credit.job, credit.role, positions[credit.job]))
                positions[credit.job] += 1
        columns = (of.column, "person_id", "job", "role", "position")
        write_rows(connection, Insertion(of.credits, columns, ""), rows)
    pictured = {
        row_id
        for row_id, credits_ in (listed.items() if people else ())
        if any((credit.name, credit.person_key) in people for credit in credits_)
    }
    return changed, pictured


def _by_job(credits_: Iterable[Credit]) -> list[Credit]:
    return sorted(credits_, key=lambda credit: credit.job)


# -- chapters and markers -------------------------------------------------------------------------------------------


def _write_chapters(connection: sqlite3.Connection, column: str, read: dict[int, Details]) -> set[int]:
    """Replace the chapters of the items whose chapters differ, and return the ids of these."""
    wanted = {
        row_id: [(each.title, each.starts_at, each.ends_at) for each in details.chapters]
        for row_id, details in read.items()
        if details.chapters is not None
    }
    query = (
        f"SELECT {column}, title, starts_at, ends_at FROM chapters"
        f" WHERE {column} IS NOT NULL AND {column} IN (SELECT value FROM json_each(?)) ORDER BY {column}, position"
    )
    changed = _differing(connection, query, wanted)
    if changed:
        _delete(connection, "chapters", column, changed)
        rows = [(row_id, position, *chapter) for row_id in changed for position, chapter in enumerate(wanted[row_id])]
        write_rows(connection, Insertion("chapters", (column, "position", *Chapter.__struct_fields__), ""), rows)
    return changed


def _write_markers(connection: sqlite3.Connection, column: str, read: dict[int, Details]) -> set[int]:
    """Replace the markers of the items whose markers differ, and return the ids of these."""
    wanted = {
        row_id: sorted((each.kind, each.starts_at, each.ends_at, int(each.is_final)) for each in details.markers)
        for row_id, details in read.items()
        if details.markers is not None
    }
    query = (
        f"SELECT {column}, kind, starts_at, ends_at, is_final FROM markers"
        f" WHERE {column} IS NOT NULL AND {column} IN (SELECT value FROM json_each(?))"
        f" ORDER BY {column}, kind, starts_at, ends_at, is_final"
    )
    changed = _differing(connection, query, wanted)
    if changed:
        _delete(connection, "markers", column, changed)
        rows = [(row_id, *marker) for row_id in changed for marker in wanted[row_id]]
        write_rows(connection, Insertion("markers", (column, *Marker.__struct_fields__), ""), rows)
    return changed


# -- both -----------------------------------------------------------------------------------------------------------


def _differing(connection: sqlite3.Connection, query: str, wanted: dict[int, list[Any]]) -> set[int]:
    """Return the ids of the items whose stored rows, as a query returns them, differ from those wanted."""
    stored: dict[int, list[Any]] = defaultdict(list)
    for row_id, *values in connection.execute(query, (json_list(wanted),)):
        stored[row_id].append(tuple(values))
    return {row_id for row_id, rows in wanted.items() if rows != stored.get(row_id, [])}


def _delete(connection: sqlite3.Connection, table: str, column: str, ids: Iterable[int]) -> None:
    connection.execute(
        f"DELETE FROM {table} WHERE {column} IS NOT NULL AND {column} IN (SELECT value FROM json_each(?))",
        (json_list(ids),),
    )
