"""How a server sends its notifications: the forms that differ between versions, and oddities of the line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from retrovue_daemon.demo.release import RELEASE_2016, RELEASE_2023

if TYPE_CHECKING:
    from retrovue_daemon.demo.release import Release

Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
State = Annotated[int, msgspec.Meta(ge=0, le=9)]


class NotificationQuirks(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Set and reset at any time: `plex.notifications.quirks.ids = "numbers"`. The defaults are those of 1.43.

    Forms of a frame:

    - `envelope`: "wrapped" in a NotificationContainer; "type_last", the same with `type` after the payload (2016);
      "bare", without that container; "legacy", with `_children` (before 1.3).
    - `payload`: "usual" is a list on the websocket and one object in the event stream; or always "list" or "object".
    - `ids`: "texts"; "numbers" as in 2018; or "mixed": libraries are numbers and items texts.
    - `binary`: binary messages instead of texts.
    - `bundled`: entries that follow one another come in one frame.
    - `no_size`, `no_identifier`, `no_section`: frames and entries without these fields.

    What a change sends:

    - `states`: the states that a new item goes through, in any order. Without the 5, the last frame is lost.
    - `settled`: the last entry has metadataState "created", or is "plain".
    - `twice`: a settled entry comes first with mediaState, then without.
    - `deleted`: "state" 9 with the old type, or "type" -1 with state 5.
    - `after_deletion`: another entry of a deleted item follows, with state 3.
    - `backwards`: children before their parents.
    - `queue_size`: new items come with the length of the queue.
    - `context`: when a scan names its library: "late" (not when it starts), "ended", "always" or "never".
    - `updates`: how many frames each scan sends while it runs; a real server sends one per file.
    - `extras`: a new film brings an extra, of type 12, without a library.
    - `foreign`: after each entry comes one of a guide provider that deletes an item with the same ids.
    - `collections`: collections send entries of type 18, which no recording shows.
    - `duplicates`: how often each frame is sent again.
    - `feedback`: a request for details makes the server check the items and say so: if "asked", which is without
      skipRefresh=1, "always" or "never"; or it makes it fetch their metadata again ("refreshes").

    The connection:

    - `pace`: seconds between two frames.
    - `ignores_filters`: every connection gets everything.
    - `shared`: whether a shared user's connection gets "nothing" or "everything".
    - `ignores_upgrade`: a request for a websocket is answered with 200 and a page, as by some proxies. For other
      statuses, use `plex.faults.fail("/:/websockets/*", status=404, times=None)`.
    - `closes_at_once`: connections are accepted and closed.
    - `silent`: nothing is sent or answered any more, not even pings, but the connections stay open.
    - `idle_timeout`: new connections are cut after so many seconds without traffic, as by a proxy.
    - `ping_interval`: seconds between the pings of the event stream; with `empty_pings`, they have no data.
    - `blank_after_event`: the type in the event stream has a trailing blank.
    """

    envelope: Literal["wrapped", "type_last", "bare", "legacy"] = "wrapped"
    payload: Literal["usual", "list", "object"] = "usual"
    ids: Literal["texts", "numbers", "mixed"] = "texts"
    binary: bool = False
    bundled: bool = False
    no_size: bool = False
    no_identifier: bool = False
    no_section: bool = False

    states: tuple[State, ...] = (0, 2, 3, 4, 5)
    settled: Literal["created", "plain"] = "created"
    twice: bool = True
    deleted: Literal["state", "type"] = "type"
    after_deletion: bool = False
    backwards: bool = False
    queue_size: bool = False
    context: Literal["late", "ended", "always", "never"] = "late"
    updates: Count = 2
    extras: bool = True
    foreign: bool = False
    collections: bool = False
    duplicates: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    feedback: Literal["asked", "always", "never", "refreshes"] = "asked"

    pace: Seconds = 0.0
    ignores_filters: bool = False
    shared: Literal["nothing", "everything"] = "nothing"
    ignores_upgrade: bool = False
    closes_at_once: bool = False
    silent: bool = False
    idle_timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] | None = None
    ping_interval: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 10.0
    empty_pings: bool = False
    blank_after_event: bool = False


def usual(release: Release) -> NotificationQuirks:
    """Return how that version of the server sends its notifications."""
    if release == RELEASE_2016:
        return NotificationQuirks(
            envelope="type_last", ids="numbers", twice=False, deleted="state", context="never", extras=False
        )
    if release == RELEASE_2023:
        return NotificationQuirks(settled="plain", twice=False, deleted="state")
    return NotificationQuirks()
