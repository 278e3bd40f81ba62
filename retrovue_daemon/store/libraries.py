"""The rows of libraries and library_locations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import aiosqlite

    from retrovue_daemon.records import LibraryListing


@dataclass(frozen=True, slots=True)
class LibraryRow:
    """A stored library."""

    id: int
    key: str
    uuid: str | None
    name: str
    kind: str
    root: str | None
    sync_enabled: bool = True
    priority: int = 100
    state: str = "active"
    path_fingerprint: int | None = None


async def libraries(connection: aiosqlite.Connection, server_id: int) -> list[LibraryRow]:
    """Return the libraries of a server."""
    query = (
        "SELECT id, library_key, uuid, library_name, library_type, library_root, sync_enabled, priority, state,"
        " path_fingerprint FROM libraries WHERE server_id = ? ORDER BY id"
    )
    rows = await connection.execute_fetchall(query, (server_id,))
    return [
        LibraryRow(row_id, key, uuid, name, kind, root, bool(enabled), priority, state, fingerprint)
        for row_id, key, uuid, name, kind, root, enabled, priority, state, fingerprint in rows
    ]


async def reconcile_libraries(
    connection: aiosqlite.Connection,
    server_id: int,
    listed: Sequence[LibraryListing],
    priorities: Mapping[str, int],
    now: int,
) -> dict[str, LibraryRow]:
    """Make the rows say what the server lists, and return them by the key that they are listed under.

    A row is found by its uuid, so that a library which got a new key keeps it, else by its key. A key that was given
    to a library with another uuid is taken from its old row, which then counts as no longer listed: two libraries'
    items never mix. Rows of libraries that are not listed stay otherwise as they are. ``priorities`` holds, by key,
    what the configuration's order says.
    """
    stored = await libraries(connection, server_id)
    matched = _match(stored, listed)
    await _free_keys(connection, stored, {listing.key for listing in listed}, matched)
    found = {}
    for listing in listed:
        row = matched.get(listing.key)
        priority = priorities.get(listing.key)
        if row is None:
            row = await _insert(connection, server_id, listing, priority, now)
        else:
            row = await _update(connection, row, listing, priority, now)
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
    connection: aiosqlite.Connection, server_id: int, listing: LibraryListing, priority: int | None, now: int
) -> LibraryRow:
    columns = ["server_id", "library_key", "uuid", "library_name", "library_type", "library_root"]
    values = [server_id, listing.key, listing.uuid, listing.title, listing.kind, _root(listing)]
    if priority is not None:
        columns.append("priority")
        values.append(priority)
    query = (
        f"INSERT INTO libraries ({', '.join(columns)}, created_at, updated_at)"
        f" VALUES ({', '.join('?' * len(columns))}, ?, ?) RETURNING id, sync_enabled, priority"
    )
    ((row_id, enabled, stored_priority),) = await connection.execute_fetchall(query, (*values, now, now))
    return LibraryRow(
        row_id, listing.key, listing.uuid, listing.title, listing.kind, _root(listing), bool(enabled), stored_priority
    )


async def _update(
    connection: aiosqlite.Connection, row: LibraryRow, listing: LibraryListing, priority: int | None, now: int
) -> LibraryRow:
    """Write what differs, if anything does: an unchanged library costs no write."""
    changed = replace(
        row,
        key=listing.key,
        uuid=listing.uuid or row.uuid,
        name=listing.title,
        kind=listing.kind,
        root=_root(listing) or row.root,
        priority=row.priority if priority is None else priority,
    )
    if changed != row:
        await connection.execute(
            "UPDATE libraries SET library_key = ?, uuid = ?, library_name = ?, library_type = ?, library_root = ?,"
            " priority = ?, updated_at = ? WHERE id = ?",
            (
                changed.key, changed.uuid, changed.name, changed.kind, changed.root, changed.priority, now, row.id,
            ),
        )  # fmt: skip
    return changed


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


def _root(listing: LibraryListing) -> str | None:
    return listing.locations[0] if listing.locations else None
