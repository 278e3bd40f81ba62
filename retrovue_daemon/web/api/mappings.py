"""``/api/v1/mappings``: the path mappings, and how far they cover the stored files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

from retrovue_daemon.service.json.mappings import CoverageJson, MappingJson, coverage_json, mapping_json
from retrovue_daemon.service.management.coverage import Coverage, read_coverage
from retrovue_daemon.service.named import choose_servers
from retrovue_daemon.store.tables.mappings import read_mappings
from retrovue_daemon.store.tables.servers import read_servers
from retrovue_daemon.web.api.operations import ServerName, given, operation
from retrovue_daemon.web.context import context_of

if TYPE_CHECKING:
    import sqlite3

    from aiohttp import web


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
    "The files that each mapping covers, as `mappings suggest --json` prints it; all paths are read, which takes a"
    " while if there are many",
    answers=CoverageJson,
    query=MappingsQuery,
)
async def show_coverage(request: web.Request, query: MappingsQuery) -> CoverageJson:
    """Return how far mappings cover the files of one server or of all."""
    found = await context_of(request).reading.run(_survey, given(query.server))
    # It looks for files, on disks that may be slow.
    return await asyncio.to_thread(coverage_json, found)


def _read(connection: sqlite3.Connection, server: str | None) -> Mappings:
    chosen = {each.id for each in choose_servers(read_servers(connection), server)}
    return Mappings([mapping_json(entry) for entry in read_mappings(connection) if entry.server_id in chosen])


def _survey(connection: sqlite3.Connection, server: str | None) -> Coverage:
    return read_coverage(connection, {each.id for each in choose_servers(read_servers(connection), server)})
