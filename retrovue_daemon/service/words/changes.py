"""What happened to a row of the mirror, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

OPS: Final[Mapping[str, str]] = {
    "added": "added",
    "updated": "updated",
    "moved": "moved to another library",
    "missing": "no longer listed by the server",
    "restored": "listed again",
    "deleted": "deleted",
    "path_changed": "local path changed",
}

KINDS: Final[Mapping[str, str]] = {
    "movie": "film",
    "show": "show",
    "season": "season",
    "episode": "episode",
    "collection": "collection",
    "library": "library",
    "server": "server",
}
