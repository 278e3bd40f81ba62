"""Recognizing a database of the original Retrovue by its tables and columns.

Its version numbers do not distinguish the layouts: releases 1.2.x store none of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import sqlite3

Layout: TypeAlias = Literal["2", "3", "1.2"]
"""Schema versions 2 and 3, and releases 1.2.x, whose tables have different columns."""

_SERVERS_OF_1_2 = {"name", "base_url"}
_SERVERS = {"name", "server_url"}


def layout(connection: sqlite3.Connection) -> Layout | None:
    """Return the layout of a Retrovue database, or None for any other database and for unknown layouts."""
    servers = columns(connection, "plex_servers")
    if servers >= _SERVERS_OF_1_2 and "plex_library_key" in columns(connection, "libraries"):
        return "1.2"
    if not servers >= _SERVERS or not columns(connection, "schema_version"):
        return None
    return "3" if "plex_prefix" in columns(connection, "path_mappings") else "2"


def columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """Return the names of a table's columns; empty if the table does not exist."""
    return {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
