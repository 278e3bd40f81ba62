"""Which rating keys belong to other items now, as after Plex's database was put back from a backup.

A rating key alone is no identity: what is listed under a row's key is another item where guid and files both differ.
Shows and seasons have the files of their episodes. What is absent on either side does not differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.properties.mirror import Mirror, Row
    from tests.properties.rounds import Round
    from tests.properties.truth import Content, Key, Listed, Truth

PARENTS = {"shows": "show", "seasons": "season"}


def given_away(done: Round) -> dict[Key, bool]:
    """Return the keys of rows whose keys the server gave to other items; False where that is not so all the time."""
    found = {}
    for key, row in done.before.items.items():
        judged = [_is_another(done.before, row, each.items[key], each) for each in _listing(done, key)]
        if any(each is not False for each in judged):
            found[key] = all(judged)
    return found


def _listing(done: Round, key: Key) -> list[Truth]:
    return [truth for truth in (done.began, done.ended) if key in truth.items]


def _is_another(before: Mirror, row: Row, item: Listed, truth: Truth) -> bool | None:
    """Return None where guids say nothing, so that titles, or the library that is looked at, may decide.

    So it is where no catalogue knows either, where the key went to a copy of the same work in another library, and
    where a show or season has no file to compare but is listed under another key, or its key in another library.
    """
    guid, other = str(row.content["source_id"]), str(item.content["source_id"])
    is_unknown = guid.startswith("local://") and other.startswith("local://")
    is_copy = guid == other and row.library != item.library
    if guid == other and not (is_unknown or is_copy):
        return False
    ours = _paths(before.files.values(), _owners(row, {key: each.content for key, each in before.items.items()}))
    theirs = _paths(truth.files.values(), _owners(row, {key: each.content for key, each in truth.items.items()}))
    differs = bool(ours and theirs) and not ours & theirs
    is_elsewhere = (
        not (ours and theirs)
        and row.table in PARENTS
        and (
            row.library != item.library
            or any(
                key[0] == row.table and key[1] != row.key and each.content["source_id"] == guid
                for key, each in truth.items.items()
            )
        )
    )
    return None if is_elsewhere or (differs and (is_unknown or is_copy)) else differs


def _owners(row: Row, contents: dict[Key, Content]) -> set[Key]:
    """Return what has the files of an item: itself, or the episodes below it."""
    if row.table not in PARENTS:
        return {(row.table, row.key)}
    name = PARENTS[row.table]
    return {key for key, content in contents.items() if key[0] == "episodes" and content[name] == row.key}


def _paths(files: Iterable[Content], owners: set[Key]) -> set[object]:
    return {
        file["plex_path"]
        for file in files
        if file["plex_path"] is not None and (f"{file['media_type']}s", file["rating_key"]) in owners
    }
