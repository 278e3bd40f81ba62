"""The details of a simulated server's items, and those in a database, in one form that can be compared."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

from retrovue_daemon.demo.items import Episode, Movie, Show
from retrovue_daemon.demo.shelf import is_modern
from retrovue_daemon.demo.tags import full_tags
from retrovue_daemon.demo.timeline import chapters_of, markers_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from retrovue_daemon.demo import World

Key: TypeAlias = tuple[str, str]
"""The table of an item's row, and its rating key."""

Lists: TypeAlias = dict[str, list[Any]]
"""By kind of tag, by job, and under "chapters" and "markers"."""

TABLES = {Movie: "movies", Show: "shows", Episode: "episodes"}
TAGS = {"Genre": "genre", "Label": "label", "Country": "country"}
JOBS = {"Director": "director", "Writer": "writer", "Producer": "producer", "Role": "actor"}
CAST = 20

QUERIES = {
    "tags": "SELECT x.{one}_id, t.kind, t.name FROM {one}_tags x JOIN tags t ON t.id = x.tag_id ORDER BY x.position",
    "credits": "SELECT x.{one}_id, x.job, p.name, p.person_key, x.role FROM {one}_credits x"
    " JOIN people p ON p.id = x.person_id ORDER BY x.position",
    "chapters": "SELECT {one}_id, 'chapters', title, starts_at, ends_at FROM chapters WHERE {one}_id IS NOT NULL"
    " ORDER BY position",
    "markers": "SELECT {one}_id, 'markers', kind, starts_at, ends_at, is_final FROM markers"
    " WHERE {one}_id IS NOT NULL ORDER BY starts_at, kind",
}


def details_of(world: World, *, cast: int = CAST) -> dict[Key, Lists]:
    """Write down what the server knows of its items; those without any details are missing."""
    found = {
        (TABLES[type(item)], item.rating_key): _lists(item, cast)
        for item in world.items.values()
        if isinstance(item, Movie | Show | Episode)
    }
    return {key: lists for key, lists in found.items() if lists}


def _lists(item: Movie | Show | Episode, cast: int) -> Lists:
    entry = full_tags(item.tags, modern=is_modern(item.guid))
    lists: Lists = {}
    for name, kind in TAGS.items():
        tags = [tag["tag"] for tag in entry.get(name, ())]
        lists[kind] = [(tag,) for tag in {tag.casefold(): tag for tag in reversed(tags)}.values()][::-1]
    for name, job in JOBS.items():
        people = [
            (each["tag"], each.get("tagKey", ""), each.get("role") if job == "actor" else None)
            for each in entry.get(name, ())
        ]
        lists[job] = list(dict.fromkeys(people))[: cast if job == "actor" else None]
    if not isinstance(item, Show):
        lists["chapters"] = [
            (each.title, *times)
            for each in sorted(chapters_of(item), key=lambda each: each.start)
            if (times := _times(each.start, each.end, item.duration)) is not None
        ]
        lists["markers"] = sorted(
            {
                (each.type, *times, int(each.final))
                for each in markers_of(item)
                if (times := _times(each.start, each.end, item.duration)) is not None
            },
            key=lambda each: (each[1], each[0]),
        )
    return {name: values for name, values in lists.items() if values}


def _times(start: int, end: int | None, duration: int | None) -> tuple[int, int] | None:
    last = duration or 2**62
    since, until = min(max(start, 0), last), min(end or 0, last)
    return (since, until) if since < until else None


def stored_details(path: Path, *, only: Iterable[str] | None = None) -> dict[Key, Lists]:
    """Read the details of present rows, or of those with these rating keys."""
    wanted = None if only is None else set(only)
    found: dict[Key, Lists] = {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for one in ("movie", "show", "episode"):
            by_id: dict[int, Lists] = defaultdict(lambda: defaultdict(list))
            for name, query in QUERIES.items():
                if one == "show" and name in {"chapters", "markers"}:
                    continue
                for row_id, kind, *values in connection.execute(query.format(one=one)):
                    by_id[row_id][kind].append(tuple(values))
            rows = connection.execute(f"SELECT id, rating_key FROM {one}s WHERE state <> 'missing'")
            found |= {
                (f"{one}s", key): dict(by_id[row_id])
                for row_id, key in rows
                if row_id in by_id and (wanted is None or key in wanted)
            }
    return found
