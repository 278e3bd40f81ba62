"""Changes of path mappings, and tests of paths: ``/api/v1/mappings``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

from retrovue_daemon.service.json.mappings import MappingJson, mapping_json
from retrovue_daemon.service.management.mappings import mapping_with
from retrovue_daemon.service.named import choose_server
from retrovue_daemon.store.tables.servers import read_servers
from retrovue_daemon.web import management
from retrovue_daemon.web.api.bodies import ById, Name, Path, Title
from retrovue_daemon.web.api.operations import operation
from retrovue_daemon.web.context import context_of

if TYPE_CHECKING:
    from aiohttp import web

    from retrovue_daemon.web.context import Context


class NewMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping to add, for a whole server or only for the library with a title or a folder."""

    server: Name
    plex_path: Path
    local_path: Path
    library_name: Title | None = None
    library_root: Path | None = None


class MappingChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a mapping; what is absent stays."""

    plex_path: Path | UnsetType = UNSET
    local_path: Path | UnsetType = UNSET
    library_name: Title | UnsetType | None = UNSET
    library_root: Path | UnsetType | None = UNSET


class PathTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The path of a file on a server, or on any."""

    path: Path
    server: Name | None = None


class PathResult(msgspec.Struct, frozen=True):
    """The local path on one server, and the mapping that applies; ``exists`` is None if that cannot be checked."""

    server: str
    library: str | None
    mapping: int | None
    local_path: str
    exists: bool | None


class PathResults(msgspec.Struct, frozen=True):
    """The local paths on the selected servers."""

    path: str
    results: list[PathResult]


@operation("Add a path mapping", answers=MappingJson, body=NewMapping, status=201)
async def add(request: web.Request, new: NewMapping) -> MappingJson:
    """Add a mapping."""
    context = context_of(request)
    server_id = await _id_of(context, new.server)
    mapping = await management.checked_mapping(context, server_id, _texts(msgspec.structs.asdict(new)))
    return mapping_json(await management.add_mapping(context, server_id, mapping))


@operation("Change a path mapping", answers=MappingJson, path=ById, body=MappingChange)
async def change(request: web.Request, path: ById, change: MappingChange) -> MappingJson:
    """Change a mapping."""
    context = context_of(request)
    entry = await context.reading.run(mapping_with, path.id)
    given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
    values = _texts(msgspec.structs.asdict(mapping_json(entry)) | given)
    mapping = await management.checked_mapping(context, entry.server_id, values)
    return mapping_json(await management.change_mapping(context, path.id, mapping))


@operation("Delete a path mapping", answers=None, path=ById, status=204)
async def remove(request: web.Request, path: ById) -> None:
    """Delete a mapping."""
    await management.remove_mapping(context_of(request), path.id)


@operation("Show what the mappings make of a path, and whether the file exists", answers=PathResults, body=PathTest)
async def try_path(request: web.Request, test: PathTest) -> PathResults:
    """Test a path."""
    context = context_of(request)
    server_id = None if test.server is None else await _id_of(context, test.server)
    trials = await management.try_path(context, test.path, server_id)
    results = [
        PathResult(each.server, each.library, each.mapping.id if each.mapping else None, each.local_path, each.exists)
        for each in trials
    ]
    return PathResults(test.path, results)


async def _id_of(context: Context, name: str) -> int:
    return choose_server(await context.reading.run(read_servers), name).id


def _texts(values: dict[str, object]) -> dict[str, str]:
    return {name: value for name, value in values.items() if isinstance(value, str)}
