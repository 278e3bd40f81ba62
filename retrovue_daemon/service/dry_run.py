"""A dry run: an ordinary sync on a copy of the database, which is then deleted."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import structlog

from retrovue_daemon.config import default_database
from retrovue_daemon.errors import WriteFailed
from retrovue_daemon.paths import PlexPathMappingService
from retrovue_daemon.service.daemon import sync_once
from retrovue_daemon.service.signals import interrupted_by_signals
from retrovue_daemon.store.file import visits
from retrovue_daemon.store.file.preparation import prepare
from retrovue_daemon.store.items.differences import changed_paths, copy_twice, differences, held_back
from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.mappings import read_mappings, stored_paths
from retrovue_daemon.store.tables.servers import read_servers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from retrovue_daemon.config import Config
    from retrovue_daemon.logs.setup import Redactor
    from retrovue_daemon.records import PathMapping
    from retrovue_daemon.service.daemon import SyncOptions
    from retrovue_daemon.service.report import ServerReport
    from retrovue_daemon.store.items.differences import Difference
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.sync.progress import ProgressBoard


class DryRun:
    """What a sync would change; a context manager that deletes the copies of the database at its end.

    Changes are read from the copies as they are needed, because a first sync may add a million items. Within the
    block, SIGTERM and SIGINT raise Interrupted.

    ``paths`` counts remaining files whose local path would change. ``unmatched`` are (server, mapping) pairs of path
    mappings that match no file.
    """

    def __init__(self, before: Path, after: Path, reports: Sequence[ServerReport], copies: ExitStack) -> None:
        self.reports = tuple(reports)
        self.paths = changed_paths(before, after)
        self.unmatched = tuple(_unmatched(after))
        self._before = before
        self._after = after
        self._copies = copies

    def __enter__(self) -> Self:
        self._copies.enter_context(interrupted_by_signals())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._copies.__exit__(kind, error, traceback)

    def changes(self) -> Iterator[Difference]:
        """Yield the items that would change."""
        return differences(self._before, self._after)

    def held_back(self) -> Iterator[tuple[Difference, str]]:
        """Yield the items that the guard would keep, each with the reason."""
        return _held_back(self._after, self.reports)


async def try_sync(config: Config, options: SyncOptions, board: ProgressBoard, redactor: Redactor) -> DryRun:
    """Sync a copy of the database and return what changed in it; the database itself is only read.

    No lock is needed, so this works beside a running daemon. The copies need space in the temporary directory, about
    as much as the database. Raises what a sync raises.
    """
    source = config.database.path
    with ExitStack() as copies:
        try:
            name = copies.enter_context(tempfile.TemporaryDirectory(prefix="retrovue-dry-run-"))
        except OSError as error:
            hint = "set $TMPDIR to a directory with room for two copies of the database"
            raise WriteFailed(source, f"cannot be copied for a dry run: {error.strerror}", hint=hint) from error
        before, after = Path(name) / "before.db", Path(name) / "after.db"
        own_place = source == default_database(os.environ).path
        await asyncio.to_thread(copy_twice, source, before, after, own_place=own_place)
        on_copy = replace(config, database=replace(config.database, path=after, mode=0o600, group=None))
        with structlog.contextvars.bound_contextvars(dry_run=True):
            reports = await sync_once(on_copy, options, board, redactor)
        if not before.exists():
            await asyncio.to_thread(prepare, before)  # there was no database: everything is new
        return await asyncio.to_thread(DryRun, before, after, reports, copies.pop_all())


def _held_back(database: Path, reports: Sequence[ServerReport]) -> Iterator[tuple[Difference, str]]:
    """Yield the items that the passes would have removed, and why they are held back."""
    for done in (done for report in reports for done in report.passes):
        if done.removal is not None and done.removal.refusal is not None:
            for item in held_back(database, done.removal.leaving):
                yield item, done.removal.refusal


def _unmatched(database: Path) -> Iterator[tuple[str, PathMapping]]:
    """Yield the mappings of active servers that match no listed file."""
    with visits.reading(database) as connection:
        active = {server.id for server in read_servers(connection) if server.is_active}
        libraries = read_libraries(connection)
        for stored in read_mappings(connection):
            own = [library for library in libraries if library.server_id == stored.server_id]
            if stored.server_id in active and not any(_covers(connection, stored.mapping, each) for each in own):
                yield stored.server, stored.mapping


def _covers(connection: sqlite3.Connection, mapping: PathMapping, library: StoredLibrary) -> bool:
    """Return whether a mapping matches a listed file of a library."""
    mapper = PlexPathMappingService([mapping]).for_library(library.name, library.roots, former=library.former)
    return any(mapper.covering(path) for _, path in stored_paths(connection, [library.id]))
