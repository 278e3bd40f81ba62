"""The frames of Plex's notifications, translated to hints: a frame in, hints out, without any state.

Servers differ in everything: the envelope, ids as numbers or texts, one object or a list of them, which entry is the
last one of a change, and how a removal looks. What cannot be read is dropped and counted; it never ends a connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from retrovue_daemon.records.hints import (
    Changed,
    CollectionChanged,
    LibraryBusy,
    LibrarySettled,
    MarkersMade,
    Refreshed,
    Removed,
    ScanCompleted,
)
from retrovue_daemon.sources.plex.json_structs import INT64_MAX
from retrovue_daemon.sources.plex.scalars import as_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.records.hints import Hint

LONGEST_FRAME: Final = 1024 * 1024
"""Bytes; real frames have less than one per cent of that. Reading a longer one would hold up everything else."""

MOST_ENTRIES: Final = 5_000
"""Entries of one frame that are read."""

_PAYLOADS: Final = {
    "timeline": "TimelineEntry",
    "activity": "ActivityNotification",
    "status": "StatusNotification",
}
_LIBRARY: Final = "com.plexapp.plugins.library"
_LONGEST_ID: Final = 64

_SETTLED, _DELETED = 5, 9
_ITEMS: Final = frozenset({1, 2, 3, 4})
"""Plex's numbers for films, shows, seasons and episodes."""
_COLLECTION: Final = 18
_REMOVED: Final = -1


class FrameHints(msgspec.Struct):
    """The hints of a frame, and how many of its entries could not be read; ``readable`` is False for the whole."""

    hints: list[Hint] = msgspec.field(default_factory=list)
    dropped: int = 0
    readable: bool = True


def read_frame(data: bytes, event: str | None = None) -> FrameHints:
    """Return the hints of a frame. ``event`` is its type if the connection says so outside of the frame.

    Frames of other types have no hints and count as readable.
    """
    found = FrameHints()
    content = _decoded(data)
    if content is None:
        found.readable = event is not None and not data.strip()  # a ping of the event stream
        return found
    inner = content.get("NotificationContainer", content)
    if not isinstance(inner, dict):
        found.readable = False
        return found
    kind = event.strip() if event is not None else inner.get("type")
    payload = _PAYLOADS.get(kind) if isinstance(kind, str) else None
    if payload is None:
        return found
    entries = _entries(inner, payload)
    found.dropped = max(0, len(entries) - MOST_ENTRIES)
    for entry in entries[:MOST_ENTRIES]:
        if not isinstance(entry, dict):
            found.dropped += 1
            continue
        try:
            found.hints += _READERS[payload](entry)
        except _UnreadableError:
            found.dropped += 1
    return found


class _UnreadableError(Exception):
    """An entry has no usable id."""


def _decoded(data: bytes) -> dict[str, Any] | None:
    if len(data) > LONGEST_FRAME:
        return None
    try:
        # Paths in texts need not be UTF-8.
        content = msgspec.json.decode(data.decode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _entries(container: dict[str, Any], payload: str) -> list[object]:
    """Return the entries under today's name, or under the one of servers before 1.3."""
    found = container.get(payload)
    if found is None:
        older = container.get("_children")
        of_type = older if isinstance(older, list) else []
        found = [each for each in of_type if isinstance(each, dict) and each.get("_elementType") == payload]
    return found if isinstance(found, list) else [found]


# -- timeline entries -----------------------------------------------------------------------------------------------


def _timeline(entry: dict[str, Any]) -> Iterator[Hint]:
    """Yield the hint of an entry: first whether it is a removal, because such an entry may also look settled."""
    # The ids of other providers, such as TV guides, may equal those of the library.
    if entry.get("identifier") not in {None, _LIBRARY}:
        return
    kind = as_whole(entry.get("type"))
    if kind is not None and kind not in _ITEMS | {_REMOVED, _COLLECTION}:
        return  # music, photos, extras and playlists
    library = _library(entry.get("sectionID"))
    if kind == _COLLECTION:
        yield CollectionChanged(library)
        return
    key = _id(entry.get("itemID"))
    state = as_whole(entry.get("state"))
    deleted = "deleted" in (entry.get("metadataState"), entry.get("mediaState"))
    if deleted or state == _DELETED or kind == _REMOVED:
        yield Removed(key, library)
    elif state is not None:
        settled = state == _SETTLED and not entry.get("mediaState") and not as_whole(entry.get("queueSize"))
        yield Changed(key, library, settled)


# -- activities -----------------------------------------------------------------------------------------------------


def _activity(entry: dict[str, Any]) -> Iterator[Hint]:
    event = entry.get("event")
    activity = entry.get("Activity")
    if not isinstance(activity, dict) or event not in {"started", "updated", "ended"}:
        return
    kind = activity.get("type")
    if not isinstance(kind, str):
        return
    context = activity.get("Context")
    context = context if isinstance(context, dict) else {}
    library = _library(context.get("librarySectionID"))
    if kind == "library.update.section":
        scan = _text_id(activity.get("uuid", entry.get("uuid")))
        yield LibrarySettled(scan, library) if event == "ended" else LibraryBusy(scan, library)
    elif event != "ended":
        return
    elif kind == "library.refresh.items":
        yield from _refreshed(activity, context)
    elif kind.startswith("media.generate."):
        yield MarkersMade(library)


def _refreshed(activity: dict[str, Any], context: dict[str, Any]) -> Iterator[Hint]:
    """Yield the hint of the end of a refresh; a user who browses in Plex causes many of them."""
    key = context.get("key")
    if activity.get("subtitle") == "Augmenting metadata" or not isinstance(key, str):
        return
    name, _, rest = key.removeprefix("/library/metadata/").partition("/")
    if rest or not key.startswith("/library/metadata/"):
        return
    found = context.get("refreshed") is True or context.get("analyzed") is True
    lost = context.get("accessible") is False or context.get("exists") is False
    yield Refreshed(_id(name), found or lost)


def _status(entry: dict[str, Any]) -> Iterator[Hint]:
    """Yield the hint of a status text. Only this one is known; in other languages it may read differently."""
    if entry.get("notificationName") == "LIBRARY_UPDATE" and entry.get("title") == "Library scan complete":
        yield ScanCompleted()


_READERS: Final = {"TimelineEntry": _timeline, "ActivityNotification": _activity, "StatusNotification": _status}


# -- ids ------------------------------------------------------------------------------------------------------------


def _id(value: object) -> str:
    """Return a rating key, which is a positive whole number. Raise _UnreadableError for anything else."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= len(str(INT64_MAX)) else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= INT64_MAX:
        raise _UnreadableError
    return str(value)


def _library(value: object) -> str | None:
    """Return the key of a library; None if there is none, or for ``-1``, which stands for no library."""
    try:
        return _id(value)
    except _UnreadableError:
        return None


def _text_id(value: object) -> str:
    """Return the id of an activity, of which not all are valid UUIDs."""
    return value[:_LONGEST_ID] if isinstance(value, str) else ""
