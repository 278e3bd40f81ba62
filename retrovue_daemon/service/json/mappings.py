"""Path mappings, and which files they cover, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.service.management.coverage import Coverage, Group, Seen
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


class CoveredJson(msgspec.Struct, frozen=True):
    """Files below one prefix: their mapping, null if they have none, and how many of a few exist on this machine."""

    server: str
    plex_path: str
    mapping: int | None
    local_path: str | None
    libraries: list[str]
    files: int
    samples_looked_for: int
    samples_found: int


class CoverageJson(msgspec.Struct, frozen=True):
    """Which files mappings cover, and the mappings that match none."""

    covered: list[CoveredJson]
    uncovered: list[CoveredJson]
    unused: list[MappingJson]
    files_without_path: int


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


def coverage_json(found: Coverage, seen: Sequence[Seen | None]) -> CoverageJson:
    """Return which files mappings cover; ``seen`` says of each group which samples exist, None if that is unknown."""
    groups = list(zip(found.groups, seen, strict=True))
    return CoverageJson(
        covered=[_covered(group, there) for group, there in groups if group.mapping],
        uncovered=[_covered(group, there) for group, there in groups if not group.mapping],
        unused=[mapping_json(entry) for entry in found.unused],
        files_without_path=found.without_path,
    )


def _covered(group: Group, there: Seen | None) -> CoveredJson:
    return CoveredJson(
        server=group.server,
        plex_path=group.prefix,
        mapping=None if group.mapping is None else group.mapping.id,
        local_path=None if group.mapping is None else group.mapping.mapping.local_path,
        libraries=group.libraries,
        files=group.files,
        samples_looked_for=0 if there is None else there.looked_at,
        samples_found=0 if there is None else there.found,
    )
