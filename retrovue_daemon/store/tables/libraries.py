"""The tables libraries and library_locations: reading them, changing them, and applying the servers' listings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from retrovue_daemon.store.tables.former_names import read_names, renamed, still_meant, taken_titles

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from retrovue_daemon.records import LibraryListing


DEFAULT_PRIORITY = 100
"""The priority of a library that neither the configuration nor a person ranks."""

_COLUMNS = (
    "id", "library_key", "uuid", "library_name", "library_type", "library_root", "sync_enabled", "priority",
    "priority_source", "state", "path_fingerprint", "content_changed_at", "section_updated_at", "scanned_at",
    "watermark", "known_moment", "listed_from", "listed_until", "fault", "doubt", "list_again", "former_names",
    "last_full_sync_at", "last_sync_at", "last_error", "last_error_hint", "failing_since", "next_try_at", "selected",
    "server_id",
)  # fmt: skip
_TYPES = ("movie", "show")
_FAULTS = msgspec.json.Decoder(list[str | tuple[str, ...]])


class StoredLibrary(msgspec.Struct, frozen=True):
    """A row of libraries, with its server's name and all its roots, the first one first.

    ``content_changed_at``, ``section_updated_at`` and ``scanned_at`` are the server's values before the last complete
    listing, ``watermark`` the highest ``updatedAt`` of an item in it, or a later time (``store/tables/runs.py``).
    ``known_moment`` is when the library was first seen, ``listed_from`` and ``listed_until`` when that listing began
    and ended. ``fault`` holds what the latest doubtful listings could not read or count (``sync/faults.py``),
    ``doubt`` describes which part of it is still open, ``list_again`` says that the next pass must be a full one
    whatever the server's marks say. ``former_names`` are its earlier titles, the latest first, ``former`` those that
    still refer to it.
    ``selected`` is whether the configuration selects the library. ``failing_since`` is the time of the first failed
    pass since the last good one, ``next_try_at`` the time at which a running daemon lists the library again.
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
    fault: tuple[tuple[str, ...], ...] = ()
    doubt: str | None = None
    list_again: bool = False
    former_names: tuple[str, ...] = ()
    last_full_sync_at: int | None = None
    last_sync_at: int | None = None
    last_error: str | None = None
    last_error_hint: str | None = None
    failing_since: int | None = None
    next_try_at: int | None = None
    selected: bool = True
    server_id: int = 0
    server: str = ""
    roots: tuple[str, ...] = ()
    former: tuple[str, ...] = ()

    @property
    def is_synced(self) -> bool:
        """Whether it is switched on, selected, and listed by its server; the server may be inactive."""
        return self.sync_enabled and self.selected and self.state != "missing"

    @property
    def fails(self) -> bool:
        """Whether its last pass failed or was held back; a doubt that a complete listing left is no failure."""
        return self.is_synced and (self.state == "blocked" or self.last_error not in {None, self.doubt})


def read_libraries(connection: sqlite3.Connection, server_id: int | None = None) -> list[StoredLibrary]:
    """Return the libraries of all servers, or of one, ordered by server and title."""
    query = (
        f"SELECT {', '.join(f'l.{name}' for name in _COLUMNS)}, s.name"
        " FROM libraries AS l JOIN plex_servers AS s ON s.id = l.server_id"
        " WHERE ?1 IS NULL OR l.server_id = ?1 ORDER BY s.name, l.library_name COLLATE NOCASE, l.id"
    )
    query_roots = (
        "SELECT p.library_id, p.path FROM library_locations AS p JOIN libraries AS l ON l.id = p.library_id"
        " WHERE ?1 IS NULL OR l.server_id = ?1 ORDER BY p.path <> ifnull(l.library_root, ''), p.path"
    )
    roots: dict[int, tuple[str, ...]] = {}
    for library_id, root in connection.execute(query_roots, (server_id,)):
        roots[library_id] = (*roots.get(library_id, ()), root)
    rows = [_row(values, roots) for values in connection.execute(query, (server_id,))]
    titles: dict[int, list[str]] = {row.server_id: [] for row in rows}
    for row in rows:
        if row.state != "missing":
            titles[row.server_id].append(row.name)
    taken = {server: taken_titles(names) for server, names in titles.items()}
    return [msgspec.structs.replace(row, former=still_meant(row.former_names, taken[row.server_id])) for row in rows]


def set_library_enabled(connection: sqlite3.Connection, library_id: int, *, enabled: bool, now: int) -> None:
    """Switch the sync of a library on or off; its rows stay either way."""
    connection.execute(
        "UPDATE libraries SET sync_enabled = ?, updated_at = ? WHERE id = ?", (enabled, now, library_id)
    )


def set_library_priority(connection: sqlite3.Connection, library_id: int, priority: int, now: int) -> None:
    """Set which library is preferred if several hold the same work: the one with the lowest number."""
    connection.execute("UPDATE libraries SET priority = ?, updated_at = ? WHERE id = ?", (priority, now, library_id))


def store_selection(
    connection: sqlite3.Connection, libraries: Iterable[StoredLibrary], selects: Callable[[StoredLibrary], bool]
) -> None:
    """Store which libraries their configuration ``selects``; those that are stored correctly are not written."""
    for library in libraries:
        if selects(library) != library.selected:
            connection.execute("UPDATE libraries SET selected = NOT selected WHERE id = ?", (library.id,))


def titles_by_uuid(connection: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """Return all titles of each library by its uuid, the current title first."""
    query = "SELECT uuid, library_name, former_names FROM libraries WHERE uuid IS NOT NULL"
    return {uuid: (title, *read_names(former)) for uuid, title, former in connection.execute(query)}


def _row(values: Sequence[Any], roots: Mapping[int, tuple[str, ...]]) -> StoredLibrary:
    *columns, server = values
    row = StoredLibrary(*columns)
    return msgspec.structs.replace(
        row,
        sync_enabled=bool(row.sync_enabled),
        list_again=bool(row.list_again),
        selected=bool(row.selected),
        fault=_read_faults(columns[_COLUMNS.index("fault")]),
        former_names=read_names(columns[_COLUMNS.index("former_names")]),
        server=server,
        roots=roots.get(row.id, (row.root,) if row.root else ()),
    )


def _read_faults(stored: str | None) -> tuple[tuple[str, ...], ...]:
    """Return the stored faults by listing; empty if another program stored something else.

    Earlier versions stored those of one listing as a plain list.
    """
    try:
        faults = _FAULTS.decode(stored) if stored else []
    except msgspec.MsgspecError:
        return ()
    single = tuple(fault for fault in faults if isinstance(fault, str))
    return (*((single,) if single else ()), *(fault for fault in faults if not isinstance(fault, str)))


def former_titles(stored: Sequence[StoredLibrary], listed: Sequence[LibraryListing]) -> dict[str, tuple[str, ...]]:
    """Return, by key, all former titles of the libraries that a server lists; see ``reconcile_libraries``."""
    by_key = {listing.key: listing for listing in listed}
    return {key: _former_names(row, by_key[key]) for key, row in _match(stored, listed).items()}


def reconcile_libraries(
    connection: sqlite3.Connection,
    server_id: int,
    listed: Sequence[LibraryListing],
    priorities: Mapping[str, int],
    now: int,
    moment: int = 0,
) -> dict[str, StoredLibrary]:
    """Update the rows to what the server lists, and return them by the key under which they are listed.

    A row is found by its uuid, so that a library with a new key keeps it, else by its key. A key that now belongs to
    a library with another uuid is taken from its old row, which then counts as no longer listed: the items of two
    libraries never mix. A library whose type changed gets a row of its own likewise: its former items would otherwise
    stay active, because it no longer lists items of their kind. Rows of libraries that are not listed otherwise stay
    unchanged. A library that is listed without locations keeps its last known ones: every library has a folder, so
    the server omitted them. ``priorities`` holds, by key, the order set in the configuration; a new library is known
    from ``moment`` on.
    """
    stored = read_libraries(connection, server_id)
    matched = _match(stored, listed)
    _free_keys(connection, stored, {listing.key for listing in listed}, matched)
    for listing in listed:
        row = matched.get(listing.key)
        priority = priorities.get(listing.key)
        if row is None:
            row_id = _insert(connection, server_id, listing, priority, now, moment)
            if any(_is_namesake(row, listing) and not row.sync_enabled for row in stored):
                set_library_enabled(connection, row_id, enabled=False, now=now)
        else:
            row_id = row.id
            _update(connection, row, listing, priority, now)
        if listing.locations:
            _reconcile_locations(connection, row_id, listing.locations)
    rows = {row.key: row for row in read_libraries(connection, server_id)}
    return {listing.key: rows[listing.key] for listing in listed}


def _match(stored: Sequence[StoredLibrary], listed: Sequence[LibraryListing]) -> dict[str, StoredLibrary]:
    """Return the row of each listed library by its key; no row serves two libraries."""
    by_uuid = {(row.uuid, row.kind): row for row in stored}
    by_key = {row.key: row for row in stored}
    matched = {
        listing.key: by_uuid[listing.uuid, listing.kind]
        for listing in listed
        if listing.uuid is not None and (listing.uuid, listing.kind) in by_uuid
    }
    taken = {row.id for row in matched.values()}
    for listing in listed:
        row = by_key.get(listing.key)
        if listing.key in matched or row is None or row.id in taken:
            continue
        if (row.uuid is None or listing.uuid is None) and not _holds_others(row, listing):
            matched[listing.key] = row
    return matched


def _holds_others(row: StoredLibrary, listing: LibraryListing) -> bool:
    """Return whether a row may have items of another type than the library; other programs may store any type."""
    return row.kind in _TYPES and row.kind != listing.kind


def _is_namesake(row: StoredLibrary, listing: LibraryListing) -> bool:
    """Return whether a row is of the same library before its type changed."""
    return listing.uuid is not None and row.uuid == listing.uuid


def _former_names(row: StoredLibrary, listing: LibraryListing) -> tuple[str, ...]:
    """Return the former titles of a listed library; without a uuid its key may have been another library's."""
    if row.name.strip() == listing.title.strip():
        return row.former_names
    is_same = row.uuid is not None and row.uuid == listing.uuid
    return renamed(row.former_names, row.name, listing.title) if is_same else ()


def _free_keys(
    connection: sqlite3.Connection,
    stored: Sequence[StoredLibrary],
    listed_keys: AbstractSet[str],
    matched: Mapping[str, StoredLibrary],
) -> None:
    """Take listed keys from rows that they no longer belong to, even if libraries have swapped theirs."""
    for row in stored:
        if row.key in listed_keys and matched.get(row.key) is not row:
            # Unique, readable, and never one of Plex's keys, which are numbers.
            connection.execute(
                "UPDATE libraries SET library_key = ? WHERE id = ?", (f"{row.key} (once, row {row.id})", row.id)
            )


def _insert(
    connection: sqlite3.Connection,
    server_id: int,
    listing: LibraryListing,
    priority: int | None,
    now: int,
    moment: int,
) -> int:
    """Store a new library and return the row's id."""
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
    query = f"INSERT INTO libraries ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
    return connection.execute(query, tuple(values.values())).lastrowid or 0


def _update(
    connection: sqlite3.Connection, row: StoredLibrary, listing: LibraryListing, priority: int | None, now: int
) -> None:
    """Write only the differences, so that an unchanged library costs no write."""
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
        connection.execute(
            "UPDATE libraries SET library_key = ?, uuid = ?, library_name = ?, library_type = ?, library_root = ?,"
            " priority = ?, priority_source = ?, former_names = ?, updated_at = ? WHERE id = ?",
            (
                changed.key, changed.uuid, changed.name, changed.kind, changed.root, changed.priority,
                changed.priority_source, _json(changed.former_names), now, row.id,
            ),
        )  # fmt: skip


def _ranked(row: StoredLibrary, priority: int | None) -> dict[str, Any]:
    """Return a library's priority and its source; one that the configuration no longer ranks gets the default."""
    if priority is not None:
        return {"priority": priority, "priority_source": "config"}
    if row.priority_source == "config":
        return {"priority": DEFAULT_PRIORITY, "priority_source": "database"}
    return {}


def _reconcile_locations(connection: sqlite3.Connection, library_id: int, paths: Sequence[str]) -> None:
    query = "SELECT path FROM library_locations WHERE library_id = ?"
    stored = {path for (path,) in connection.execute(query, (library_id,))}
    wanted = set(paths)
    connection.executemany(
        "DELETE FROM library_locations WHERE library_id = ? AND path = ?",
        [(library_id, path) for path in sorted(stored - wanted)],
    )
    connection.executemany(
        "INSERT INTO library_locations (library_id, path) VALUES (?, ?)",
        [(library_id, path) for path in sorted(wanted - stored)],
    )


def _json(names: Sequence[str]) -> str | None:
    return msgspec.json.encode(names).decode() if names else None


def _root(listing: LibraryListing) -> str | None:
    return listing.locations[0] if listing.locations else None
