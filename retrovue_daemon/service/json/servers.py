"""A server, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

from retrovue_daemon.service.json.live import LiveJson
from retrovue_daemon.service.json.problems import ProblemJson, problem_json

if TYPE_CHECKING:
    from retrovue_daemon.store.tables.servers import StoredServer


class ServerJson(msgspec.Struct, frozen=True, kw_only=True):
    """A server as it is stored, never with its token; ``live`` is not there where a command changed it."""

    id: int
    name: str
    url: str
    source: str
    is_active: bool
    has_token: bool
    machine_identifier: str | None
    version: str | None
    libraries: int
    libraries_enabled: int
    last_sync_at: int | None
    error: ProblemJson | None
    live: LiveJson | UnsetType | None = UNSET


def server_json(server: StoredServer, live: LiveJson | UnsetType | None = UNSET) -> ServerJson:
    """Return a server."""
    return ServerJson(
        id=server.id,
        name=server.name,
        url=server.shown_url,
        source=server.source,
        is_active=server.is_active,
        has_token=server.token is not None,
        machine_identifier=server.machine_identifier,
        version=server.version,
        libraries=server.libraries,
        libraries_enabled=server.enabled,
        last_sync_at=server.last_sync_at,
        error=problem_json(server.problem),
        live=live,
    )
