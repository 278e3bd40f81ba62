"""What other programs write that the daemon must act on: servers, switches, mappings, requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import aiosqlite

Rows: TypeAlias = tuple[tuple[Any, ...], ...]

_QUERIES = {
    "servers": "SELECT id, name, server_url, token, is_active, source FROM plex_servers ORDER BY id",
    "libraries": "SELECT id, sync_enabled FROM libraries ORDER BY id",
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
        """Return the ids of the libraries whose switch was turned off since."""
        was_on = {library_id for library_id, enabled in before.libraries if enabled}
        return {library_id for library_id, enabled in self.libraries if not enabled} & was_on

    def switched_on(self, before: Settings) -> set[int]:
        """Return the ids of the libraries whose switch was turned on since."""
        was_off = {library_id for library_id, enabled in before.libraries if not enabled}
        return {library_id for library_id, enabled in self.libraries if enabled} & was_off


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
