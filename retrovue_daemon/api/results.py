"""The results of the library API: dictionaries with fixed keys, so that type checkers know them.

Times are Unix seconds (UTC), or None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from retrovue_daemon.config import Secret
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.mappings import StoredMapping
    from retrovue_daemon.store.tables.servers import StoredServer


class PlexServer(TypedDict):
    """A row of plex_servers; ``source`` is ``config`` or ``database``, and only the latter has a token here."""

    id: int
    name: str
    server_url: str
    token: Secret | None
    is_active: bool
    source: str
    machine_identifier: str | None
    version: str | None


class PathMappingRow(TypedDict):
    """A row of plex_path_mappings; ``source`` is ``config`` or ``database``."""

    id: int
    server_id: int
    plex_path: str
    local_path: str
    library_root: str | None
    library_name: str | None
    source: str


class ServerLibrary(TypedDict):
    """A row of libraries, as the last sync left it; ``locations`` are all its roots."""

    id: int
    server_id: int
    library_key: str
    library_name: str
    library_type: str
    library_root: str | None
    locations: list[str]
    sync_enabled: bool
    priority: int
    state: str
    last_full_sync_at: int | None
    last_sync_at: int | None
    last_error: str | None


class PlexLibrary(TypedDict):
    """A library as the server lists it now.

    ``sync_enabled`` means that a sync would read it: its type is ``movie`` or ``show``, the configuration selects it,
    and it is switched on. ``id`` is the id of its row, None if it was never synced.
    """

    id: int | None
    key: str
    title: str
    type: str
    agent: str | None
    locations: list[str]
    uuid: str | None
    sync_enabled: bool


class DiscoveredShow(TypedDict):
    """A show found by a search.

    ``guids`` are (provider, external id) pairs, ``disambiguation`` is a text that distinguishes it from the other
    results, ``stored_id`` the id of its row in ``shows``.
    """

    rating_key: str
    title: str
    year: int | None
    library_key: str | None
    library: str | None
    seasons: int | None
    episodes: int | None
    guids: list[tuple[str, str]]
    disambiguation: str
    stored: bool
    stored_id: int | None


class SyncResult(TypedDict):
    """The result of a sync, as numbers of films, shows, seasons and episodes.

    ``listed`` counts the items that the server listed, ``moved`` those now under another rating key or in another
    library, ``restored`` those that had been missing, ``skipped`` unusable entries. ``errors`` holds one text per
    failure.
    """

    updated: int
    added: int
    removed: int
    unchanged: int
    restored: int
    moved: int
    skipped: int
    listed: int
    errors: list[str]


def server_result(server: StoredServer) -> PlexServer:
    """Return a stored server as a result."""
    return PlexServer(
        id=server.id,
        name=server.name,
        server_url=server.shown_url,
        token=server.token,
        is_active=server.is_active,
        source=server.source,
        machine_identifier=server.machine_identifier,
        version=server.version,
    )


def library_result(library: StoredLibrary) -> ServerLibrary:
    """Return a stored library as a result."""
    return ServerLibrary(
        id=library.id,
        server_id=library.server_id,
        library_key=library.key,
        library_name=library.name,
        library_type=library.kind,
        library_root=next(iter(library.roots), None),
        locations=list(library.roots),
        sync_enabled=library.sync_enabled,
        priority=library.priority,
        state=library.state,
        last_full_sync_at=library.last_full_sync_at,
        last_sync_at=library.last_sync_at,
        last_error=library.last_error,
    )


def mapping_result(stored: StoredMapping) -> PathMappingRow:
    """Return a stored path mapping as a result."""
    return PathMappingRow(
        id=stored.id,
        server_id=stored.server_id,
        plex_path=stored.mapping.plex_path,
        local_path=stored.mapping.local_path,
        library_root=stored.mapping.library_root,
        library_name=stored.mapping.library_name,
        source=stored.source,
    )
