"""Whether a token sees where files are, found out by a few files: without a sync, and without a database."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from retrovue_daemon.errors import PlexError
from retrovue_daemon.paths.form import is_whole
from retrovue_daemon.records import Episode, Kind, Movie

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrovue_daemon.records import Item, LibraryListing
    from retrovue_daemon.sources.plex.client import PlexClient

_SAMPLE = 20
"""Items: an owner's library may begin with some whose files have no path."""

_WITH_FILES = {"movie": Kind.MOVIE, "show": Kind.EPISODE}
"""What has files in a library of each type."""


class VisiblePaths(StrEnum):
    """What a token sees of paths of files."""

    WHOLE = "whole"
    NAMES = "names"
    NONE = "none"

    @property
    def problem(self) -> str | None:
        """What the token does not see, or None."""
        return {
            VisiblePaths.WHOLE: None,
            VisiblePaths.NAMES: "the token does not see where files are, only their names",
            VisiblePaths.NONE: "the token does not see where files are, nor their names",
        }[self]


async def visible_paths(client: PlexClient, libraries: Iterable[LibraryListing]) -> VisiblePaths | None:
    """Return what the token sees of paths; None where none of the libraries shows a file.

    One request per library, until one shows a whole path: Plex shows paths to a user, or does not. A library that
    cannot be listed shows nothing.
    """
    best = None
    for library in libraries:
        kind = _WITH_FILES.get(library.kind)
        if kind is None:
            continue
        try:
            page = await client.beginning(library.key, kind, size=_SAMPLE)
        except PlexError:
            continue
        seen = _seen_of(page.items)
        if seen is VisiblePaths.WHOLE:
            return seen
        best = seen if best is None or seen is VisiblePaths.NAMES else best
    return best


def _seen_of(items: Iterable[Item]) -> VisiblePaths | None:
    items = tuple(items)
    if not items:
        return None
    paths = [file.plex_path for item in items if isinstance(item, Movie | Episode) for file in item.files]
    if any(map(is_whole, paths)):
        return VisiblePaths.WHOLE
    return VisiblePaths.NAMES if any(paths) else VisiblePaths.NONE
