"""Syncing one server from another program, with the same results as the daemon.

If a daemon holds the database, the daemon does the work; otherwise this process holds the database during the sync.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrovue_daemon.api.callbacks import Callbacks
from retrovue_daemon.api.credentials import find_access
from retrovue_daemon.api.results import DiscoveredShow, PlexLibrary, SyncResult
from retrovue_daemon.api.search import combine_results, find_shows, stored_shows
from retrovue_daemon.clock import Clock
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
from retrovue_daemon.service.report import exit_code, summary, unmet
from retrovue_daemon.service.roster import ActiveServer
from retrovue_daemon.service.selection import Selection, check_year
from retrovue_daemon.service.supervisor import Supervisor
from retrovue_daemon.service.sync_request import request_sync
from retrovue_daemon.service.word_index import index_words_after_sync
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
"""For callers who wait for a yes or no: one retry distinguishes a glitch from a failure."""


def create_plex_importer(
    server_id: int,
    database: Database,
    status_callback: StatusCallback | None = None,
    *,
    token: str | Secret | None = None,
    config: str | os.PathLike[str] | None = None,
) -> PlexImporter:
    """Return the importer of a server, without contacting the server. Raises UnknownId.

    See PlexImporter for the parameters.
    """
    database.stored_server(server_id)
    return PlexImporter(server_id, database, status_callback, token=token, config=config)


class PlexImporter:
    """Queries and syncs one server of an open ``Database``.

    ``status_callback`` is called with a line of text when something starts, ends or fails. ``token`` and ``config``
    (a file) are for servers defined by a configuration outside the default locations; the database never holds their
    tokens. ``retry`` sets how requests are retried.

    Failures raise a DaemonError: PlexError if the server cannot be used, StoreError if the database cannot,
    TokenUnknown or ConfigError if the server's settings cannot be found.
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

    # -- queries ----------------------------------------------------------------------------------------------------

    async def test_connection(self) -> bool:
        """Return whether the server responds, is the known machine and accepts the token.

        A PlexError is not raised here: the result is False and the status callback receives the reason. The token of
        a user with whom libraries are shared may not see file paths.
        """
        board = ProgressBoard()
        async with Callbacks(board, status=self.status_callback) as callbacks:
            try:
                async with self._connected(_PROMPT) as (client, server):
                    if not await client.is_owner():
                        await client.libraries()
            except PlexError as error:
                callbacks.set_final(_with_hint(error))
                return False
            callbacks.set_final(f"server {server.name!r} is connected")
            return True

    async def get_libraries(self) -> list[PlexLibrary]:
        """Return the libraries that the server lists, of every type."""
        async with self._connected() as (client, server):
            listed = await client.libraries()
            section = (await self._access(server)).section
        stored = self.database.stored_libraries(server.id)
        return [_library(library, _row_of(library, stored), section) for library in listed]

    async def discover_shows_by_title(self, title: str, year: int | None = None) -> list[DiscoveredShow]:
        """Return the shows of all libraries whose titles contain a text; exact matches come first.

        A ``year`` of 0 selects shows without a year.
        """
        check_year(year)
        async with self._connected() as (client, server):
            found = await find_shows(client, title, year)
        stored = await asyncio.to_thread(stored_shows, self.database.path, server.id, found)
        return combine_results(found, stored)

    def get_local_path(self, plex_path: str, library_root: str | None = None) -> str:
        """Return the local path of a file of the server.

        ``library_root`` names its library; by default, the library whose root contains the path. A path that matches
        no mapping is returned unchanged. The mappings are those read by the last awaited call.
        """
        return self.database.get_local_path(self.server_id, plex_path, library_root)

    # -- syncing ----------------------------------------------------------------------------------------------------

    async def sync_all_libraries(
        self, progress_callback: ProgressCallback | None = None, *, full: bool = False, accept_removals: bool = False
    ) -> SyncResult:
        """Sync all libraries that are switched on, each as it is due.

        ``full`` lists them completely even if the server reports no changes. ``accept_removals`` does the same and
        applies removals that the safety guard would hold back. Raises DatabaseHeld if a process other than a daemon
        holds the database.
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
        """Sync one library, by key or title; the server determines its type. Also raises UnknownLibrary."""
        selection = Selection(library=str(library_key), full=full, accept_removals=accept_removals)
        return await self._sync(selection, progress_callback)

    async def sync_show_by_title_and_year(
        self, title: str, year: int | None = None, progress_callback: ProgressCallback | None = None
    ) -> SyncResult:
        """Sync one show with its seasons and episodes.

        Letter case is ignored. Raises UnknownShow, and AmbiguousShow if the title needs a year; 0 selects the show
        without a year.
        """
        return await self._sync(Selection(show=(title, year)), progress_callback)

    async def _sync(self, selection: Selection, progress_callback: ProgressCallback | None) -> SyncResult:
        selection.check()
        server = await self._server()
        if not server.is_active:
            error = UnknownServer(server.name, self.database.active_names())
            error.hint = "it is switched off; switch it on with set_plex_server_active"
            raise error
        board = ProgressBoard()
        async with Callbacks(board, progress_callback, self.status_callback) as callbacks:
            try:
                summarized = await self._sync_here(server, selection, board)
            except DatabaseHeld as held:
                if not held.serves:
                    raise
                summarized = await request_sync(held.path, selection, server.name, board)
            unknown = unmet(selection, summarized)
            if unknown is not None:
                raise unknown
            _raise_reported(selection, summarized)
            result = _result(summarized)
            names = [done["library"] for each in summarized["servers"] for done in each["libraries"]]
            callbacks.set_final(_in_words(server.name, result), names[-1] if names else "")
        await self._server()
        return result

    async def _sync_here(self, server: StoredServer, selection: Selection, board: ProgressBoard) -> dict[str, Any]:
        async with self.database.opened_alone() as opened:
            access = await self._access(server)
            supervisor = Supervisor(
                opened, access.config, board, redactor_in_use(), retry=self._retry or RetryPolicy()
            )
            active = ActiveServer(server.id, access.section)
            clock = Clock()
            began = clock.monotonic()
            (report,) = await opened.writer.guard(supervisor.sync_servers([active], selection))
            await opened.writer.guard(index_words_after_sync(opened, clock, began))
        if report.error is not None and not report.passes:
            raise report.error
        return summary([report], exit_code([report]))

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
        """Open a session with the server; the token is sent only if the machine is the known one."""
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


def _raise_reported(selection: Selection, summarized: dict[str, Any]) -> None:
    """Raise the error with which the running daemon refused a request, or that of a server that synced no library."""
    errors = [summarized.get("error"), *(each["error"] for each in summarized["servers"] if not each["libraries"])]
    for error in filter(None, errors):
        if selection.show is not None and error.get("type") == AmbiguousShow.__name__:
            raise AmbiguousShow(selection.show[0], [NamedShow(**show) for show in error.get("shows", ())])
        raise ReportedError(error.get("type") or "", error["message"], hint=error["hint"])


def _result(summarized: dict[str, Any]) -> SyncResult:
    """Add up the libraries of one server in a summary (``summary`` in ``service/report.py``)."""
    passes = [done for server in summarized["servers"] for done in server["libraries"]]
    total = {name: sum(done[name] for done in passes) for name in _COUNTS}
    errors = [server["error"]["message"] for server in summarized["servers"] if server["error"]]
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
