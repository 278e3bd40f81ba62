"""Standing oddities of a simulated server: it keeps behaving so until told otherwise.

Each is something that a real server, an old version or a proxy in between has been seen doing. What goes wrong once
or a few times is in `faults`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class Quirks(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Set and unset at any time: `plex.quirks.page_cap = 100`.

    - `latency`: seconds by which every answer comes later.
    - `bandwidth`: bytes a second that all answers share, as over a line between two houses.
    - `always_xml`: XML whatever the Accept header says.
    - `ignores_start`: every page is the first one.
    - `page_cap`: no page holds more entries than this.
    - `no_totals`: neither totalSize nor the total header.
    - `refuses_all_leaves`: the status (400, 404, 501) of every allLeaves of a library.
    - `leaves_without_guids`: allLeaves of a library has no Guid arrays, though asked.
    - `not_plex`: something else listens here, and answers all paths: a page in "html", or "json" of its own.
    - `empty_libraries`: keys of libraries that are listed, but answer as if nothing were in them.
    - `hidden_libraries`: keys of libraries that /library/sections leaves out.
    - `unlisted`: ids of items that are there, but that no listing of libraries shows.
    - `ignores_filters`: a listing shows everything, whatever was asked for.
    - `refuses_time_filters`: 400 where a listing is asked for by updatedAt or addedAt.
    - `hidden_seasons`: episodes do not name the season that they belong to, as on servers before 2017.
    - `no_locations`: /library/sections does not say where libraries have their folders.
    - `hides`: what a token that is not the owner's does not see of files: their "folders", or their "paths" at all.
    - `no_legacy_search`: /library/sections/all lists the libraries also where a type is asked for, as documented.
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
    no_legacy_search: bool = False
