"""Access to the database for programs that embed the library, whether or not a daemon runs.

Each call opens the file briefly, in a thread, and nothing stays open between calls. The daemon may therefore start,
stop or upgrade the database at any time, and each awaited call sees its latest changes.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from retrovue_daemon.api.results import library_result, mapping_result, server_result
from retrovue_daemon.api.snapshot import ServerPaths, Snapshot, find_server
from retrovue_daemon.config.loading import path_mapping
from retrovue_daemon.errors import BadInput, DefinedByConfig
from retrovue_daemon.service.refusals import (
    as_input,
    checked_server,
    refuse_configured,
    refuse_taken,
    refuse_without_token,
)
from retrovue_daemon.store.change_reader import LOOK_S, ChangeReader
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.feed.reading import feed_state
from retrovue_daemon.store.file.opening import make_ready, mode_of
from retrovue_daemon.store.file.visits import changing, reading
from retrovue_daemon.store.tables.libraries import set_library_enabled
from retrovue_daemon.store.tables.mappings import delete_mapping, find_same, insert_mapping, read_mappings
from retrovue_daemon.store.tables.servers import (
    delete_server,
    insert_server,
    read_servers,
    set_server_active,
    update_server,
)

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from retrovue_daemon.api.results import PathMappingRow, PlexServer, ServerLibrary
    from retrovue_daemon.config import Secret
    from retrovue_daemon.store.database import Database as OpenDatabase
    from retrovue_daemon.store.feed.reading import FeedState
    from retrovue_daemon.store.named_changes import FeedChange
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.servers import StoredServer

T = TypeVar("T")


class Database:
    """A mirror at ``path``. Use it in an ``async with`` statement, which creates or upgrades the file if needed.

    Settings are changed in short transactions, which a running daemon notices within two seconds. All methods raise
    StoreError if the file cannot be used, and BadInput for invalid values. Entering the block raises DatabaseHeld if
    the database needs an upgrade while a process holds it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._given = Path(path).expanduser().absolute()
        self._path: Path | None = None
        self._known = Snapshot()
        self._paths: dict[int, ServerPaths] = {}
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Database({str(self._path or self._given)!r})"

    async def __aenter__(self) -> Self:
        self._path = await asyncio.to_thread(make_ready, self._given)
        await self.refresh()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._path = None

    @property
    def path(self) -> Path:
        """The file itself, with links resolved."""
        if self._path is None:
            raise RuntimeError("the database is not open: use it in an async with statement")
        return self._path

    async def refresh(self) -> None:
        """Read the servers, libraries and mappings that plain methods use. Every awaited method does this too."""
        self._known = await asyncio.to_thread(Snapshot.read, self.path)
        self._paths = {}

    # -- servers ----------------------------------------------------------------------------------------------------

    async def get_plex_servers(self) -> list[PlexServer]:
        """Return all servers, including inactive ones and those that a configuration defines."""
        await self.refresh()
        return [server_result(server) for server in self._known.servers]

    async def add_plex_server(self, name: str, url: str, token: str | Secret) -> int:
        """Store a server without contacting it, and return its id.

        If a configuration used to define a server of this name, the new one takes over its rows.
        """
        section = checked_server(name, url, token)

        def add(connection: sqlite3.Connection) -> int:
            refuse_taken(read_servers(connection), section)
            return insert_server(connection, section, is_active=True, now=_now())

        return await self._change(add)

    async def update_plex_server(
        self,
        server_id: int,
        name: str | None = None,
        server_url: str | None = None,
        token: str | Secret | None = None,
        is_active: bool | None = None,  # noqa: FBT001 -- as programs call it
    ) -> bool:
        """Change a server that the database defines, and return whether anything changed."""

        def update(connection: sqlite3.Connection) -> bool:
            servers = read_servers(connection)
            before = find_server(servers, server_id)
            refuse_configured(before, "this")
            refuse_without_token(before)
            if name is not None or server_url is not None or token is not None:
                section = checked_server(
                    before.name if name is None else name,
                    before.url if server_url is None else server_url,
                    (before.token or "") if token is None else token,
                )
                refuse_taken([server for server in servers if server.id != server_id], section)
                if (section.name, section.url, section.token) != (before.name, before.url, before.token):
                    update_server(connection, server_id, section, _now())
            if is_active is not None and is_active != before.is_active:
                set_server_active(connection, server_id, is_active=is_active, now=_now())
            return find_server(read_servers(connection), server_id) != before

        return await self._change(update)

    async def set_plex_server_active(
        self,
        server_id: int,
        active: bool,  # noqa: FBT001 -- as programs call it
    ) -> bool:
        """Switch the syncing of a server on or off, and return whether that changed anything; its rows stay."""
        return await self.update_plex_server(server_id, is_active=active)

    async def delete_plex_server(self, server_id: int) -> bool:
        """Delete a server and everything mirrored from it; return whether it existed.

        A large server takes a while: rows are deleted in small transactions, so that a daemon can write meanwhile.
        """
        await self.refresh()
        if all(server.id != server_id for server in self._known.servers):
            return False
        server = self._known.server(server_id)
        refuse_configured(server, "it")
        steps = delete_server(self.path, server_id, _now())
        while await asyncio.to_thread(next, steps, None) is not None:
            pass
        await self.refresh()
        return True

    # -- libraries --------------------------------------------------------------------------------------------------

    async def get_server_libraries(self, server_id: int | None = None) -> list[ServerLibrary]:
        """Return the libraries of one server or of all, as of the last sync."""
        await self.refresh()
        if server_id is not None:
            self._known.server(server_id)
        return [library_result(each) for each in self._known.libraries if server_id in {None, each.server_id}]

    async def set_library_sync_enabled(
        self,
        library_id: int,
        enabled: bool,  # noqa: FBT001 -- as programs call it
    ) -> bool:
        """Switch the syncing of a library on or off, and return whether that changed anything; its rows stay."""
        await self.refresh()
        if self._known.library(library_id).sync_enabled == enabled:
            return False
        await self._change(
            lambda connection: set_library_enabled(connection, library_id, enabled=enabled, now=_now())
        )
        return True

    # -- path mappings ----------------------------------------------------------------------------------------------

    async def get_plex_path_mappings(self, server_id: int | None = None) -> list[PathMappingRow]:
        """Return the path mappings of one server or of all, including those of a configuration."""
        await self.refresh()
        if server_id is not None:
            self._known.server(server_id)
        return [mapping_result(each) for each in self._known.mappings if server_id in {None, each.server_id}]

    async def add_plex_path_mapping(
        self,
        plex_path: str,
        local_path: str,
        server_id: int,
        library_root: str | None = None,
        library_name: str | None = None,
    ) -> int:
        """Store a path mapping and return its id; an identical one is kept.

        ``library_root`` and ``library_name`` limit it to the library with that root or title.
        """
        with as_input("path mapping"):
            mapping = path_mapping(plex_path, local_path, library_name=library_name, library_root=library_root)

        def add(connection: sqlite3.Connection) -> int:
            find_server(read_servers(connection), server_id)
            stored = find_same(read_mappings(connection, server_id), mapping)
            if stored is not None and stored.mapping.local_path == mapping.local_path:
                return stored.id
            if stored is not None:
                raise BadInput(
                    f"{plex_path!r} is mapped to {stored.mapping.local_path!r} already, for the same library",
                    hint=f"delete mapping {stored.id} first",
                )
            return insert_mapping(connection, server_id, mapping, _now())

        return await self._change(add)

    async def delete_plex_path_mapping(self, mapping_id: int) -> bool:
        """Delete a path mapping that the database defines; return whether it existed."""

        def delete(connection: sqlite3.Connection) -> bool:
            for stored in read_mappings(connection):
                if stored.id == mapping_id:
                    if stored.source == "config":
                        raise DefinedByConfig(stored.server, "this mapping", None)
                    delete_mapping(connection, mapping_id)
                    return True
            return False

        return await self._change(delete)

    def get_local_path(self, server_id: int, plex_path: str, library_root: str | None = None) -> str:
        """Return the local path of a file of a server, as a sync stores it in ``file_path``.

        The library is the one with ``library_root``; by default, the one whose root contains the path. Uses the
        mappings that were last read. Raises UnknownId.
        """
        self.path  # noqa: B018 -- raises where the database is not open
        if server_id not in self._paths:
            self._known.server(server_id)
            self._paths[server_id] = ServerPaths(
                [stored.mapping for stored in self._known.mappings if stored.server_id == server_id],
                [library for library in self._known.libraries if library.server_id == server_id],
            )
        return self._paths[server_id].local_path(plex_path, library_root)

    # -- changes ----------------------------------------------------------------------------------------------------

    async def feed_state(self) -> FeedState:
        """Return the state of the change feed: read everything anew if ``feed_id`` is not the one that you know."""
        return await asyncio.to_thread(_visit, self.path, feed_state)

    async def changes(self, since: int) -> list[FeedChange]:
        """Return everything that changed after the entry with this number (``seq``), in order.

        Each change has the row's title, server, library and path as they are now; a deleted row has none. Raises
        ReadAnew if the feed does not go on from there.
        """
        return [change async for change in self._changes(since, follows=False)]

    def follow_changes(self, since: int) -> AsyncIterator[FeedChange]:
        """Yield everything that changed after an entry, then what changes from now on, within a second.

        Raises ReadAnew as `changes` does, also when a copy is restored meanwhile.
        """
        return self._changes(since, follows=True)

    async def _changes(self, position: int, *, follows: bool) -> AsyncIterator[FeedChange]:
        reader = ChangeReader(self.path, position)
        while True:
            while (found := await asyncio.to_thread(reader.read)) is not None:
                for change in found:
                    yield change
            if not follows:
                return
            while not await asyncio.to_thread(reader.is_written):  # noqa: ASYNC110 -- another process writes
                await asyncio.sleep(LOOK_S)

    # -- for the importer -------------------------------------------------------------------------------------------

    def stored_server(self, server_id: int, name: str | None = None) -> StoredServer:
        """Return a server as last read, by id, or by name if its row has changed.

        A server that proves to be one mirrored before takes over the earlier row. Raises UnknownId.
        """
        self.path  # noqa: B018 -- raises where the database is not open
        ids = {server.id for server in self._known.servers}
        named = [server for server in self._known.servers if server.name == name]
        return named[0] if server_id not in ids and named else self._known.server(server_id)

    def stored_libraries(self, server_id: int) -> list[StoredLibrary]:
        """Return the libraries of a server as last read."""
        return [library for library in self._known.libraries if library.server_id == server_id]

    def active_names(self) -> list[str]:
        """Return the names of the active servers."""
        return [server.name for server in self._known.servers if server.is_active]

    @asynccontextmanager
    async def opened_alone(self) -> AsyncIterator[OpenDatabase]:
        """Open the database as the daemon would, to sync; concurrent callers wait for their turn.

        Raises DatabaseHeld if another process holds it.
        """
        async with self._turn:
            mode = await asyncio.to_thread(mode_of, self.path)
            async with open_database(self.path, mode=mode) as database:
                yield database

    async def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run one write transaction, then read the settings again."""
        path = self.path

        def visit() -> T:
            with changing(path) as connection:
                return work(connection)

        result = await asyncio.to_thread(visit)
        await self.refresh()
        return result


def _visit(path: Path, query: Callable[[sqlite3.Connection], T]) -> T:
    with reading(path) as connection:
        return query(connection)


def _now() -> int:
    return int(time.time())
