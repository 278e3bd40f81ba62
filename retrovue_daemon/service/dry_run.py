"""What a sync would do: the ordinary code does it, on a copy of the database that is then dropped."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from retrovue_daemon.paths.mapper import PlexPathMappingService
from retrovue_daemon.service.daemon import sync_once
from retrovue_daemon.store.file import visits
from retrovue_daemon.store.file.preparation import prepare
from retrovue_daemon.store.items.differences import changed_paths, copy_twice, differences, held_back
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.mappings import read_mappings, stored_paths
from retrovue_daemon.store.tables.servers import read_servers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from retrovue_daemon.config import Config
    from retrovue_daemon.logs.setup import Redactor
    from retrovue_daemon.records import PathMapping
    from retrovue_daemon.service.daemon import SyncOptions
    from retrovue_daemon.service.report import ServerReport
    from retrovue_daemon.store.items.differences import Difference
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.sync.progress import ProgressBoard


class DryRun(msgspec.Struct, frozen=True):
    """What would be reported and what would change.

    ``held_back`` are the items that the guard would keep, each with its reason.
    ``unmatched`` are (server, mapping) of path mappings that no file would be under; ``paths`` counts the files whose
    local path would change although they stay.
    """

    reports: tuple[ServerReport, ...]
    changes: tuple[Difference, ...]
    held_back: tuple[tuple[Difference, str], ...]
    paths: int
    unmatched: tuple[tuple[str, PathMapping], ...]


async def try_sync(config: Config, options: SyncOptions, board: ProgressBoard, redactor: Redactor) -> DryRun:
    """Sync a copy of the database and tell how it differs; the database itself is only read.

    It needs no lock, so that it works beside a running daemon, and about as much room as the database in the
    directory for temporary files. Raises what a sync raises.
    """
    source = config.database.path
    with tempfile.TemporaryDirectory(prefix="retrovue-dry-run-") as name:
        before, after = Path(name) / "before.db", Path(name) / "after.db"
        await asyncio.to_thread(copy_twice, source, before, after)
        on_copy = replace(config, database=replace(config.database, path=after, mode=0o600, group=None))
        with structlog.contextvars.bound_contextvars(dry_run=True):
            reports = await sync_once(on_copy, options, board, redactor)
        return await asyncio.to_thread(_compare, before, after, reports)


def _compare(before: Path, after: Path, reports: Sequence[ServerReport]) -> DryRun:
    if not before.exists():
        prepare(before)  # nothing was there: whatever there is now is new
    return DryRun(
        tuple(reports),
        tuple(differences(before, after)),
        tuple(_held_back(after, reports)),
        changed_paths(before, after),
        tuple(_unmatched(after)),
    )


def _held_back(database: Path, reports: Sequence[ServerReport]) -> Iterator[tuple[Difference, str]]:
    """Yield the items that the passes would have removed, and why they must wait."""
    for done in (done for report in reports for done in report.passes):
        if done.removal is not None and done.removal.refusal is not None:
            for item in held_back(database, done.removal.leaving):
                yield item, done.removal.refusal


def _unmatched(database: Path) -> Iterator[tuple[str, PathMapping]]:
    """Yield the mappings of active servers that no listed file is under."""
    with visits.reading(database) as connection:
        active = {server.id for server in read_servers(connection) if server.is_active}
        libraries = read_libraries(connection)
        for stored in read_mappings(connection):
            own = [library for library in libraries if library.server_id == stored.server_id]
            if stored.server_id in active and not any(_covers(connection, stored.mapping, each) for each in own):
                yield stored.server, stored.mapping


def _covers(connection: sqlite3.Connection, mapping: PathMapping, library: StoredLibrary) -> bool:
    """Return whether a listed file of a library is under a mapping."""
    mapper = PlexPathMappingService([mapping]).for_library(library.name, library.roots, former=library.former)
    return any(mapper.covering(path) for _, path in stored_paths(connection, [library.id]))
