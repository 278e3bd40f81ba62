"""Changing path mappings in the database, each in the transaction of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors import BadInput, DefinedByConfig, UnknownId
from retrovue_daemon.service.named import choose_library
from retrovue_daemon.store.tables.mappings import (
    delete_mapping,
    find_same,
    insert_mapping,
    read_mappings,
    update_mapping,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from retrovue_daemon.records import PathMapping
    from retrovue_daemon.service.management.definitions import Definitions
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.mappings import StoredMapping
    from retrovue_daemon.store.tables.servers import StoredServer


def mapping_with(connection: sqlite3.Connection, mapping_id: int) -> StoredMapping:
    """Return a mapping by its id. Raise UnknownId."""
    entries = {entry.id: entry for entry in read_mappings(connection)}
    if mapping_id not in entries:
        known = {entry.id: entry.mapping.plex_path for entry in entries.values()}
        raise UnknownId("mapping", mapping_id, known, hint="`retrovue-daemon mappings list` shows all ids")
    return entries[mapping_id]


def title_of(libraries: Sequence[StoredLibrary], name: str, server: StoredServer) -> str:
    """Return the title of a library; before the first contact with the server, any title is accepted."""
    if not any(library.server_id == server.id for library in libraries):
        return name
    return choose_library(libraries, name, server.name).name


def add_mapping(connection: sqlite3.Connection, server_id: int, mapping: PathMapping, now: int) -> StoredMapping:
    """Store a mapping of a server. Raise BadInput if the directory is mapped for the same library already."""
    _refuse_same(connection, server_id, mapping)
    return mapping_with(connection, insert_mapping(connection, server_id, mapping, now))


def change_mapping(
    connection: sqlite3.Connection, entry: StoredMapping, mapping: PathMapping, definitions: Definitions
) -> StoredMapping:
    """Replace a mapping by another one of the same server. Raise DefinedByConfig, or BadInput as `add_mapping`."""
    _refuse_configured(entry, definitions)
    _refuse_same(connection, entry.server_id, mapping, besides=entry.id)
    update_mapping(connection, entry.id, mapping)
    return mapping_with(connection, entry.id)


def remove_mapping(connection: sqlite3.Connection, entry: StoredMapping, definitions: Definitions) -> None:
    """Delete a mapping. Raise DefinedByConfig."""
    _refuse_configured(entry, definitions)
    delete_mapping(connection, entry.id)


def _refuse_same(
    connection: sqlite3.Connection, server_id: int, mapping: PathMapping, *, besides: int | None = None
) -> None:
    others = (entry for entry in read_mappings(connection, server_id) if entry.id != besides)
    same = find_same(others, mapping)
    if same is not None:
        message = f"mapping {same.id} already maps {same.mapping.plex_path} to {same.mapping.local_path}"
        hint = f"remove it first: retrovue-daemon mappings remove {same.id}"
        raise BadInput(message, hint=hint, fields={"plex_path": message})


def _refuse_configured(entry: StoredMapping, definitions: Definitions) -> None:
    if entry.source == "config":
        source = definitions.source if definitions.is_of_database else None
        raise DefinedByConfig(entry.server, f"mapping {entry.id}", source)
