"""Importing the settings of an original Retrovue database: first a plan, then one transaction.

Existing settings stay unchanged. What cannot be used is reported with its reason and does not affect the rest.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from retrovue_daemon.config import server_from_row
from retrovue_daemon.config.addresses import same_server
from retrovue_daemon.config.loading import path_mapping
from retrovue_daemon.config.sections import find_named, mapping_form, name_form
from retrovue_daemon.errors import ConfigError
from retrovue_daemon.store.tables.libraries import StoredLibrary, read_libraries
from retrovue_daemon.store.tables.mappings import StoredMapping, find_same, insert_mapping, read_mappings
from retrovue_daemon.store.tables.servers import StoredServer, insert_server, read_servers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.records import PathMapping
    from retrovue_daemon.store.retrovue.original import Original, OriginalLibrary, OriginalMapping, OriginalServer

What: TypeAlias = Literal["server", "library", "mapping"]
Outcome: TypeAlias = Literal["added", "left", "refused"]

_KINDS = ("movie", "show")
"""The library types that are mirrored."""


class Existing(msgspec.Struct, frozen=True):
    """The settings that exist here already."""

    servers: Sequence[StoredServer] = ()
    libraries: Sequence[StoredLibrary] = ()
    mappings: Sequence[StoredMapping] = ()


class Step(msgspec.Struct, frozen=True):
    """The outcome for one row of the original database; ``reason`` says why it is skipped or refused."""

    what: What
    name: str
    outcome: Outcome
    reason: str = ""


@dataclass(slots=True)
class _NewServer:
    """A server to add, or an existing one (``id``), with what to add below it."""

    name: str
    id: int | None = None
    section: ServerSection | None = None
    is_active: bool = True
    libraries: list[OriginalLibrary] = field(default_factory=list)
    mappings: list[PathMapping] = field(default_factory=list)


@dataclass(slots=True)
class Import:
    """The planned changes and their report."""

    steps: list[Step] = field(default_factory=list)
    servers: list[_NewServer] = field(default_factory=list)

    def counts(self) -> Counter[tuple[str, str]]:
        """Count the steps by subject and outcome."""
        return Counter((step.what, step.outcome) for step in self.steps)


def existing(connection: sqlite3.Connection) -> Existing:
    """Return the settings that exist here already."""
    return Existing(read_servers(connection), read_libraries(connection), read_mappings(connection))


def plan(here: Existing, original: Original, configured: Sequence[ServerSection]) -> Import:
    """Decide the outcome for each row of an original database; ``configured`` are the configuration's servers."""
    result = Import()
    ids = {server.id for server in original.servers}
    for library in original.libraries:
        if library.server_id not in ids:
            result.steps.append(Step("library", library.name or library.key, "refused", "its server is missing"))
    for mapping in original.mappings:
        if mapping.unused:
            result.steps.append(Step("mapping", _paths(mapping), "left", mapping.unused))
        elif not (ids if mapping.server_id is None else mapping.server_id in ids):
            result.steps.append(Step("mapping", _paths(mapping), "refused", "its server is missing"))
    titles = {(library.server_id, library.id): library.name for library in original.libraries}
    for server in original.servers:
        target = _server(server, here, configured, result)
        for library in original.libraries:
            if library.server_id == server.id:
                _library(library, server, target, here, result)
        for mapping in original.mappings:
            if mapping.server_id in {server.id, None} and not mapping.unused:
                title = titles.get((server.id, mapping.library_id or 0))
                _mapping(mapping, title, server, target, here, result)
        if target is not None:
            result.servers.append(target)
    return result


def carry_out(connection: sqlite3.Connection, result: Import, now: int) -> None:
    """Write the plan, within the caller's transaction."""
    for server in result.servers:
        server_id = server.id
        if server_id is None and server.section is not None:
            server_id = insert_server(connection, server.section, is_active=server.is_active, now=now)
        connection.executemany(
            "INSERT INTO libraries (server_id, library_key, library_name, library_type, library_root, sync_enabled,"
            " created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
            [
                (server_id, library.key, library.name, library.kind, library.root, library.sync_enabled, now)
                for library in server.libraries
            ],
        )
        for mapping in server.mappings:
            insert_mapping(connection, server_id or 0, mapping, now)


def _server(
    server: OriginalServer, here: Existing, configured: Sequence[ServerSection], result: Import
) -> _NewServer | None:
    """Decide about a server; return the target of its libraries and mappings, or None if they have none."""
    name = _distinct_name(server.name, result)
    try:
        section = server_from_row(name, server.url, server.token.reveal())
    except ConfigError as error:
        problems = (f"{problem.path.rpartition('.')[2]} {problem.message}" for problem in error.problems)
        result.steps.append(Step("server", server.name, "refused", "; ".join(problems)))
        return None
    address = same_server(section.url)
    for stored in here.servers:
        if same_server(stored.url) == address:
            result.steps.append(Step("server", server.name, "left", f"its address is that of {stored.name!r} here"))
            return _NewServer(stored.name, stored.id)
    for entry in configured:
        if same_server(entry.url) == address:
            reason = (
                f"the configuration defines it as {entry.name!r}; sync once, then import its libraries and mappings"
            )
            result.steps.append(Step("server", server.name, "left", reason))
            return None
    if find_named(here.servers, name) or find_named(configured, name):
        reason = "another server already has this name; rename or remove it first"
        result.steps.append(Step("server", server.name, "refused", reason))
        return None
    result.steps.append(Step("server", name, "added", "" if server.is_active else "switched off, as in Retrovue"))
    return _NewServer(name, section=section, is_active=server.is_active)


def _library(
    library: OriginalLibrary, server: OriginalServer, target: _NewServer | None, here: Existing, result: Import
) -> None:
    name = f"{server.name} / {library.name or f'key {library.key}'}"
    if target is None:
        result.steps.append(Step("library", name, "refused", "its server was not imported"))
    elif not library.key.strip() or not library.name.strip():
        result.steps.append(Step("library", name, "refused", "it has no key, or no name"))
    elif library.kind not in _KINDS:
        result.steps.append(Step("library", name, "left", f"libraries of type {library.kind!r} are not mirrored"))
    elif any(stored.server_id == target.id and stored.key == library.key for stored in here.libraries):
        result.steps.append(Step("library", name, "left", "it already exists"))
    else:
        target.libraries.append(library)
        result.steps.append(Step("library", name, "added", "" if library.sync_enabled else "switched off"))


def _mapping(
    mapping: OriginalMapping,
    title: str | None,
    server: OriginalServer,
    target: _NewServer | None,
    here: Existing,
    result: Import,
) -> None:
    """Decide about a mapping; ``title`` is that of its library, if it belongs to one."""
    name = f"{server.name}: {_paths(mapping)}"
    if target is None:
        result.steps.append(Step("mapping", name, "refused", "its server was not imported"))
        return
    if mapping.of_library and title is None:
        result.steps.append(Step("mapping", name, "refused", "its library is missing"))
        return
    try:
        checked = path_mapping(mapping.plex_path, mapping.local_path, library_name=title)
    except ConfigError as error:
        result.steps.append(Step("mapping", name, "refused", "; ".join(map(str, error.problems))))
        return
    if find_same((entry for entry in here.mappings if entry.server_id == target.id), checked) is not None:
        result.steps.append(Step("mapping", name, "left", "this directory already has a mapping"))
    elif any(mapping_form(entry) == mapping_form(checked) for entry in target.mappings):
        result.steps.append(Step("mapping", name, "left", "Retrovue used another one for this directory"))
    else:
        target.mappings.append(checked)
        result.steps.append(Step("mapping", name, "added"))


def _paths(mapping: OriginalMapping) -> str:
    return f"{mapping.plex_path} -> {mapping.local_path}"


def _distinct_name(name: str, result: Import) -> str:
    """Append a number to a duplicate name: the original allows duplicates, this schema does not."""
    taken = {name_form(server.name) for server in result.servers}
    candidate, number = name, 1
    while name_form(candidate) in taken:
        number += 1
        candidate = f"{name} ({number})"
    return candidate
