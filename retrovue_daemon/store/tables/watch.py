"""What other programs write that the daemon must act on: servers, switches, mappings, requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import aiosqlite

Rows: TypeAlias = tuple[tuple[Any, ...], ...]

_QUERIES = {
    "servers": "SELECT id, name, server_url, token, is_active, source FROM plex_servers ORDER BY id",
    "libraries": "SELECT id, sync_enabled, server_id FROM libraries ORDER BY id",
    "mappings": (
        "SELECT server_id, plex_path, local_path, library_name, library_root FROM plex_path_mappings ORDER BY id"
    ),
}


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """All that others may have written, to be compared with what was there before. It holds tokens: never log it."""

    servers: Rows
    libraries: Rows
    mappings: Rows

    def switched_off(self, before: Settings) -> set[int]:
        """Return the ids of the libraries whose switch was turned off since, also of those that are new."""
        return self._off - before._off

    def switched_on(self, before: Settings) -> dict[int, int]:
        """Return the ids of the libraries whose switch was turned on since, and of their servers."""
        return {
            library_id: server_id
            for library_id, enabled, server_id in self.libraries
            if enabled and library_id in before._off
        }

    def deactivated(self, before: Settings) -> set[str]:
        """Return the names of the servers that were switched off since."""
        return self._inactive - before._inactive

    @property
    def _inactive(self) -> set[str]:
        return {name for _, name, _, _, is_active, _ in self.servers if not is_active}

    @property
    def _off(self) -> set[int]:
        return {library_id for library_id, enabled, _ in self.libraries if not enabled}

    def deleted(self, before: Settings) -> set[tuple[int, str]]:
        """Return ids and names of the servers whose rows are gone since; the next row may have got the id."""
        return {(row_id, name) for row_id, name, *_ in before.servers} - {
            (row_id, name) for row_id, name, *_ in self.servers
        }


async def data_version(connection: aiosqlite.Connection) -> int:
    """Return a number that changes when any other connection has committed: https://sqlite.org/pragma.html."""
    ((version,),) = await connection.execute_fetchall("PRAGMA data_version")
    return int(version)


async def read_settings(connection: aiosqlite.Connection) -> Settings:
    """Read what there is now."""
    found = {
        name: tuple([tuple(row) for row in await connection.execute_fetchall(query)])
        for name, query in _QUERIES.items()
    }
    return Settings(**found)
