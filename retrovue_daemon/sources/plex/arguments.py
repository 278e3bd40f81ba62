"""The arguments of requests: what responses should contain and what they may omit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.records import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

LEFT_OUT: Final = "excludeElements"
"""The argument that lists what a response may omit."""

_TYPE: Final = "type"
_NOT_STORED: Final = "Country,Rating,Collection,Writer,Role,Producer,Similar,Image,UltraBlurColors"
_TAGS: Final = "Genre,Director"

_LISTED: Final = {
    "includeGuids": "1",
    # By default, collections appear between the items and count towards the total.
    "includeCollections": "0",
    # Pages are cut by position: sorted by id, new items come last; sorted by title, they would shift the rest.
    "sort": "id",
    # A fifth of a listing that is not stored. It is only a request: some servers send these fields anyway.
    LEFT_OUT: _NOT_STORED,
}

LEAVES: Final[Mapping[str, str]] = {**_LISTED, LEFT_OUT: f"{_NOT_STORED},{_TAGS}"}
"""For the listing of all episodes, whose path implies the type; tags of episodes are not stored."""

BY_TYPE: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.MOVIE: {**_LISTED, _TYPE: "1"},
    Kind.SHOW: {**_LISTED, _TYPE: "2"},
    Kind.SEASON: {**LEAVES, _TYPE: "3"},
    Kind.EPISODE: {**LEAVES, _TYPE: "4"},
}
"""For the listing of a kind, by its number in the API (https://developer.plex.tv/pms/, section "Types")."""

DETAILS: Final[Mapping[str, str]] = {
    "includeGuids": "1",
    # Otherwise the server treats the request as a visit and refreshes the item's files and agents.
    "skipRefresh": "1",
}
"""For single items."""


_TIMES: Final = {
    "includeChapters": "1",
    "includeMarkers": "1",
    "skipRefresh": "1",
}
_NOT_IN_DETAILS: Final = "Media,Guid,Rating,Collection,Similar,Image,UltraBlurColors,Extras,Location,Field"

ALL_DETAILS: Final[Mapping[str, str]] = {
    **_TIMES,
    # Actors are most of a response, so that leaving out the rest, which listings have, saves half of what remains.
    LEFT_OUT: _NOT_IN_DETAILS,
    "excludeFields": "summary,tagline,slug",
}
"""For the details of many items: tags, credits, chapters and markers."""

TIMES_ONLY: Final[Mapping[str, str]] = {
    **ALL_DETAILS,
    LEFT_OUT: f"{_NOT_IN_DETAILS},{_TAGS},Country,Label,Network,Mood,Style,Writer,Producer,Role",
}
"""For reading chapters and markers again."""

KEYS_ONLY: Final[Mapping[str, str]] = {
    "excludeElements": f"Media,Guid,{_NOT_STORED},{_TAGS},Label,Field",
    "excludeFields": "summary,tagline,thumb,art,theme,parentThumb,grandparentThumb,grandparentArt,grandparentTheme",
}
"""For listings of which only the rating keys are read."""


def paging(start: int, size: int) -> dict[str, str]:
    """Return the arguments for a page. They are not sent as headers, so that caches do not confuse pages."""
    return {"X-Plex-Container-Start": str(start), "X-Plex-Container-Size": str(size)}
