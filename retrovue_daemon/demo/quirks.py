"""Permanent oddities of a simulated server: each stays active until it is switched off.

Each has been observed on a real server, an old version or a proxy in between, or is documented. `faults` holds what
fails once or a few times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec.structs import replace

from retrovue_daemon.demo.items import Episode, Movie
from retrovue_daemon.demo.versions import without_folders

if TYPE_CHECKING:
    from collections.abc import Sequence


class Quirks(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Set and reset at any time: `plex.quirks.page_cap = 100`.

    - `latency`: seconds by which every response is delayed.
    - `bandwidth`: bytes per second shared by all responses, as on a slow line.
    - `always_xml`: XML regardless of the Accept header.
    - `ignores_start`: every page is the first one.
    - `page_cap`: the largest number of entries on a page.
    - `no_totals`: neither totalSize nor the total header.
    - `refuses_all_leaves`: the status (400, 404, 501) of every allLeaves request for a library.
    - `leaves_without_guids`: allLeaves of a library has no Guid arrays, even if requested.
    - `not_plex`: another program answers on every path: "html" pages, or "json" of its own.
    - `empty_libraries`: keys of libraries that are listed but respond as if they were empty.
    - `hidden_libraries`: keys of libraries missing from /library/sections.
    - `unlisted`: ids of existing items missing from the listings of libraries.
    - `ignores_filters`: a listing contains everything, whatever was requested.
    - `refuses_time_filters`: 400 for a listing filtered by updatedAt or addedAt.
    - `hidden_seasons`: episodes do not name their season, as on servers before 2017.
    - `no_locations`: /library/sections does not list the folders of libraries.
    - `hides`: what a shared user's token cannot see of files: their "folders" or their whole "paths".
    - `listed_streams`: how listings treat includeElements=Stream: it may "work", be "refused" with a 500, be
      "ignored", or be "exclusive": the entries have streams, but neither guids nor tags.
    - `plain_batches`: a request for the details of several items gets no chapters and no markers.
    - `longest_target`: the length of path and query from which a request for details gets a 414, as from a proxy.
    - `no_legacy_search`: /library/sections/all lists libraries even if a type is requested, as documented.
    - `no_pictures`: no item has the picture that its address names.
    - `no_transcoder`: 404 where pictures are made smaller, as from a proxy that passes on only a library.
    """

    latency: Annotated[float, msgspec.Meta(ge=0, le=600)] = 0.0
    bandwidth: Annotated[float, msgspec.Meta(gt=0)] | None = None
    always_xml: bool = False
    ignores_start: bool = False
    page_cap: Annotated[int, msgspec.Meta(ge=1)] | None = None
    no_totals: bool = False
    refuses_all_leaves: Literal[400, 404, 501] | None = None
    leaves_without_guids: bool = False
    not_plex: Literal["html", "json"] | None = None
    empty_libraries: set[str] = msgspec.field(default_factory=set)
    hidden_libraries: set[str] = msgspec.field(default_factory=set)
    unlisted: set[int] = msgspec.field(default_factory=set)
    ignores_filters: bool = False
    refuses_time_filters: bool = False
    hidden_seasons: bool = False
    no_locations: bool = False
    hides: Literal["folders", "paths"] | None = None
    listed_streams: Literal["work", "refused", "ignored", "exclusive"] = "work"
    plain_batches: bool = False
    longest_target: Annotated[int, msgspec.Meta(ge=1)] | None = None
    no_legacy_search: bool = False
    no_pictures: bool = False
    no_transcoder: bool = False

    def as_visible(self, page: Sequence[Any]) -> Sequence[Any]:
        """Return a page as the token's owner may see it."""
        if self.hides is None:
            return page
        return [
            replace(each, media=without_folders(each.media, names=self.hides == "folders"))
            if isinstance(each, Movie | Episode)
            else each
            for each in page
        ]
