"""Syncing one server from within another program: what the daemon does, asked for and awaited.

Where a daemon has the database it is asked to do the work; else this process takes the database for as long as the
sync lasts.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrovue_daemon.api.callbacks import Callbacks
from retrovue_daemon.api.credentials import find_access
from retrovue_daemon.api.results import DiscoveredShow, PlexLibrary, SyncResult
from retrovue_daemon.api.search import discovered, find_shows, stored_shows
from retrovue_daemon.config import Secret
from retrovue_daemon.errors import (
    AmbiguousShow,
    DaemonError,
    DatabaseHeld,
    NamedShow,
    PlexError,
    ReportedError,
    UnknownServer,
)
from retrovue_daemon.logs.setup import redactor_in_use
from retrovue_daemon.service.client import request_sync
from retrovue_daemon.service.report import exit_code, summary, unmet
from retrovue_daemon.service.roster import ActiveServer
from retrovue_daemon.service.selection import Selection, check_year
from retrovue_daemon.service.supervisor import Supervisor
from retrovue_daemon.sources.plex.client import PlexClient
from retrovue_daemon.sources.plex.retries import RetryPolicy
from retrovue_daemon.store.tables.daemon_state import visitors_identifier
from retrovue_daemon.sync.progress import ProgressBoard
from retrovue_daemon.sync.target import LISTINGS
from retrovue_daemon.version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from retrovue_daemon.api.callbacks import ProgressCallback, StatusCallback
    from retrovue_daemon.api.credentials import Access
    from retrovue_daemon.api.database import Database
    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.records import LibraryListing
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.servers import StoredServer

_COUNTS = ("updated", "added", "removed", "unchanged", "restored", "moved", "skipped", "listed")

_PROMPT = RetryPolicy(attempts=2)
"""For somebody who waits for a yes or a no: one more try tells a stumble from a failure."""


def create_plex_importer(
    server_id: int,
    database: Database,
    status_callback: StatusCallback | None = None,
    *,
    token: str | Secret | None = None,
    config: str | os.PathLike[str] | None = None,
) -> PlexImporter:
    """Make the importer of a server, which is not asked for anything yet. Raises UnknownId.

    For the parameters see PlexImporter.
    """
    database.stored_server(server_id)
    return PlexImporter(server_id, database, status_callback, token=token, config=config)


class PlexImporter:
    """Asks and syncs one server of an open ``Database``.

    ``status_callback`` is called with a line of text when something begins, ends or fails. ``token`` and ``config``
    (a file) are for servers that a configuration defines whose place is not one of the usual ones; the database
    never holds their tokens. ``retry`` says how often requests are tried.

    What goes wrong raises DaemonError: PlexError where the server cannot be used, StoreError where the database
    cannot, TokenUnknown or ConfigError where nobody knows how to talk to the server.
    """

    def __init__(
        self,
        server_id: int,
        database: Database,
        status_callback: StatusCallback | None = None,
        *,
        token: str | Secret | None = None,
        config: str | os.PathLike[str] | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.server_id = server_id
        self.database = database
        self.status_callback = status_callback
        self._token = Secret(token.strip()) if isinstance(token, str) else token
        self._config = None if config is None else Path(config).expanduser().absolute()
        self._retry = retry
        self._name: str | None = None

    def __repr__(self) -> str:
        return f"PlexImporter({self.server_id!r}, {self.database!r})"

    # -- asking -----------------------------------------------------------------------------------------------------

    async def test_connection(self) -> bool:
        """Tell whether the server answers, is the one that it was, and takes the token; never raises PlexError.

        A token of somebody whom libraries are shared with may not see where files are. Why it is none of that, the
        status callback is told.
        """
        board = ProgressBoard()
        async with Callbacks(board, status=self.status_callback) as callbacks:
            try:
                async with self._connected(_PROMPT) as (client, server):
                    if not await client.is_owner():
                        await client.libraries()
            except PlexError as error:
                callbacks.conclude(_with_hint(error))
                return False
            callbacks.conclude(f"server {server.name!r} is connected")
            return True

    async def get_libraries(self) -> list[PlexLibrary]:
        """Return the libraries that the server lists, of every type."""
        async with self._connected() as (client, server):
            listed = await client.libraries()
            section = (await self._access(server)).section
        stored = self.database.stored_libraries(server.id)
        return [_library(library, _row_of(library, stored), section) for library in listed]

    async def discover_shows_by_title(self, title: str, year: int | None = None) -> list[DiscoveredShow]:
        """Return the shows whose titles contain a text, of all libraries; equal titles come first.

        A ``year`` of 0 means those without a year.
        """
        check_year(year)
        async with self._connected() as (client, server):
            found = await find_shows(client, title, year)
        stored = await asyncio.to_thread(stored_shows, self.database.path, server.id, found)
        return discovered(found, stored)

    def get_local_path(self, plex_path: str, library_root: str | None = None) -> str:
        """Return the path under which a file of the server is to be opened here.

        ``library_root`` says in which library it is; else the one counts below whose roots it lies. A path that no
        mapping covers stays as it is. The mappings are those of the last awaited call.
        """
        return self.database.get_local_path(self.server_id, plex_path, library_root)

    # -- syncing ----------------------------------------------------------------------------------------------------

    async def sync_all_libraries(
        self, progress_callback: ProgressCallback | None = None, *, full: bool = False, accept_removals: bool = False
    ) -> SyncResult:
        """Sync all libraries that are switched on, each as it is due.

        ``full`` lists them completely whatever the server says has changed; ``accept_removals`` too, and believes
        removals that would be held back because there are so many. Raises DatabaseHeld where another process has the
        database that is no daemon.
        """
        return await self._sync(Selection(full=full, accept_removals=accept_removals), progress_callback)

    async def sync_library(
        self,
        library_key: str | int,
        library_type: str | None = None,  # noqa: ARG002 -- programs pass it; the server knows better
        progress_callback: ProgressCallback | None = None,
        *,
        full: bool = False,
        accept_removals: bool = False,
    ) -> SyncResult:
        """Sync one library, by its key or title; what its type is, the server says. Raises UnknownLibrary too."""
        selection = Selection(library=str(library_key), full=full, accept_removals=accept_removals)
        return await self._sync(selection, progress_callback)

    async def sync_show_by_title_and_year(
        self, title: str, year: int | None = None, progress_callback: ProgressCallback | None = None
    ) -> SyncResult:
        """Sync one show with its seasons and episodes.

        Upper and lower case are the same. Raises UnknownShow, and AmbiguousShow where only a year would tell which
        one is meant; 0 means the one without a year.
        """
        return await self._sync(Selection(show=(title, year)), progress_callback)

    async def _sync(self, selection: Selection, progress_callback: ProgressCallback | None) -> SyncResult:
        selection.check()
        server = await self._server()
        if not server.is_active:
            error = UnknownServer(server.name, self.database.active_names())
            error.hint = "it is switched off; set_plex_server_active switches it on"
            raise error
        board = ProgressBoard()
        async with Callbacks(board, progress_callback, self.status_callback) as callbacks:
            try:
                told = await self._done_here(server, selection, board)
            except DatabaseHeld as held:
                if not held.serves:
                    raise
                told = await self._done_by_daemon(held.path, server, selection, board)
            unknown = unmet(selection, told)
            if unknown is not None:
                raise unknown
            result = _result(told)
            names = [done["library"] for each in told["servers"] for done in each["libraries"]]
            callbacks.conclude(_in_words(server.name, result), names[-1] if names else "")
        await self._server()
        return result

    async def _done_here(self, server: StoredServer, selection: Selection, board: ProgressBoard) -> dict[str, Any]:
        async with self.database.opened_alone() as opened:
            access = await self._access(server)
            supervisor = Supervisor(
                opened, access.config, board, redactor_in_use(), retry=self._retry or RetryPolicy()
            )
            active = ActiveServer(server.id, access.section)
            (report,) = await opened.writer.guard(supervisor.sync_servers([active], selection))
        if report.error is not None and not report.passes:
            raise report.error
        return summary([report], exit_code([report]))

    async def _done_by_daemon(
        self, path: Path, server: StoredServer, selection: Selection, board: ProgressBoard
    ) -> dict[str, Any]:
        told = await request_sync(path, selection, server.name, board)
        errors = [told.get("error"), *(each["error"] for each in told["servers"] if not each["libraries"])]
        for error in filter(None, errors):
            if selection.show is not None and error.get("type") == AmbiguousShow.__name__:
                raise AmbiguousShow(selection.show[0], [NamedShow(**show) for show in error.get("shows", ())])
            raise ReportedError(error.get("type") or "", error["message"], hint=error["hint"])
        return told

    # -- talking to the server --------------------------------------------------------------------------------------

    async def _server(self) -> StoredServer:
        """Return the server's row as it is now."""
        await self.database.refresh()
        server = self.database.stored_server(self.server_id, self._name)
        self.server_id, self._name = server.id, server.name
        return server

    async def _access(self, server: StoredServer) -> Access:
        access = await asyncio.to_thread(
            find_access, self.database.path, server, token=self._token, config=self._config
        )
        redactor_in_use().learn(access.section.token.reveal())
        return access

    @asynccontextmanager
    async def _connected(self, retry: RetryPolicy | None = None) -> AsyncIterator[tuple[PlexClient, StoredServer]]:
        """Open a session with the server; the token is shown only to the machine that it is known to be."""
        server = await self._server()
        section = (await self._access(server)).section
        identifier = await asyncio.to_thread(visitors_identifier, self.database.path)
        policy = self._retry or retry or RetryPolicy()
        async with PlexClient(section, client_identifier=identifier, version=__version__, retry=policy) as client:
            await client.confirm_machine(server.machine_identifier)
            yield client, server


def _row_of(library: LibraryListing, stored: list[StoredLibrary]) -> StoredLibrary | None:
    return next((row for row in stored if row.key == library.key), None)


def _library(library: LibraryListing, row: StoredLibrary | None, section: ServerSection) -> PlexLibrary:
    selected = library.kind in LISTINGS and section.selects(
        library.title, library.key, () if row is None else row.former
    )
    return PlexLibrary(
        id=None if row is None else row.id,
        key=library.key,
        title=library.title,
        type=library.kind,
        agent=library.agent,
        locations=list(library.locations),
        uuid=library.uuid,
        sync_enabled=selected and (row is None or row.sync_enabled),
    )


def _result(told: dict[str, Any]) -> SyncResult:
    """Add up what ``outcome.summary`` says of one server."""
    passes = [done for server in told["servers"] for done in server["libraries"]]
    total = {name: sum(done[name] for done in passes) for name in _COUNTS}
    errors = [server["error"]["message"] for server in told["servers"] if server["error"]]
    errors += [f"{done['library']}: {done['error'] or done['status']}" for done in passes if done["status"] != "ok"]
    return SyncResult(
        updated=total["updated"],
        added=total["added"],
        removed=total["removed"],
        unchanged=total["unchanged"],
        restored=total["restored"],
        moved=total["moved"],
        skipped=total["skipped"],
        listed=total["listed"],
        errors=errors,
    )


def _in_words(server: str, result: SyncResult) -> str:
    counts = f"{result['added']} added, {result['updated']} updated, {result['removed']} removed"
    failed = f"; {'; '.join(result['errors'])}" if result["errors"] else ""
    return f"server {server!r}: {counts}{failed}"


def _with_hint(error: DaemonError) -> str:
    return f"{error}; {error.hint}" if error.hint else str(error)
