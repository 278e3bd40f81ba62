"""The rows of libraries and library_locations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from retrovue_daemon.store.tables.former_names import read_names, renamed, still_meant

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import aiosqlite

    from retrovue_daemon.records import LibraryListing


DEFAULT_PRIORITY = 100
"""Of a library that neither the configuration's order nor a person ranks."""

_COLUMNS = (
    "id", "library_key", "uuid", "library_name", "library_type", "library_root", "sync_enabled", "priority",
    "priority_source", "state", "path_fingerprint", "content_changed_at", "section_updated_at", "scanned_at",
    "watermark", "known_moment", "listed_from", "listed_until", "fault", "doubt", "list_again", "former_names",
    "last_full_sync_at",
)  # fmt: skip


class LibraryRow(msgspec.Struct, frozen=True):
    """A stored library.

    ``content_changed_at``, ``section_updated_at`` and ``scanned_at`` are what the server said of it before its last
    complete listing, ``watermark`` the highest ``updatedAt`` of an item in it, or a later time
    (``store/tables/runs.py``).
    ``known_moment`` is when the library was first seen, ``listed_from`` and ``listed_until`` when that listing began
    and ended. ``fault`` holds what could not be read or counted the last time (``sync/faults.py``), ``doubt`` says in
    words what of it stays open, ``list_again`` that the next pass must be a full one whatever the server's marks say.
    ``former_names`` are the titles that it had before, the latest first.
    """

    id: int
    key: str
    uuid: str | None
    name: str
    kind: str
    root: str | None
    sync_enabled: bool = True
    priority: int = DEFAULT_PRIORITY
    priority_source: str = "database"
    state: str = "active"
    path_fingerprint: int | None = None
    content_changed_at: int | None = None
    section_updated_at: int | None = None
    scanned_at: int | None = None
    watermark: int | None = None
    known_moment: int = 0
    listed_from: int = 0
    listed_until: int = 0
    fault: tuple[str, ...] = ()
    doubt: str | None = None
    list_again: bool = False
    former_names: tuple[str, ...] = ()
    last_full_sync_at: int | None = None


async def libraries(connection: aiosqlite.Connection, server_id: int) -> list[LibraryRow]:
    """Return the libraries of a server."""
    query = f"SELECT {', '.join(_COLUMNS)} FROM libraries WHERE server_id = ? ORDER BY id"
    return [_row(values) for values in await connection.execute_fetchall(query, (server_id,))]


async def locations(connection: aiosqlite.Connection, library_id: int) -> tuple[str, ...]:
    """Return the roots of a library, the first one first."""
    query = (
        "SELECT p.path FROM library_locations AS p JOIN libraries AS l ON l.id = p.library_id"
        " WHERE l.id = ? ORDER BY p.path <> ifnull(l.library_root, ''), p.path"
    )
    return tuple([path for (path,) in await connection.execute_fetchall(query, (library_id,))])


def titles_by_uuid(connection: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """Return all titles of each library, the present one first, by its uuid."""
    query = "SELECT uuid, library_name, former_names FROM libraries WHERE uuid IS NOT NULL"
    return {uuid: (title, *read_names(former)) for uuid, title, former in connection.execute(query)}


def _row(values: Sequence[Any]) -> LibraryRow:
    row = LibraryRow(*values)
    return msgspec.structs.replace(
        row,
        sync_enabled=bool(row.sync_enabled),
        list_again=bool(row.list_again),
        fault=read_names(values[_COLUMNS.index("fault")]),
        former_names=read_names(values[_COLUMNS.index("former_names")]),
    )


def meant_titles(rows: Sequence[LibraryRow]) -> dict[int, tuple[str, ...]]:
    """Return, by id, the former titles by which each of a server's libraries is still meant."""
    titles = [row.name for row in rows if row.state != "missing"]
    return {row.id: still_meant(row.former_names, titles) for row in rows}


def former_titles(stored: Sequence[LibraryRow], listed: Sequence[LibraryListing]) -> dict[str, tuple[str, ...]]:
    """Return, by key, all former titles of the libraries that a server lists; see ``reconcile_libraries``."""
    return {key: _former_names(row, listing) for key, row, listing in _matched(stored, listed)}


async def reconcile_libraries(
    connection: aiosqlite.Connection,
    server_id: int,
    listed: Sequence[LibraryListing],
    priorities: Mapping[str, int],
    now: int,
    moment: int = 0,
) -> dict[str, LibraryRow]:
    """Make the rows say what the server lists, and return them by the key that they are listed under.

    A row is found by its uuid, so that a library which got a new key keeps it, else by its key. A key that was given
    to a library with another uuid is taken from its old row, which then counts as no longer listed: two libraries'
    items never mix. Rows of libraries that are not listed stay otherwise as they are. A library that is listed
    without any location keeps its last known ones: there is none without a folder, so the server left them out.
    ``priorities`` holds, by key, what the configuration's order says; a new library is known from ``moment`` on.
    """
    stored = await libraries(connection, server_id)
    matched = _match(stored, listed)
    await _free_keys(connection, stored, {listing.key for listing in listed}, matched)
    found = {}
    for listing in listed:
        row = matched.get(listing.key)
        priority = priorities.get(listing.key)
        if row is None:
            row = await _insert(connection, server_id, listing, priority, now, moment)
        else:
            row = await _update(connection, row, listing, priority, now)
        if listing.locations:
            await _reconcile_locations(connection, row.id, listing.locations)
        found[listing.key] = row
    return found


def _match(stored: Sequence[LibraryRow], listed: Sequence[LibraryListing]) -> dict[str, LibraryRow]:
    """Find the row of each listed library, by its key; no row serves two of them."""
    by_uuid = {row.uuid: row for row in stored if row.uuid is not None}
    by_key = {row.key: row for row in stored}
    matched = {listing.key: by_uuid[listing.uuid] for listing in listed if listing.uuid in by_uuid}
    taken = {row.id for row in matched.values()}
    for listing in listed:
        row = by_key.get(listing.key)
        if listing.key in matched or row is None or row.id in taken:
            continue
        if row.uuid is None or listing.uuid is None:
            matched[listing.key] = row
    return matched


def _matched(
    stored: Sequence[LibraryRow], listed: Sequence[LibraryListing]
) -> Iterator[tuple[str, LibraryRow, LibraryListing]]:
    by_key = {listing.key: listing for listing in listed}
    for key, row in _match(stored, listed).items():
        yield key, row, by_key[key]


def _former_names(row: LibraryRow, listing: LibraryListing) -> tuple[str, ...]:
    """Return the former titles of a listed library; without a uuid its key may have been another library's."""
    if row.name.strip() == listing.title.strip():
        return row.former_names
    is_same = row.uuid is not None and row.uuid == listing.uuid
    return renamed(row.former_names, row.name, listing.title) if is_same else ()


async def _free_keys(
    connection: aiosqlite.Connection,
    stored: Sequence[LibraryRow],
    listed_keys: AbstractSet[str],
    matched: Mapping[str, LibraryRow],
) -> None:
    """Take listed keys from rows that they no longer belong to, also where libraries have exchanged theirs."""
    for row in stored:
        if row.key in listed_keys and matched.get(row.key) is not row:
            # Unique, readable, and never a key of Plex's: those are numbers.
            await connection.execute(
                "UPDATE libraries SET library_key = ? WHERE id = ?", (f"{row.key} (once, row {row.id})", row.id)
            )


async def _insert(
    connection: aiosqlite.Connection,
    server_id: int,
    listing: LibraryListing,
    priority: int | None,
    now: int,
    moment: int,
) -> LibraryRow:
    values: dict[str, str | int | None] = {
        "server_id": server_id,
        "library_key": listing.key,
        "uuid": listing.uuid,
        "library_name": listing.title,
        "library_type": listing.kind,
        "library_root": _root(listing),
        "known_moment": moment,
        "created_at": now,
        "updated_at": now,
    }
    if priority is not None:
        values |= {"priority": priority, "priority_source": "config"}
    query = (
        f"INSERT INTO libraries ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
        f" RETURNING {', '.join(_COLUMNS)}"
    )
    (row,) = await connection.execute_fetchall(query, tuple(values.values()))
    return _row(row)


async def _update(
    connection: aiosqlite.Connection, row: LibraryRow, listing: LibraryListing, priority: int | None, now: int
) -> LibraryRow:
    """Write what differs, if anything does: an unchanged library costs no write."""
    changed = msgspec.structs.replace(
        row,
        key=listing.key,
        uuid=listing.uuid or row.uuid,
        name=listing.title,
        kind=listing.kind,
        root=_root(listing) or row.root,
        former_names=_former_names(row, listing),
        **_ranked(row, priority),
    )
    if changed != row:
        await connection.execute(
            "UPDATE libraries SET library_key = ?, uuid = ?, library_name = ?, library_type = ?, library_root = ?,"
            " priority = ?, priority_source = ?, former_names = ?, updated_at = ? WHERE id = ?",
            (
                changed.key, changed.uuid, changed.name, changed.kind, changed.root, changed.priority,
                changed.priority_source, _json(changed.former_names), now, row.id,
            ),
        )  # fmt: skip
    return changed


def _ranked(row: LibraryRow, priority: int | None) -> dict[str, Any]:
    """Return a library's priority and who says so; one that the configuration no longer ranks falls back."""
    if priority is not None:
        return {"priority": priority, "priority_source": "config"}
    if row.priority_source == "config":
        return {"priority": DEFAULT_PRIORITY, "priority_source": "database"}
    return {}


async def _reconcile_locations(connection: aiosqlite.Connection, library_id: int, paths: Sequence[str]) -> None:
    query = "SELECT path FROM library_locations WHERE library_id = ?"
    stored = {path for (path,) in await connection.execute_fetchall(query, (library_id,))}
    wanted = set(paths)
    await connection.executemany(
        "DELETE FROM library_locations WHERE library_id = ? AND path = ?",
        [(library_id, path) for path in sorted(stored - wanted)],
    )
    await connection.executemany(
        "INSERT INTO library_locations (library_id, path) VALUES (?, ?)",
        [(library_id, path) for path in sorted(wanted - stored)],
    )


def _json(names: Sequence[str]) -> str | None:
    return msgspec.json.encode(names).decode() if names else None


def _root(listing: LibraryListing) -> str | None:
    return listing.locations[0] if listing.locations else None
