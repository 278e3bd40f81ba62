"""The arguments of requests: what answers are to hold, and what they may leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.records import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

LEFT_OUT: Final = "excludeElements"
"""The argument that says what an answer may leave out."""

_TYPE: Final = "type"
_NOT_STORED: Final = "Country,Rating,Collection,Writer,Role,Producer,Similar,Image,UltraBlurColors"
_TAGS: Final = "Genre,Director"

_LISTED: Final = {
    "includeGuids": "1",
    # By default collections stand between the items and count in the total.
    "includeCollections": "0",
    # Pages are cut by position: by id new ones come last, by title they move the rest.
    "sort": "id",
    # A fifth of a listing that is not stored. It is a request and no condition: some servers send it all the same.
    LEFT_OUT: _NOT_STORED,
}

LEAVES: Final[Mapping[str, str]] = {**_LISTED, LEFT_OUT: f"{_NOT_STORED},{_TAGS}"}
"""For the listing of all episodes, whose path says so; they are stored without tags."""

BY_TYPE: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.MOVIE: {**_LISTED, _TYPE: "1"},
    Kind.SHOW: {**_LISTED, _TYPE: "2"},
    Kind.SEASON: {**LEAVES, _TYPE: "3"},
    Kind.EPISODE: {**LEAVES, _TYPE: "4"},
}
"""For the listing of a kind, with the API's number of it (https://developer.plex.tv/pms/, section "Types")."""

DETAILS: Final[Mapping[str, str]] = {
    "includeGuids": "1",
    # Else the server takes the question for a visit, and looks at the item's files and agents anew.
    "skipRefresh": "1",
}
"""For single items."""


def paging(start: int, size: int) -> dict[str, str]:
    """Return what asks for a page: as arguments and not as headers, so that no cache takes one page for another."""
    return {"X-Plex-Container-Start": str(start), "X-Plex-Container-Size": str(size)}
