"""Tags and people: each is stored once, items refer to them, and those without any item are deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from retrovue_daemon.store.items.bulk import Insertion, write_rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from retrovue_daemon.records import Credit

_INSERT_TAGS: Final = Insertion("tags", ("kind", "name"), "ON CONFLICT DO NOTHING")
_INSERT_PEOPLE: Final = Insertion(
    "people",
    ("name", "person_key", "thumb"),
    "ON CONFLICT (person_key, name) DO UPDATE SET thumb = excluded.thumb"
    " WHERE excluded.thumb IS NOT NULL AND thumb IS NOT excluded.thumb",
)
_PEOPLE_AT_ONCE: Final = 20_000
"""People looked at per transaction, in about 50 ms."""


def tag_ids(connection: sqlite3.Connection, tags: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the ids of tags by (kind, name), after storing those that are new."""
    wanted = list(dict.fromkeys(tags))
    known = _tag_ids(connection, wanted)
    missing = [tag for tag in wanted if tag not in known]
    if missing:
        write_rows(connection, _INSERT_TAGS, missing)
        known |= _tag_ids(connection, missing)
    return known


def _tag_ids(connection: sqlite3.Connection, tags: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    query = (
        "SELECT t.kind, t.name, t.id FROM json_each(?) AS w"
        " JOIN tags AS t ON t.kind = w.value ->> 0 AND t.name = w.value ->> 1"
    )
    return {(kind, name): tag_id for kind, name, tag_id in connection.execute(query, (_json(tags),))}


class StoredPeople(NamedTuple):
    """The ids of people by (name, person_key), and those of whom another picture was stored."""

    ids: dict[tuple[str, str], int]
    pictured: set[tuple[str, str]]


def store_people(connection: sqlite3.Connection, credits_: Iterable[Credit]) -> StoredPeople:
    """Store what is new about people."""
    thumbs: dict[tuple[str, str], str | None] = {}
    for credit in credits_:
        person = credit.name, credit.person_key
        thumbs[person] = credit.thumb or thumbs.get(person)
    wanted = list(thumbs)
    known = _people(connection, wanted)
    news = [
        (*person, thumb)
        for person, thumb in thumbs.items()
        if person not in known or thumb not in {None, known[person][1]}
    ]
    pictured = {(name, key) for name, key, _ in news if (name, key) in known}
    if news:
        write_rows(connection, _INSERT_PEOPLE, news)
        known |= _people(connection, [(name, key) for name, key, _ in news])
    return StoredPeople({person: row[0] for person, row in known.items()}, pictured)


def _people(
    connection: sqlite3.Connection, people: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[int, str | None]]:
    query = (
        "SELECT p.name, p.person_key, p.id, p.thumb FROM json_each(?) AS w"
        " JOIN people AS p ON p.person_key = w.value ->> 1 AND p.name = w.value ->> 0"
    )
    return {(name, key): (row_id, thumb) for name, key, row_id, thumb in connection.execute(query, (_json(people),))}


def _json(pairs: Sequence[tuple[str, str]]) -> str:
    return msgspec.json.encode(pairs).decode()


def delete_unused_tags(connection: sqlite3.Connection) -> int:
    """Delete the tags that no item has; return how many."""
    return connection.execute(
        "DELETE FROM tags WHERE NOT EXISTS (SELECT 1 FROM movie_tags WHERE tag_id = tags.id)"
        " AND NOT EXISTS (SELECT 1 FROM show_tags WHERE tag_id = tags.id)"
        " AND NOT EXISTS (SELECT 1 FROM episode_tags WHERE tag_id = tags.id)"
    ).rowcount


def delete_unused_people(connection: sqlite3.Connection, after: int) -> tuple[int, int | None]:
    """Delete the people without a credit among the next ones after an id.

    Return how many, and the id to continue after, None at the end.
    """
    ((last, number),) = connection.execute(
        "SELECT max(id), count(*) FROM (SELECT id FROM people WHERE id > ? ORDER BY id LIMIT ?)",
        (after, _PEOPLE_AT_ONCE),
    )
    deleted = connection.execute(
        "DELETE FROM people WHERE id > ? AND id <= ?"
        " AND NOT EXISTS (SELECT 1 FROM movie_credits WHERE person_id = people.id)"
        " AND NOT EXISTS (SELECT 1 FROM show_credits WHERE person_id = people.id)"
        " AND NOT EXISTS (SELECT 1 FROM episode_credits WHERE person_id = people.id)",
        (after, last),
    ).rowcount
    return deleted, last if number == _PEOPLE_AT_ONCE else None
