"""What a sync would do: the ordinary code does it, on a copy of the database that is then dropped."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from retrovue_daemon.errors import DatabaseUnusable
from retrovue_daemon.paths.mapper import PlexPathMappingService
from retrovue_daemon.records import PathMapping
from retrovue_daemon.service.daemon import sync_once
from retrovue_daemon.store.file import visits
from retrovue_daemon.store.file.preparation import prepare
from retrovue_daemon.store.items.differences import Difference, backup, changed_paths, differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.config import Config
    from retrovue_daemon.logs.setup import Redactor
    from retrovue_daemon.service.daemon import SyncOptions
    from retrovue_daemon.service.report import ServerReport
    from retrovue_daemon.sync.progress import ProgressBoard


class DryRun(msgspec.Struct, frozen=True):
    """What would be reported and what would change.

    ``unmatched`` are (server, mapping) of path mappings that no file would be under; ``paths`` counts the files whose
    local path would change although they stay.
    """

    reports: tuple[ServerReport, ...]
    changes: tuple[Difference, ...]
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
        await asyncio.to_thread(_copy, source, before, after)
        on_copy = replace(config, database=replace(config.database, path=after, mode=0o600, group=None))
        with structlog.contextvars.bound_contextvars(dry_run=True):
            reports = await sync_once(on_copy, options, board, redactor)
        changes, paths, unmatched = await asyncio.to_thread(_compare, before, after)
    return DryRun(tuple(reports), changes, paths, unmatched)


def _copy(source: Path, before: Path, after: Path) -> None:
    """Make two copies: one is synced, the other stays as it is, whatever happens to the source meanwhile."""
    if not source.exists() or source.stat().st_size == 0:
        return
    try:
        with visits.reading(source) as connection, closing(sqlite3.connect(before)) as copy:
            connection.backup(copy)
        backup(before, after)
    except sqlite3.Error as error:
        hint = "check that it is a database of this program, and that the directory for temporary files has room"
        raise DatabaseUnusable(source, f"cannot be copied: {error}", hint=hint) from error


def _compare(before: Path, after: Path) -> tuple[tuple[Difference, ...], int, tuple[tuple[str, PathMapping], ...]]:
    if not before.exists():
        prepare(before)  # nothing was there: whatever there is now is new
    return tuple(differences(before, after)), changed_paths(before, after), tuple(_unmatched(after))


def _unmatched(database: Path) -> Iterator[tuple[str, PathMapping]]:
    """Give the mappings of active servers that no stored file is under."""
    with closing(sqlite3.connect(database)) as connection:
        query = (
            "SELECT s.id, s.name, m.plex_path, m.local_path, m.library_name, m.library_root"
            " FROM plex_path_mappings AS m JOIN plex_servers AS s ON s.id = m.server_id WHERE s.is_active = 1"
        )
        for server_id, server, *fields in connection.execute(query).fetchall():
            mapping = PathMapping(*fields)
            if not _applies(connection, server_id, mapping):
                yield server, mapping


def _applies(connection: sqlite3.Connection, server_id: int, mapping: PathMapping) -> bool:
    """Tell whether some file of a server is under a mapping."""
    # A local side that no path has tells whether the mapping applies, also where it changes nothing.
    service = PlexPathMappingService([msgspec.structs.replace(mapping, local_path="/\x00")])
    libraries = connection.execute("SELECT id, library_name FROM libraries WHERE server_id = ?", (server_id,))
    for library_id, name in libraries.fetchall():
        roots = connection.execute("SELECT path FROM library_locations WHERE library_id = ?", (library_id,))
        mapper = service.for_library(name, [root for (root,) in roots.fetchall()])
        files = connection.execute(
            "SELECT plex_path FROM media_files WHERE library_id = ? AND plex_path IS NOT NULL", (library_id,)
        )
        if any(mapper.local_path(path).startswith("/\x00") for (path,) in files):
            return True
    return False
