"""The normal form of stored paths in SQL: nearly all paths are in it already and need no call into Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.paths import path_form

if TYPE_CHECKING:
    import sqlite3

PATH_FORM = (
    "CASE WHEN f.plex_path GLOB '/*' AND NOT f.plex_path GLOB '*//*' AND NOT f.plex_path GLOB '*/'"
    " AND NOT f.plex_path GLOB '*[^ -~]*' THEN f.plex_path"
    " WHEN f.plex_path IS NOT NULL THEN path_form(f.plex_path) END"
)
"""The form for the row ``f`` of media_files; NULL if it has no path."""


def provide_path_form(connection: sqlite3.Connection) -> None:
    """Enable ``PATH_FORM`` in the statements of this connection."""
    connection.create_function("path_form", 1, path_form, deterministic=True)
