"""The frames of notifications, before they are put into an envelope: a type and its entries.

Each function builds one frame as recordings show it. Ids are texts here; `envelopes` turns them into numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from retrovue_daemon.demo.items import Episode, Item, Season
from retrovue_daemon.demo.query import TYPE_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.demo.items import Collection
    from retrovue_daemon.demo.world import Library

LIBRARY = "com.plexapp.plugins.library"
GUIDE = "tv.plex.providers.epg.onconnect:4"
EXTRA = 12
REMOVED = -1
PAYLOADS = {
    "timeline": "TimelineEntry",
    "activity": "ActivityNotification",
    "status": "StatusNotification",
    "progress": "ProgressNotification",
    "playing": "PlaySessionStateNotification",
    "backgroundProcessingQueue": "BackgroundProcessingQueueEventNotification",
    "update.statechange": "AutoUpdateNotification",
    "reachability": "ReachabilityNotification",
    "preference": "Setting",
    "transcodeSession.start": "TranscodeSession",
    "transcodeSession.update": "TranscodeSession",
    "transcodeSession.end": "TranscodeSession",
}
"""The name of the payload of each type."""

Entry = dict[str, Any]


class Frame(msgspec.Struct, frozen=True):
    """One notification."""

    type: str
    entries: tuple[Entry, ...]


class Raw(msgspec.Struct, frozen=True):
    """A frame that is sent as it is. Only connections that want its type receive it."""

    type: str
    body: bytes
    binary: bool = False


def timeline(item: Item, state: int, *, title: str, **states: str | None) -> Frame:
    """Return the entry of an item. `states` are metadataState and mediaState."""
    entry: Entry = {"identifier": LIBRARY, "sectionID": item.library, "itemID": item.rating_key}
    if isinstance(item, Episode):
        entry |= {"parentItemID": str(item.season_id), "rootItemID": str(item.show_id)}
    elif isinstance(item, Season):
        entry["parentItemID"] = str(item.show_id)
    entry |= {"type": TYPE_NUMBERS[item.type], "title": title, "state": state}
    entry |= {name: value for name, value in states.items() if value is not None}
    entry["updatedAt"] = item.added_at if item.updated_at is None else item.updated_at
    return Frame("timeline", (entry,))


def collection_entry(collection: Collection, *, deleted: bool) -> Frame:
    """Return the entry of a collection. No recording shows one."""
    states = {"metadataState": "deleted"} if deleted else {}
    return timeline(collection, 9 if deleted else 5, title=collection.title, **states)


def extra_of_film(item_id: int, updated_at: int) -> Frame:
    """Return the entry of an extra of a film, which belongs to no library."""
    entry = {
        "identifier": LIBRARY,
        "sectionID": "-1",
        "itemID": str(item_id),
        "type": EXTRA,
        "title": "",
        "state": 0,
        "metadataState": "created",
        "updatedAt": updated_at,
    }
    return Frame("timeline", (entry,))


def changed(frame: Frame, **fields: Any) -> Frame:
    """Return the frame with other values in its entries; None removes a field."""
    entries = [
        {name: value for name, value in (entry | fields).items() if fields.get(name, ...) is not None}
        for entry in frame.entries
    ]
    return Frame(frame.type, tuple(entries))


def activity(
    event: str,
    uuid: str,
    type_: str,
    title: str,
    *,
    subtitle: str = "",
    progress: float = 0,
    context: Mapping[str, Any] | None = None,
) -> Frame:
    """Return a notification about something that the server does: it started, was updated, or ended."""
    about: Entry = {
        "uuid": uuid,
        "type": type_,
        "cancellable": False,
        "userID": 1,
        "title": title,
        "subtitle": subtitle,
        "progress": progress,
    }
    if context is not None:
        about["Context"] = dict(context)
    return Frame("activity", ({"event": event, "uuid": uuid, "Activity": about},))


def status(title: str) -> Frame:
    """Return a notification about libraries. It names a library by its title, if at all."""
    return Frame("status", ({"title": title, "description": "", "notificationName": "LIBRARY_UPDATE"},))


def scanning(library: Library) -> Frame:
    """Return the status when a scan starts."""
    return status(f'Scanning the "{library.title}" section')


def progress(message: str) -> Frame:
    """Return what a scan says about its current folder."""
    return Frame("progress", ({"message": message},))


def title_of(item: Item, show: Item | None) -> str:
    """Return the title in an entry; an episode's is that of its show, with the numbers."""
    if not isinstance(item, Episode) or item.index is None or show is None:
        return item.title
    return f"{show.title} S{item.season_index:02d} E{item.index:02d}"
