"""The streams of files whose items are unchanged: a subtitle beside a file, or a new analysis, changes no item.

They are compared only if the server sent any, so that one that starts or stops listing streams changes no item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.streams import replace_streams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.records import Episode, Item, Movie, Page, Streams
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
