"""A library, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.store.overview import Contents
    from retrovue_daemon.store.tables.libraries import StoredLibrary


class LibraryRowJson(msgspec.Struct, frozen=True):
    """A library as it is stored: whether it is synced, and how its last pass ended."""

    id: int
    server: str
    key: str
    title: str
    type: str
    roots: tuple[str, ...]
    sync_enabled: bool
    selected: bool
    priority: int
    state: str
    last_full_sync_at: int | None
    last_sync_at: int | None
    last_error: str | None
    last_error_hint: str | None
    failing_since: int | None
    next_try_at: int | None
    doubt: str | None


class LibraryJson(LibraryRowJson, frozen=True):
    """A library with the number of its items, by table."""

    items: dict[str, int]
    missing: int
    unavailable: int


def library_row_json(library: StoredLibrary) -> LibraryRowJson:
    """Return the row of a library."""
    return LibraryRowJson(**_row(library))  # type: ignore[arg-type]  # the same names


def library_json(library: StoredLibrary, contents: Contents | None) -> LibraryJson:
    """Return a library with what it contains."""
    return LibraryJson(**library_values(library, contents))  # type: ignore[arg-type]  # the same names


def library_values(library: StoredLibrary, contents: Contents | None) -> dict[str, object]:
    """Return the values of a library by their names."""
    return {
        **_row(library),
        "items": dict(contents.present) if contents else {},
        "missing": contents.missing if contents else 0,
        "unavailable": contents.unavailable if contents else 0,
    }


def _row(library: StoredLibrary) -> dict[str, object]:
    return {
        "id": library.id,
        "server": library.server,
        "key": library.key,
        "title": library.name,
        "type": library.kind,
        "roots": library.roots,
        "sync_enabled": library.sync_enabled,
        "selected": library.selected,
        "priority": library.priority,
        "state": library.state,
        "last_full_sync_at": library.last_full_sync_at,
        "last_sync_at": library.last_sync_at,
        "last_error": library.last_error,
        "last_error_hint": library.last_error_hint,
        "failing_since": library.failing_since,
        "next_try_at": library.next_try_at,
        "doubt": library.doubt,
    }
