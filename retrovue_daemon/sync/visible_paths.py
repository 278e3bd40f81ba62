"""Checking, with a few files, whether libraries can be listed and a token can see file paths; needs no sync."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from retrovue_daemon.errors import PlexError, ServerTimeout
from retrovue_daemon.paths import is_whole
from retrovue_daemon.records import Episode, Kind, Movie

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrovue_daemon.records import Item, LibraryListing
    from retrovue_daemon.sources.plex.client import PlexClient

_SAMPLE = 20
"""Items per library: even for an owner, the first ones may have files without a path."""

_WITH_FILES = {"movie": Kind.MOVIE, "show": Kind.EPISODE}
"""The kind of item that has files, per library type."""


class VisiblePaths(StrEnum):
    """How much of the file paths a token can see."""

    WHOLE = "whole"
    NAMES = "names"
    NONE = "none"

    @property
    def problem(self) -> str | None:
        """What the token cannot see, or None."""
        return {
            VisiblePaths.WHOLE: None,
            VisiblePaths.NAMES: "the token cannot see file paths, only file names",
            VisiblePaths.NONE: "the token cannot see file paths or file names",
        }[self]


class Samples(NamedTuple):
    """How much of the file paths the token can see, None if no library shows a file; ``failures`` by title."""

    paths: VisiblePaths | None
    failures: dict[str, PlexError]


async def read_samples(client: PlexClient, libraries: Iterable[LibraryListing]) -> Samples:
    """Request the beginning of each library.

    After one that does not come in time, no other one is requested: each would take as long.
    """
    best: VisiblePaths | None = None
    failures: dict[str, PlexError] = {}
    for library in libraries:
        kind = _WITH_FILES.get(library.kind)
        if kind is None:
            continue
        try:
            page = await client.beginning(library.key, kind, size=_SAMPLE)
        except PlexError as error:
            failures[library.title.strip()] = error
            if isinstance(error, ServerTimeout):
                break
            continue
        best = max(filter(None, (best, _seen_of(page.items))), key=_ORDER.index, default=None)
    return Samples(best, failures)


_ORDER: Final = (VisiblePaths.NONE, VisiblePaths.NAMES, VisiblePaths.WHOLE)
"""One library that shows more decides: Plex either shows paths to a user or does not."""


def _seen_of(items: Iterable[Item]) -> VisiblePaths | None:
    items = tuple(items)
    if not items:
        return None
    paths = [file.plex_path for item in items if isinstance(item, Movie | Episode) for file in item.files]
    if any(map(is_whole, paths)):
        return VisiblePaths.WHOLE
    return VisiblePaths.NAMES if any(paths) else VisiblePaths.NONE
