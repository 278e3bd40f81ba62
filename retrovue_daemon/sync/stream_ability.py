"""Remembering between runs whether a server lists streams: plex_servers.abilities, key ``streams``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.store.tables.abilities import note_abilities, read_abilities

if TYPE_CHECKING:
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.store.database import Database

_NAME: Final = "streams"


async def recall_streams(database: Database, client: PlexClient, server_id: int) -> None:
    """Tell the client what is stored about the present version of its server."""
    client.listed_streams.know((await database.reader.run(read_abilities, server_id)).get(_NAME))


async def remember_streams(database: Database, client: PlexClient, server_id: int) -> None:
    """Store what the client found out, if it is new."""
    listed = client.listed_streams
    if listed.is_new:
        await database.writer.run(note_abilities, server_id, {_NAME: listed.state})
        listed.is_new = False
