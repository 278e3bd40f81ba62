"""Changes by other programs that the daemon must act on: servers, switches, mappings, requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from retrovue_daemon.store.tables.libraries import read_libraries
from retrovue_daemon.store.tables.mappings import read_mappings
from retrovue_daemon.store.tables.servers import read_servers

if TYPE_CHECKING:
    import sqlite3

Rows: TypeAlias = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """Everything that others may write, to be compared with its previous state. It contains tokens: never log it."""

    servers: Rows
    libraries: Rows
    mappings: Rows

    def switched_off(self, before: Settings) -> set[int]:
        """Return the ids of the libraries that were switched off since, including new ones."""
        return self._off - before._off

    def switched_on(self, before: Settings) -> dict[int, int]:
        """Return the ids of the libraries that were switched on since, and of their servers."""
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
        """Return the ids and names of the servers whose rows were deleted since; a new row may have reused the id."""
        return {(row_id, name) for row_id, name, *_ in before.servers} - {
            (row_id, name) for row_id, name, *_ in self.servers
        }


def read_settings(connection: sqlite3.Connection) -> Settings:
    """Return the current state."""
    return Settings(
        tuple((row.id, row.name, row.url, row.token, row.is_active, row.source) for row in read_servers(connection)),
        tuple((row.id, row.sync_enabled, row.server_id) for row in read_libraries(connection)),
        tuple((row.server_id, row.mapping) for row in read_mappings(connection)),
    )
