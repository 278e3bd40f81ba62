"""The state of the mirror, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.service.json.hooks import HookJson, hook_json
from retrovue_daemon.service.json.libraries import LibraryJson, library_values
from retrovue_daemon.service.json.live import LiveJson, live_json
from retrovue_daemon.service.json.passes import PassJson, pass_json
from retrovue_daemon.service.json.problems import FindingJson, ProblemJson, finding_json, problem_json
from retrovue_daemon.service.json.publishing import PublishingJson, publishing_json
from retrovue_daemon.service.json.reload import ReloadJson, reload_json

if TYPE_CHECKING:
    from retrovue_daemon.service.status import Status
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.servers import StoredServer


class DatabaseJson(msgspec.Struct, frozen=True):
    """The database file, its sizes in bytes, and the daemon that has it open."""

    path: str
    bytes: int
    wal_bytes: int
    daemon_running: bool | None
    daemon_pid: int | None


class StatusLibraryJson(LibraryJson, frozen=True):
    """A library with its last pass, and the number of items whose details are not read yet."""

    details_pending: int
    last_pass: PassJson | None


class StatusServerJson(msgspec.Struct, frozen=True):
    """A server with what is wrong with it, and its libraries."""

    name: str
    url: str
    source: str
    is_active: bool
    version: str | None
    machine_identifier: str | None
    error: ProblemJson | None
    next_look_at: float | None
    live: LiveJson | None
    libraries: tuple[StatusLibraryJson, ...]


class BlockedJson(msgspec.Struct, frozen=True):
    """A library in which removals wait for a person."""

    server: str
    library: str
    error: str | None


class DoubtJson(msgspec.Struct, frozen=True):
    """A library whose last complete listing left a question open."""

    server: str
    library: str
    doubt: str | None


class StatusJson(msgspec.Struct, frozen=True):
    """The state of the mirror."""

    database: DatabaseJson
    healthy: bool
    problems: tuple[FindingJson, ...]
    servers: tuple[StatusServerJson, ...]
    blocked: tuple[BlockedJson, ...]
    doubted: tuple[DoubtJson, ...]
    last_reload: ReloadJson | None
    hooks: tuple[HookJson, ...]
    postgresql: PublishingJson | None
    totals: dict[str, int]
    waiting_requests: int


def status_json(latest: Status) -> StatusJson:
    """Return the state of the mirror."""
    condition = latest.condition
    return StatusJson(
        database=DatabaseJson(
            path=str(condition.path),
            bytes=latest.size,
            wal_bytes=latest.log_size,
            daemon_running=condition.daemon_runs,
            daemon_pid=condition.holder.pid if condition.daemon_runs else None,
        ),
        healthy=not condition.findings,
        problems=tuple(map(finding_json, condition.findings)),
        servers=tuple(_server(latest, server) for server in condition.servers),
        blocked=tuple(BlockedJson(each.server, each.name, each.last_error) for each in condition.blocked),
        doubted=tuple(DoubtJson(each.server, each.name, each.doubt) for each in condition.doubted),
        last_reload=None if condition.last_reload is None else reload_json(condition.last_reload),
        hooks=tuple(hook_json(hook.name, hook) for hook in latest.hooks),
        postgresql=publishing_json(latest.publishing),
        totals=latest.totals,
        waiting_requests=latest.waiting,
    )


def _server(latest: Status, server: StoredServer) -> StatusServerJson:
    return StatusServerJson(
        name=server.name,
        url=server.shown_url,
        source=server.source,
        is_active=server.is_active,
        version=server.version,
        machine_identifier=server.machine_identifier,
        error=problem_json(server.problem and latest.condition.timed(server.problem)),
        next_look_at=latest.next_poll(server),
        live=live_json(latest.live.get(server.id) if server.is_active else None),
        libraries=tuple(
            _library(latest, library) for library in latest.condition.libraries if library.server_id == server.id
        ),
    )


def _library(latest: Status, library: StoredLibrary) -> StatusLibraryJson:
    done = latest.passes.get(library.id)
    return StatusLibraryJson(
        **library_values(library, latest.contents.get(library.id)),  # type: ignore[arg-type]  # the same names
        details_pending=latest.details_pending.get(library.id, 0),
        last_pass=None if done is None else pass_json(done),
    )
