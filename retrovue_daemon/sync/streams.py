"""The streams of files whose items are unchanged: a subtitle beside a file, or a new analysis, changes no item.

They are compared only if the server sent any, so that one that starts or stops listing streams changes no item. What
a server's listings contain is stored for its present version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.streams import replace_streams
from retrovue_daemon.store.tables.abilities import note_abilities, read_abilities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.records import Episode, Item, Movie, Page, Streams
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.store.database import Database
    from retrovue_daemon.store.items.lookup import StreamDigests


def listed_streams(kind: Kind, page: Page) -> dict[int, Streams]:
    """Return the streams of a page's files, by the ids of their Parts."""
    if kind not in {Kind.MOVIE, Kind.EPISODE}:
        return {}
    return {
        file.part_id: file.streams
        for item in cast("Sequence[Movie | Episode]", page.items)
        for file in item.files
        if file.streams is not None and file.part_id is not None
    }


async def update_streams(
    database: Database, items: Sequence[Item], listed: Mapping[int, Streams], stored: StreamDigests
) -> None:
    """Store those streams of unchanged items that differ from the stored ones."""
    changed = {
        row_id: listed[part_id] for part_id, (row_id, digest) in stored.items() if listed[part_id].digest != digest
    }
    if not changed:
        return
    parts = {file.part_id for item in cast("Sequence[Movie | Episode]", items) for file in item.files}
    unchanged = {row_id for part_id, (row_id, _) in stored.items() if part_id in parts}
    if streams := {row_id: each for row_id, each in changed.items() if row_id in unchanged}:
        await database.writer.run(replace_streams, streams)


_NAME: Final = "streams"


async def recall_streams(database: Database, client: PlexClient, server_id: int) -> None:
    """Set what is stored about the present version of the server in its client."""
    client.listed_streams.know((await database.reader.run(read_abilities, server_id)).get(_NAME))


async def remember_streams(database: Database, client: PlexClient, server_id: int) -> None:
    """Store what the client found out, if it is new."""
    listed = client.listed_streams
    if listed.is_new:
        await database.writer.run(note_abilities, server_id, {_NAME: listed.state})
        listed.is_new = False
