"""What the ids of an original Retrovue database are here: of each row there, the item and the file.

A film, an episode or a file is found by guid and path, then by a guid that only one item here has. Rows without a
guid are found by a path that only one item here has. If several items share guid and path, the rating key may decide
between them; by itself it proves nothing. Shows are found by a guid that only one show here has, otherwise by their
episodes, and seasons always are. Rows of a server whose address a server here has are only looked for on that one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from retrovue_daemon.config.addresses import same_server
from retrovue_daemon.paths import path_form
from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.lookup import TABLES, json_list
from retrovue_daemon.store.items.path_forms import PATH_FORM, provide_path_form

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from retrovue_daemon.store.retrovue.old_rows import OldRow, OldRows, Reference

_OF_FILES = (Kind.MOVIE, Kind.EPISODE)
"""The kinds of items that have files."""

_LOCAL_FORM = PATH_FORM.replace("f.plex_path", "f.file_path")

_COLUMNS = {
    Kind.MOVIE: "i.id, i.server_id, i.rating_key, i.media_file_id, NULL, NULL",
    Kind.EPISODE: "i.id, i.server_id, i.rating_key, i.media_file_id, i.show_id, i.season_id",
    Kind.SHOW: "i.id, i.server_id, i.rating_key, NULL, NULL, NULL",
}
"""In the order of the fields of `_Item`."""

Where: TypeAlias = "frozenset[int] | None"
"""The ids of the servers that a row may be on, None for all."""


class Mapped(msgspec.Struct, frozen=True, gc=False):
    """A row of the original database, and what it is here.

    ``by`` says how it was found. If it was not, ``reason`` says why, and ``candidates`` are the items in question.
    ``media_file_id`` is the row's own file, as far as it is known here, otherwise the primary file of the item.
    """

    old_table: str
    old_id: int
    kind: str
    title: str
    item_id: int | None = None
    media_file_id: int | None = None
    by: str | None = None
    reason: str | None = None
    candidates: tuple[int, ...] = ()


class _Item(msgspec.Struct, frozen=True, gc=False):
    """An item here."""

    id: int
    server_id: int
    key: str
    media_file_id: int | None
    show_id: int | None
    season_id: int | None


class _Mirror(msgspec.Struct, frozen=True):
    """The items here that may be meant: by kind and guid, and by kind and path, with the id of the file."""

    by_guid: defaultdict[tuple[str, str], list[_Item]]
    by_path: defaultdict[tuple[str, str], list[tuple[_Item, int]]]


class _Found(msgspec.Struct, frozen=True, gc=False):
    """The outcome for one row: an item, or a reason."""

    item: _Item | None = None
    file_id: int | None = None
    by: str | None = None
    reason: str | None = None
    candidates: tuple[int, ...] = ()


def map_ids(connection: sqlite3.Connection, old: OldRows) -> list[Mapped]:
    """Return what each row of an original database is in this one, in the order of the rows."""
    servers = _servers(connection, old.addresses)
    mirror = _mirror(connection, old.rows)
    found: dict[Reference, _Found] = {}
    children: defaultdict[Reference, list[_Item]] = defaultdict(list)
    for row in old.rows:
        if row.kind not in _OF_FILES:
            continue
        outcome = found[row.table, row.id] = _with_file(row, mirror, servers.get(row.server_id or 0))
        if outcome.item is not None:
            for parent in row.parents:
                children[parent].append(outcome.item)
    for row in old.rows:
        if row.kind in {Kind.SHOW, Kind.SEASON}:
            where = servers.get(row.server_id or 0)
            found[row.table, row.id] = _parent(row, mirror, where, children[row.table, row.id])
    return [_mapped(row, found.get((row.table, row.id)) or _of_no_kind(row)) for row in old.rows]


def counts(rows: Iterable[Mapped]) -> dict[str, Counter[str]]:
    """Count the rows of each table of the original database by how they were found, and those that were not."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row.old_table, Counter())[row.by or "not found"] += 1
    return found


def _mapped(row: OldRow, found: _Found) -> Mapped:
    item = found.item
    return Mapped(
        row.table,
        row.id,
        row.kind,
        row.title,
        None if item is None else item.id,
        None if item is None else found.file_id or item.media_file_id,
        found.by,
        found.reason,
        found.candidates,
    )


def _servers(connection: sqlite3.Connection, addresses: dict[int, str]) -> dict[int, frozenset[int]]:
    """Return the ids of the servers here that have the address of one there, by the id there."""
    here: defaultdict[str, set[int]] = defaultdict(set)
    for server_id, url in connection.execute("SELECT id, server_url FROM plex_servers"):
        here[same_server(url)].add(server_id)
    there = ((server_id, here.get(same_server(url.strip()))) for server_id, url in addresses.items())
    return {server_id: frozenset(ids) for server_id, ids in there if ids}


def _mirror(connection: sqlite3.Connection, rows: Sequence[OldRow]) -> _Mirror:
    """Read the items that have a guid or a path of these rows."""
    mirror = _Mirror(defaultdict(list), defaultdict(list))
    guids = json_list({row.guid for row in rows if row.guid})
    for kind, chosen in _COLUMNS.items():
        query = f"SELECT i.source_id, {chosen} FROM {TABLES[kind]} AS i WHERE i.source_id IN"
        for guid, *item in connection.execute(f"{query} (SELECT value FROM json_each(?))", (guids,)):
            mirror.by_guid[kind, guid].append(_Item(*item))
    for kind in _OF_FILES:
        _read_files(connection, kind, mirror)
    provide_path_form(connection)
    for kind in _OF_FILES:
        left = (row for row in rows if row.kind == kind and (kind, row.guid) not in mirror.by_guid)
        if forms := {form for row in left for path in row.paths for form in _forms(path)}:
            _read_owners(connection, kind, json_list(forms), mirror)
    return mirror


def _read_files(connection: sqlite3.Connection, kind: Kind, mirror: _Mirror) -> None:
    """Read the files of the items that were found by their guids."""
    items = {item.id: item for (each, _), found in mirror.by_guid.items() if each == kind for item in found}
    query = (
        f"SELECT i.id, f.id, f.plex_path, f.file_path FROM json_each(?) AS j CROSS JOIN {TABLES[kind]} AS i"
        " ON i.id = j.value CROSS JOIN media_files AS f INDEXED BY media_files_item"
        f" ON f.server_id = i.server_id AND f.rating_key = i.rating_key AND f.media_type = '{kind}'"
    )
    for item_id, file_id, *paths in connection.execute(query, (json_list(items),)):
        for form in {path_form(path) for path in paths if path}:
            mirror.by_path[kind, form].append((items[item_id], file_id))


def _read_owners(connection: sqlite3.Connection, kind: Kind, forms: str, mirror: _Mirror) -> None:
    """Read the items that have a file with one of these paths; paths have no index, so this reads all files once."""
    wanted = "IN (SELECT value FROM json_each(?1))"
    query = (
        f"SELECT f.id, {PATH_FORM}, {_LOCAL_FORM}, {_COLUMNS[kind]} FROM media_files AS f"
        f" CROSS JOIN {TABLES[kind]} AS i ON i.server_id = f.server_id AND i.rating_key = f.rating_key"
        f" WHERE f.media_type = '{kind}' AND ({PATH_FORM} {wanted}"
        f" OR (f.file_path IS NOT f.plex_path AND {_LOCAL_FORM} {wanted}))"
    )
    for file_id, plex_form, local_form, *item in connection.execute(query, (forms,)):
        for form in {plex_form, local_form} - {None}:
            mirror.by_path[kind, form].append((_Item(*item), file_id))


def _forms(path: str) -> Iterator[str]:
    r"""Yield the forms of a path there; people and Python also write ``\\\\nas`` as ``//nas``."""
    yield path_form(path)
    if path.startswith("//"):
        yield path_form(path.replace("/", "\\"))


def _with_file(row: OldRow, mirror: _Mirror, where: Where) -> _Found:
    """Find a film, an episode, or a file of one."""
    files: dict[_Item, int] = {}
    for form in (form for path in row.paths for form in _forms(path)):
        for item, file_id in mirror.by_path.get((row.kind, form), ()):
            if _is_at(item, where):
                files.setdefault(item, file_id)
    if row.guid is None:
        return _by_path(row, files)
    items = [item for item in mirror.by_guid.get((row.kind, row.guid), ()) if _is_at(item, where)]
    both = [item for item in items if item in files]
    if both:
        found = _one_of(both, files, row.key, "guid and path")
        return found or _Found(reason="several items have its guid and its file", candidates=_ids(both))
    if len(items) == 1:
        return _Found(items[0], by="guid")
    if items:
        return _Found(reason="several items have its guid, none of them its file", candidates=_ids(items))
    if files:
        return _Found(reason="no item has its guid; its file is that of another one", candidates=_ids(files))
    return _Found(reason="no item has its guid or its file")


def _by_path(row: OldRow, files: dict[_Item, int]) -> _Found:
    if not row.paths:
        return _Found(reason="it has neither a guid nor a file")
    if not files:
        return _Found(reason="it has no guid, and no item has its file")
    found = _one_of(list(files), files, row.key, "path")
    return found or _Found(reason="it has no guid, and several items have its file", candidates=_ids(files))


def _one_of(items: list[_Item], files: dict[_Item, int], key: str | None, by: str) -> _Found | None:
    """Return the only item, or else the only one with the row's rating key."""
    if len(items) > 1:
        items, by = [item for item in items if item.key == key], f"{by}, rating key"
    return _Found(items[0], files[items[0]], by) if len(items) == 1 else None


def _parent(row: OldRow, mirror: _Mirror, where: Where, children: list[_Item]) -> _Found:
    """Find a show or season."""
    ids = {item.show_id if row.kind == Kind.SHOW else item.season_id for item in children} - {None}
    of_children = sorted(row_id for row_id in ids if row_id is not None)
    items = [item for item in mirror.by_guid.get((row.kind, row.guid or ""), ()) if _is_at(item, where)]
    if len(items) == 1:
        return _Found(items[0], by="guid")
    if items:
        of_children = [row_id for row_id in of_children if row_id in _ids(items)]
    if len(of_children) == 1:
        item = _Item(of_children[0], 0, "", None, None, None)
        return _Found(item, by="guid and episodes" if items else "episodes")
    if items:
        return _Found(reason="several shows have its guid", candidates=_ids(items))
    if of_children:
        return _Found(reason=f"its episodes belong to several {row.kind}s", candidates=tuple(of_children))
    if row.guid is None:
        return _Found(reason="none of its episodes was found")
    return _Found(reason="no show has its guid, and none of its episodes was found")


def _of_no_kind(row: OldRow) -> _Found:
    return _Found(reason="items of this kind are not mirrored" if row.kind else "it belongs to no item")


def _is_at(item: _Item, where: Where) -> bool:
    return where is None or item.server_id in where


def _ids(items: Iterable[_Item]) -> tuple[int, ...]:
    return tuple(sorted(item.id for item in items))


# -- statements -----------------------------------------------------------------------------------------------------

_TABLE = """CREATE TABLE retrovue_ids (
    old_table     VARCHAR(20) NOT NULL,
    old_id        INTEGER NOT NULL,
    kind          VARCHAR(20) NOT NULL,
    item_id       INTEGER,
    media_file_id INTEGER,
    matched_by    VARCHAR(40),
    reason        VARCHAR(80),
    PRIMARY KEY (old_table, old_id)
);"""

_ROWS_PER_STATEMENT = 500


def statements(rows: Sequence[Mapped]) -> Iterable[str]:
    """Yield the lines of statements that make a table of these rows, for any database that knows SQL."""
    yield "BEGIN;"
    yield from _TABLE.splitlines()
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        chosen = rows[start : start + _ROWS_PER_STATEMENT]
        yield "INSERT INTO retrovue_ids (old_table, old_id, kind, item_id, media_file_id, matched_by, reason) VALUES"
        for number, row in enumerate(chosen, 1):
            values = (row.old_table, row.old_id, row.kind, row.item_id, row.media_file_id, row.by, row.reason)
            yield f"({', '.join(map(_literal, values))}){';' if number == len(chosen) else ','}"
    yield "COMMIT;"


def _literal(value: str | int | None) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
