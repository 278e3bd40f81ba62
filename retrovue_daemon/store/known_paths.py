"""The paths that are stored for the files of some items."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from retrovue_daemon.store.lookup import json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from retrovue_daemon.records import Kind
    from retrovue_daemon.store.connection import Connection


class KnownPath(NamedTuple):
    """The path of a stored file, and the Plex guid of its item."""

    plex_path: str
    guid: str | None


_QUERY = """
SELECT rating_key, part_id, plex_path, source_id FROM media_files
WHERE server_id = ? AND media_type = ? AND rating_key IN (SELECT value FROM json_each(?))
    AND part_id IS NOT NULL AND plex_path IS NOT NULL
"""


async def known_paths(
    connection: Connection, kind: Kind, server_id: int, rating_keys: Iterable[str]
) -> dict[tuple[str, int], KnownPath]:
    """Return the stored paths of the files of these items of a kind, by rating key and part id."""
    keys = json_list(rating_keys)

    def read(plain: sqlite3.Connection) -> dict[tuple[str, int], KnownPath]:
        rows = plain.execute(_QUERY, (server_id, kind.value, keys))
        return {(key, part_id): KnownPath(plex_path, guid) for key, part_id, plex_path, guid in rows}

    return await connection.run(read)
