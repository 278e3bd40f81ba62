"""What the library API returns: dictionaries whose keys are fixed, so that type checkers know them.

Times are Unix seconds (UTC), None where there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from retrovue_daemon.config import Secret


class PlexServer(TypedDict):
    """A row of plex_servers; ``source`` is ``config`` or ``database``, and only the latter have a token here."""

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

    ``sync_enabled`` tells whether a sync would read it: its type is ``movie`` or ``show``, the configuration selects
    it, and its switch is on. ``id`` is its row's, None where it was never synced.
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
    """A show that a search found.

    ``guids`` are (provider, external id) pairs, ``disambiguation`` a text that tells it from the other ones found,
    ``stored_id`` the id of its row in ``shows``.
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
    """What a sync brought, as numbers of films, shows, seasons and episodes.

    ``listed`` is what the server showed, ``moved`` what lives on under another rating key or in another library,
    ``restored`` what had been missing, ``skipped`` entries that could not be used. ``errors`` says, a text each, what
    did not go well.
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
