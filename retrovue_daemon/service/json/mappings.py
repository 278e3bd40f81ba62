"""A path mapping, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.store.tables.mappings import StoredMapping


class MappingJson(msgspec.Struct, frozen=True):
    """A path mapping, which may be only for the library with a title or a root."""

    id: int
    server: str
    plex_path: str
    local_path: str
    library_name: str | None
    library_root: str | None
    source: str


def mapping_json(entry: StoredMapping) -> MappingJson:
    """Return a mapping."""
    mapping = entry.mapping
    return MappingJson(
        id=entry.id,
        server=entry.server,
        plex_path=mapping.plex_path,
        local_path=mapping.local_path,
        library_name=mapping.library_name,
        library_root=mapping.library_root,
        source=entry.source,
    )
