"""From a frame to the bytes on the wire, on a websocket or in an event stream."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from retrovue_daemon.demo.notifications.frames import PAYLOADS, Entry, Frame, Raw

if TYPE_CHECKING:
    from retrovue_daemon.demo.notifications.quirks import NotificationQuirks

NUMBER = re.compile(r"-?[0-9]{1,18}")
LIBRARY_IDS = frozenset({"sectionID", "librarySectionID"})
NUMBERED = {
    "texts": frozenset[str](),
    "numbers": LIBRARY_IDS | {"itemID", "parentItemID", "rootItemID"},
    "mixed": LIBRARY_IDS,
}
"""Which ids are numbers."""


class Message(msgspec.Struct, frozen=True):
    """What is sent at once: a message of a websocket, or an event of a stream."""

    body: bytes
    binary: bool = False


def messages(frame: Frame | Raw, quirks: NotificationQuirks) -> list[Message]:
    """Return a frame as the messages of a websocket: usually one, one per entry if each has to be an object."""
    if isinstance(frame, Raw):
        return [Message(frame.body, frame.binary)]
    entries = [_with_ids(entry, quirks) for entry in frame.entries]
    if quirks.payload == "object" and quirks.envelope != "legacy":
        return [_message(frame.type, entry, 1, quirks) for entry in entries]
    return [_message(frame.type, entries, len(entries), quirks)]


def events(frame: Frame | Raw, quirks: NotificationQuirks) -> list[Message]:
    """Return a frame as the events of an event stream, one per entry unless the payload has to be a list."""
    if isinstance(frame, Raw):
        return [_event(frame.type, frame.body, quirks)]
    name = PAYLOADS.get(frame.type, "Notification")
    entries = [_with_ids(entry, quirks) for entry in frame.entries]
    payloads: list[Any] = [entries] if quirks.payload == "list" else [*entries]
    return [_event(frame.type, msgspec.json.encode({name: payload}), quirks) for payload in payloads]


def ping(quirks: NotificationQuirks) -> Message:
    """Return the event that a quiet event stream sends."""
    return _event("ping", b"" if quirks.empty_pings else b"{}", quirks)


def _event(type_: str, data: bytes, quirks: NotificationQuirks) -> Message:
    blank = " " if quirks.blank_after_event else ""
    return Message(b"event: %s\ndata: %s\n\n" % (f"{type_}{blank}".encode(), data))


def _message(type_: str, payload: list[Entry] | Entry, size: int, quirks: NotificationQuirks) -> Message:
    name = PAYLOADS.get(type_, "Notification")
    counted = {} if quirks.no_size else {"size": size}
    match quirks.envelope:
        case "wrapped":
            content: Entry = {"NotificationContainer": {"type": type_, **counted, name: payload}}
        case "type_last":
            content = {"NotificationContainer": {name: payload, "type": type_, **counted}}
        case "bare":
            content = {"type": type_, **counted, name: payload}
        case "legacy":
            children = [{**entry, "_elementType": name} for entry in payload if isinstance(entry, dict)]
            content = {"_elementType": "NotificationContainer", "_children": children, "type": type_, **counted}
    return Message(msgspec.json.encode(content), quirks.binary)


def _with_ids(entry: Entry, quirks: NotificationQuirks) -> Entry:
    """Return an entry whose ids are numbers where the server sends numbers."""
    numbered = NUMBERED[quirks.ids]
    return {name: _numbered(name, value, numbered) for name, value in entry.items()} if numbered else entry


def _numbered(name: str, value: Any, numbered: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {inner: _numbered(inner, each, numbered) for inner, each in value.items()}
    return int(value) if name in numbered and isinstance(value, str) and NUMBER.fullmatch(value) else value
