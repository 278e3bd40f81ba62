"""Keeps a local SQLite database in step with the libraries of one or many Plex Media Servers.

What other programs may use of the package is named here; docs/api.md describes it. It is imported at its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrovue_daemon.version import __version__

if TYPE_CHECKING:
    from retrovue_daemon.api.callbacks import ProgressCallback, StatusCallback
    from retrovue_daemon.api.database import Database
    from retrovue_daemon.api.importer import PlexImporter, create_plex_importer
    from retrovue_daemon.api.results import (
        DiscoveredShow,
        PathMappingRow,
        PlexLibrary,
        PlexServer,
        ServerLibrary,
        SyncResult,
    )
    from retrovue_daemon.api.run_sync import run_sync
    from retrovue_daemon.config import Secret
    from retrovue_daemon.errors import DaemonError
    from retrovue_daemon.paths import PlexPathMappingService
    from retrovue_daemon.records import PathMapping
    from retrovue_daemon.sources.plex.guid import GUIDParser, extract_guids_from_plex_metadata
    from retrovue_daemon.store.feed.reading import FeedState
    from retrovue_daemon.store.named_changes import FeedChange

__all__ = [
    "DaemonError",
    "Database",
    "DiscoveredShow",
    "FeedChange",
    "FeedState",
    "GUIDParser",
    "PathMapping",
    "PathMappingRow",
    "PlexImporter",
    "PlexLibrary",
    "PlexPathMappingService",
    "PlexServer",
    "ProgressCallback",
    "Secret",
    "ServerLibrary",
    "StatusCallback",
    "SyncResult",
    "__version__",
    "create_plex_importer",
    "extract_guids_from_plex_metadata",
    "run_sync",
]

_HOMES = {
    "retrovue_daemon.api.run_sync": ("run_sync",),
    "retrovue_daemon.api.callbacks": ("ProgressCallback", "StatusCallback"),
    "retrovue_daemon.config": ("Secret",),
    "retrovue_daemon.errors": ("DaemonError",),
    "retrovue_daemon.api.importer": ("PlexImporter", "create_plex_importer"),
    "retrovue_daemon.api.database": ("Database",),
    "retrovue_daemon.sources.plex.guid": ("GUIDParser", "extract_guids_from_plex_metadata"),
    "retrovue_daemon.store.feed.reading": ("FeedState",),
    "retrovue_daemon.store.named_changes": ("FeedChange",),
    "retrovue_daemon.paths": ("PlexPathMappingService",),
    "retrovue_daemon.records": ("PathMapping",),
    "retrovue_daemon.api.results": (
        "DiscoveredShow", "PathMappingRow", "PlexLibrary", "PlexServer", "ServerLibrary", "SyncResult",
    ),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the command line starts faster without most of them."""
    from importlib import import_module  # noqa: PLC0415 -- only here

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
