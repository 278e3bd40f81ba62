"""``/api/v1/mappings``: the path mappings, and how far they cover the stored files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET, UnsetType

from retrovue_daemon.service.json.mappings import CoverageJson, MappingJson, coverage_json, mapping_json
from retrovue_daemon.service.named import choose_servers
from retrovue_daemon.store.tables.mappings import read_mappings
from retrovue_daemon.store.tables.servers import read_servers
from retrovue_daemon.web.api.operations import ServerName, given, operation
from retrovue_daemon.web.context import context_of
from retrovue_daemon.web.problems import Refusal

if TYPE_CHECKING:
    import sqlite3

    from aiohttp import web

RETRY_S: Final = 2


class MappingsQuery(msgspec.Struct, frozen=True):
    """Whose mappings."""

    server: ServerName | UnsetType = UNSET


class Mappings(msgspec.Struct, frozen=True):
    """Path mappings, ordered by precedence within each server."""

    mappings: list[MappingJson]


@operation("Path mappings, as `mappings list --json` prints them", answers=Mappings, query=MappingsQuery)
async def show_all(request: web.Request, query: MappingsQuery) -> Mappings:
    """Return the mappings of one server or of all."""
    return await context_of(request).reading.run(_read, given(query.server))


@operation(
    "The files that each mapping covers, as `mappings suggest --json` prints it, counted a minute ago at most; 503"
    " while they are being counted for the first time",
    answers=CoverageJson,
)
async def show_coverage(request: web.Request) -> CoverageJson:
    """Return how far mappings cover the stored files."""
    counts = context_of(request).file_counts
    counted = await counts.latest()
    if counted is not None:
        return coverage_json(counted.coverage, counted.seen)
    if counts.error is not None:
        raise counts.error
    hint = f"repeat the request after {RETRY_S} seconds"
    raise Refusal(503, "the files are being counted", hint=hint, headers={"Retry-After": str(RETRY_S)})


def _read(connection: sqlite3.Connection, server: str | None) -> Mappings:
    chosen = {each.id for each in choose_servers(read_servers(connection), server)}
    return Mappings([mapping_json(entry) for entry in read_mappings(connection) if entry.server_id in chosen])
