"""The collections and labels that a simulated server has, and those that are stored, in one form."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from retrovue_daemon.demo import Memberships

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from retrovue_daemon.demo import World


class Group(NamedTuple):
    """A collection: the key of its library, its title, whether it is smart, and its members' rating keys."""

    library: str
    title: str
    smart: bool
    members: tuple[str, ...]


LABELLED = ("movie", "show", "episode")


def groups_of(world: World, libraries: Collection[str]) -> dict[str, Group]:
    """Return the collections of some libraries by rating key."""
    memberships = Memberships(world)
    return {
        collection.rating_key: Group(
            collection.library,
            collection.title,
            collection.filter is not None,
            tuple(item.rating_key for item in memberships.of(collection)),
        )
        for collection in world.collections.values()
        if collection.library in libraries
    }


def stored_groups(path: Path) -> dict[str, Group]:
    """Return the stored collections that are not missing, by rating key."""
    keys = ", ".join(f"{kind}.rating_key" for kind in ("movie", "show", "season", "episode"))
    joins = " ".join(f"LEFT JOIN {k}s AS {k} ON {k}.id = ci.{k}_id" for k in ("movie", "show", "season", "episode"))
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT c.id, c.rating_key, l.library_key, c.title, c.is_smart FROM collections AS c"
            " JOIN libraries AS l ON l.id = c.library_id WHERE c.state <> 'missing'"
        ).fetchall()
        query = (
            f"SELECT coalesce({keys}) FROM collection_items AS ci {joins} WHERE ci.collection_id = ?"
            " ORDER BY ci.position"
        )
        return {
            key: Group(library, title, bool(smart), tuple(each for (each,) in connection.execute(query, (row_id,))))
            for row_id, key, library, title, smart in rows
        }


def labels_of(world: World, libraries: Collection[str]) -> set[tuple[str, str, str]]:
    """Return kind, rating key and label of all labelled items of some libraries."""
    return {
        (item.type, item.rating_key, label)
        for item in world.items.values()
        if item.library in libraries and item.type in LABELLED
        for label in item.tags.labels
    }


def stored_labels(path: Path) -> set[tuple[str, str, str]]:
    """Return the same of the stored items that are not missing."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            (kind, key, name)
            for kind in LABELLED
            for key, name in connection.execute(
                f"SELECT i.rating_key, t.name FROM {kind}_tags AS x JOIN tags AS t ON t.id = x.tag_id"
                f" JOIN {kind}s AS i ON i.id = x.{kind}_id WHERE t.kind = 'label' AND i.state <> 'missing'"
            )
        }
