"""Changing libraries in the database, each in the transaction of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors import DefinedByConfig, UnknownId
from retrovue_daemon.store.tables.libraries import read_libraries, set_library_enabled, set_library_priority

if TYPE_CHECKING:
    import sqlite3

    from retrovue_daemon.service.management.definitions import Definitions
    from retrovue_daemon.store.tables.libraries import StoredLibrary

HIGHEST_PRIORITY = 1_000_000


def library_with(connection: sqlite3.Connection, library_id: int) -> StoredLibrary:
    """Return the row of a library as it is now. Raise UnknownId."""
    libraries = {library.id: library for library in read_libraries(connection)}
    if library_id not in libraries:
        raise UnknownId("library", library_id, {library.id: library.name for library in libraries.values()})
    return libraries[library_id]


def switch_library(
    connection: sqlite3.Connection, library: StoredLibrary, *, enabled: bool, now: int
) -> StoredLibrary:
    """Switch the sync of a library on or off."""
    set_library_enabled(connection, library.id, enabled=enabled, now=now)
    return library_with(connection, library.id)


def rank_library(
    connection: sqlite3.Connection, library: StoredLibrary, priority: int, definitions: Definitions, now: int
) -> StoredLibrary:
    """Set the priority of a library. Raise DefinedByConfig if the order in the file sets it."""
    if definitions.ranks(library.server):
        raise DefinedByConfig(library.server, "the order of its libraries", definitions.source)
    set_library_priority(connection, library.id, priority, now)
    return library_with(connection, library.id)
