"""What each server can do, found out once per version of it and kept as JSON in plex_servers.abilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

_VERSION: Final = "version"
"""The server's version for which the others were found out."""


def read_abilities(connection: sqlite3.Connection, server_id: int) -> dict[str, Any]:
    """Return what is known about a server in its present version."""
    rows = connection.execute("SELECT abilities, version FROM plex_servers WHERE id = ?", (server_id,))
    for text, version in rows:
        try:
            known = msgspec.json.decode(text or "{}", type=dict[str, Any])
        except msgspec.DecodeError:
            return {}
        return known if known.pop(_VERSION, None) == version else {}
    return {}


def note_abilities(connection: sqlite3.Connection, server_id: int, found: Mapping[str, object]) -> None:
    """Store what was found out about a server, beside what is known; an ability of None is forgotten."""
    known = {**read_abilities(connection, server_id), **found}
    kept = {name: value for name, value in known.items() if value is not None}
    for (version,) in connection.execute("SELECT version FROM plex_servers WHERE id = ?", (server_id,)).fetchall():
        text = msgspec.json.encode({_VERSION: version, **kept}).decode()
        connection.execute(
            "UPDATE plex_servers SET abilities = ?1 WHERE id = ?2 AND abilities IS NOT ?1", (text, server_id)
        )
