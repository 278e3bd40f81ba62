"""Frames of notifications, each in a form that a real server was recorded to send; values are made up."""

from __future__ import annotations

import json

import pytest

from retrovue_daemon.records import (
    Changed,
    CollectionChanged,
    LibraryBusy,
    LibrarySettled,
    MarkersMade,
    Refreshed,
    Removed,
    ScanCompleted,
)
from retrovue_daemon.sources.plex.frames import LONGEST_FRAME, MOST_ENTRIES, read_frame

LIBRARY = "com.plexapp.plugins.library"


def timeline(*entries, **container) -> bytes:
    """A frame as today's servers send it."""
    inner = {"type": "timeline", "size": len(entries), "TimelineEntry": [*entries], **container}
    return json.dumps({"NotificationContainer": inner}).encode()


def entry(**values) -> dict:
    return {"identifier": LIBRARY, "sectionID": "1", "itemID": "45", "type": 1, "title": "Q", "state": 5, **values}


def activity(kind: str, event: str, context: dict | None = None, **values) -> bytes:
    inner = {"uuid": "a-1", "type": kind, "cancellable": False, "userID": 1, "title": "T", "progress": 100, **values}
    if context is not None:
        inner["Context"] = context
    container = {"type": "activity", "size": 1}
    return json.dumps(
        {"NotificationContainer": {**container, "ActivityNotification": [{"event": event, "Activity": inner}]}}
    ).encode()


def hints(frame: bytes, event: str | None = None) -> list:
    found = read_frame(frame, event)
    assert found.readable
    assert found.dropped == 0
    return found.hints


@pytest.mark.parametrize(
    "frame",
    [
        timeline(entry()),
        json.dumps({"type": "timeline", "size": 1, "TimelineEntry": [entry()]}).encode(),
        json.dumps({"NotificationContainer": {"TimelineEntry": [entry()], "type": "timeline"}}).encode(),
        json.dumps(
            {
                "_elementType": "NotificationContainer",
                "_children": [{"_elementType": "TimelineEntry", **entry()}],
                "type": "timeline",
                "size": 1,
            }
        ).encode(),
        timeline(entry(sectionID=1, itemID=45)),
        timeline(entry(metadataState="created", updatedAt=1753656127)),
        timeline({key: value for key, value in entry().items() if key != "identifier"}),
        timeline(TimelineEntry=entry()),
    ],
    ids=["today", "unwrapped", "type last", "before 1.3", "numbers", "1.43", "no identifier", "one object"],
)
def test_all_envelopes_say_the_same(frame):
    """Servers of all versions, and clients between them and us, wrap entries differently."""
    assert hints(frame) == [Changed("45", "1")]


def test_the_event_stream_has_no_envelope():
    """Its type stands outside of the data, perhaps with a blank behind it."""
    data = json.dumps({"TimelineEntry": entry()}).encode()
    assert hints(data, "timeline") == hints(data, "timeline ") == [Changed("45", "1")]
    assert hints(b"{}", "ping") == hints(b"", "ping") == []


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"state": 5}, Changed("45", "1")),
        ({"state": 5, "metadataState": "created"}, Changed("45", "1")),
        ({"state": 5, "mediaState": "analyzing"}, Changed("45", "1", settled=False)),
        ({"state": 5, "queueSize": 8}, Changed("45", "1", settled=False)),
        ({"state": 5, "queueSize": 0}, Changed("45", "1")),
        ({"state": 0, "metadataState": "created"}, Changed("45", "1", settled=False)),
        ({"state": 1}, Changed("45", "1", settled=False)),
        ({"state": "3", "metadataState": "loading"}, Changed("45", "1", settled=False)),
        ({"state": 9, "metadataState": "deleted"}, Removed("45", "1")),
        ({"state": 9}, Removed("45", "1")),
        ({"state": 5, "type": -1, "metadataState": "created"}, Removed("45", "1")),
        ({"state": 4, "mediaState": "deleted"}, Removed("45", "1")),
        ({"sectionID": "-1"}, Changed("45", None)),
        ({"sectionID": None}, Changed("45", None)),
        ({"type": 18, "itemID": "9"}, CollectionChanged("1")),
    ],
)
def test_what_an_entry_means(values, hint):
    """A removal is recognised first, because it may carry the state of a settled item."""
    assert hints(timeline(entry(**values))) == [hint]


@pytest.mark.parametrize(
    "values",
    [
        {"identifier": "tv.plex.providers.epg.onconnect:4"},
        {"type": 12, "sectionID": "-1"},
        {"type": 15},
        {"type": 10},
        {"state": None},
    ],
)
def test_what_is_no_item_of_ours(values):
    """Ids of other providers may equal ours; extras, playlists and music are not mirrored."""
    assert hints(timeline(entry(**values))) == []


@pytest.mark.parametrize("value", [None, -5, 0, 1.5, 1e30, True, "", "x", "1.0", "-1", [], {}, 2**63, "9" * 40, "٤"])
def test_an_id_that_is_none_costs_its_entry(value):
    """The other entries of the frame are read."""
    found = read_frame(timeline(entry(itemID=value), entry(itemID=46)))
    assert found.hints == [Changed("46", "1")]
    assert found.dropped == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff\xfe\x00",
        b"no json",
        b"[]",
        b"7",
        b'{"NotificationContainer": 7}',
        b'{"NotificationContainer":' + b'{"a":' * 1_000 + b"1" + b"}" * 1_001,
        b"[" * 100_000,
        json.dumps({"NotificationContainer": {"type": "timeline", "x": "x" * LONGEST_FRAME}}).encode(),
        timeline(entry())[:-9],
    ],
)
def test_what_is_no_frame_is_counted(frame):
    """Nothing is raised: the connection lives on."""
    found = read_frame(frame)
    assert (found.readable, found.hints) == (False, [])


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "backgroundProcessingQueue", "BackgroundProcessingQueueEventNotification": [{"queueID": 1}]},
        {"type": 7},
        {"type": None},
        {},
        {"type": "playing", "PlaySessionStateNotification": {"ratingKey": "1"}},
        {"type": "timeline"},
        {"type": "activity", "ActivityNotification": [{"event": "ended", "Activity": None}]},
        {"type": "activity", "ActivityNotification": [{"event": ["ended"][0], "Activity": {"type": 7}}]},
    ],
)
def test_frames_of_other_types_are_ignored(frame):
    """Servers invent new types; several clients broke on them."""
    assert read_frame(json.dumps({"NotificationContainer": frame}).encode()).hints == []


def test_text_that_is_not_utf_8_costs_nothing():
    """Paths of files need not be."""
    frame = timeline(entry(title="Q")).replace(b'"Q"', b'"Q\xe9\xff"')
    assert hints(frame) == [Changed("45", "1")]


def test_a_frame_without_end_is_read_to_a_limit():
    """What is behind it counts as dropped."""
    found = read_frame(timeline(*[{"itemID": 1, "state": 5}] * (MOST_ENTRIES + 3)))
    assert (len(found.hints), found.dropped) == (MOST_ENTRIES, 3)


def test_scans():
    """The library's key comes late, or not at all on servers of 2020."""
    kind = "library.update.section"
    assert hints(activity(kind, "started")) == [LibraryBusy("a-1")]
    assert hints(activity(kind, "updated", {"librarySectionID": 2})) == [LibraryBusy("a-1", "2")]
    assert hints(activity(kind, "ended", {"librarySectionID": "2"})) == [LibrarySettled("a-1", "2")]
    assert hints(activity(kind, "ended")) == [LibrarySettled("a-1")]
    status = {"title": "Library scan complete", "description": "", "notificationName": "LIBRARY_UPDATE"}
    for title, expected in (("Library scan complete", [ScanCompleted()]), ('Scanning the "M" section', [])):
        frame = {"NotificationContainer": {"type": "status", "StatusNotification": [{**status, "title": title}]}}
        assert hints(json.dumps(frame).encode()) == expected


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"refreshed": True, "analyzed": False}, [Refreshed("7", likely=True)]),
        ({"refreshed": False, "analyzed": True}, [Refreshed("7", likely=True)]),
        ({"refreshed": False, "analyzed": False, "accessible": False}, [Refreshed("7", likely=True)]),
        ({"refreshed": False, "analyzed": False, "accessible": True, "exists": True}, [Refreshed("7", likely=False)]),
        ({"key": "/library/metadata/7/children"}, []),
        ({"key": "/playlists/7"}, []),
        ({"key": 7}, []),
    ],
)
def test_the_end_of_a_refresh(context, expected):
    """Most of them only say that somebody opened an item."""
    kind = "library.refresh.items"
    whole = {"key": "/library/metadata/7", **context}
    assert hints(activity(kind, "ended", whole, subtitle="Refreshing media analysis")) == expected
    assert hints(activity(kind, "updated", whole)) == []
    assert hints(activity(kind, "ended", whole, subtitle="Augmenting metadata")) == []


def test_the_end_of_a_search_for_markers():
    """The item is named by a text only."""
    frame = activity("media.generate.credits", "ended", subtitle="Show S01 E05", progress=-1)
    assert hints(frame) == [MarkersMade()]
    assert hints(activity("media.generate.intros", "updated")) == []
