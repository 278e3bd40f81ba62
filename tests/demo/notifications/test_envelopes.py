"""One frame in every envelope that recordings or clients show."""

from __future__ import annotations

import json

import pytest

from retrovue_daemon.demo import NotificationQuirks
from retrovue_daemon.demo.notifications import Frame, Raw
from retrovue_daemon.demo.notifications.envelopes import events, messages

ENTRY = {"identifier": "com.plexapp.plugins.library", "sectionID": "-1", "itemID": "5", "type": 1, "state": 5}
FRAME = Frame("timeline", (ENTRY,))


def test_the_usual_one() -> None:
    """A container with type, size and a list."""
    (message,) = messages(FRAME, NotificationQuirks())
    assert not message.binary
    assert json.loads(message.body) == {
        "NotificationContainer": {"type": "timeline", "size": 1, "TimelineEntry": [ENTRY]}
    }


def test_the_order_of_2016() -> None:
    """The type after the payload."""
    (message,) = messages(FRAME, NotificationQuirks(envelope="type_last"))
    assert list(json.loads(message.body)["NotificationContainer"]) == ["TimelineEntry", "type", "size"]


def test_without_a_container() -> None:
    """As python-plexapi passes it on."""
    (message,) = messages(FRAME, NotificationQuirks(envelope="bare", no_size=True))
    assert json.loads(message.body) == {"type": "timeline", "TimelineEntry": [ENTRY]}


def test_before_1_3() -> None:
    """With children."""
    (message,) = messages(FRAME, NotificationQuirks(envelope="legacy"))
    assert json.loads(message.body) == {
        "_elementType": "NotificationContainer",
        "_children": [{**ENTRY, "_elementType": "TimelineEntry"}],
        "type": "timeline",
        "size": 1,
    }


@pytest.mark.parametrize("envelope", ["wrapped", "type_last", "bare"])
def test_an_object_instead_of_a_list(envelope: str) -> None:
    """One message per entry."""
    quirks = NotificationQuirks(payload="object")
    quirks.envelope = envelope  # type: ignore[assignment]  # mypy does not narrow parameters
    both = messages(Frame("timeline", (ENTRY, ENTRY)), quirks)
    contents = [json.loads(message.body) for message in both]
    assert [content.get("NotificationContainer", content)["TimelineEntry"] for content in contents] == [ENTRY, ENTRY]


def test_ids_may_be_numbers() -> None:
    """Also negative ones and those in a context; what is no number stays as it is."""
    quirks = NotificationQuirks(ids="numbers")
    frame = Frame("activity", ({**ENTRY, "rootItemID": "x", "Activity": {"Context": {"librarySectionID": "2"}}},))
    (message,) = events(frame, quirks)
    assert json.loads(message.body.split(b"data: ")[1]) == {
        "ActivityNotification": {
            **ENTRY,
            "sectionID": -1,
            "itemID": 5,
            "rootItemID": "x",
            "Activity": {"Context": {"librarySectionID": 2}},
        }
    }


def test_ids_may_be_mixed() -> None:
    """Libraries are numbers, items texts; and messages may be binary."""
    (message,) = messages(FRAME, NotificationQuirks(ids="mixed", binary=True))
    (entry,) = json.loads(message.body)["NotificationContainer"]["TimelineEntry"]
    assert (entry["sectionID"], entry["itemID"]) == (-1, "5")
    assert message.binary


def test_a_raw_frame_is_sent_as_it_is() -> None:
    """In both kinds of connections."""
    raw = Raw("timeline", b"\xff{", binary=True)
    (message,) = messages(raw, NotificationQuirks(envelope="bare"))
    assert (message.body, message.binary) == (b"\xff{", True)
    assert events(raw, NotificationQuirks())[0].body == b"event: timeline\ndata: \xff{\n\n"
