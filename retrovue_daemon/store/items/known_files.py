"""The stored files of items, as records."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from retrovue_daemon.paths.form import is_whole
from retrovue_daemon.records import MediaFile
from retrovue_daemon.store.items.lookup import json_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from retrovue_daemon.records import Kind


class KnownFile(NamedTuple):
    """A stored file with a complete path, and the Plex guid of its item."""

    file: MediaFile
    plex_path: str
    guid: str | None


_QUERY = """
SELECT rating_key, source_id, media_id, part_id, part_index, plex_path, duration, size, container, video_codec,
    audio_codec, audio_channels, width, height, video_resolution, bitrate, optimized, change_stamp,
    state = 'unavailable'
FROM media_files
WHERE server_id = ? AND media_type = ? AND rating_key IN (SELECT value FROM json_each(?)) AND plex_path IS NOT NULL
ORDER BY id
"""
"""From the third column on, in the order of MediaFile; ids follow the order of the listing."""


def known_files(
    connection: sqlite3.Connection, kind: Kind, server_id: int, rating_keys: Iterable[str]
) -> Mapping[str, Sequence[KnownFile]]:
    """Return the stored files of these items of one kind whose complete paths are known, by rating key."""
    found: defaultdict[str, list[KnownFile]] = defaultdict(list)
    for key, guid, *fields in connection.execute(_QUERY, (server_id, kind.value, json_list(rating_keys))):
        file = msgspec.convert(fields, MediaFile, strict=False)
        if file.plex_path is not None and is_whole(file.plex_path):
            found[key].append(KnownFile(file, file.plex_path, guid))
    return found
