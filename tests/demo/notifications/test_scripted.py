"""What a test can send by hand: lies, floods, malformed frames, and the ends of connections."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from retrovue_daemon.demo.notifications.malformed import BODIES, FIELDS, KINDS
from retrovue_daemon.demo.notifications.scripted import LIES

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.notifications.conftest import Listen


async def test_an_entry_says_what_it_is_told_to(listen: Listen, plex: SimulatedPlex) -> None:
    """About an item, with other values."""
    listener = await listen()
    plex.notify.entry(3, 4, sectionID="2", title="Other")
    (entry,) = await listener.entries()
    assert entry.items() >= {"itemID": "3", "sectionID": "2", "title": "Other", "state": 4}.items()


async def test_lies_change_nothing(listen: Listen, plex: SimulatedPlex) -> None:
    """One entry each, and the world stays as it is."""
    before = plex.world.revision
    listener = await listen()
    kinds = [*LIES, "other_library"]
    for kind in kinds:
        plex.notify.lie(kind, 3)
    entries = dict(zip(kinds, await listener.entries(), strict=True))
    truth = {"identifier": "com.plexapp.plugins.library", "sectionID": "1", "itemID": "3", "type": 1}
    of_the_item = {kind for kind, entry in entries.items() if entry.items() >= truth.items()}
    assert of_the_item == {"stuck", "analyzing", "future", "past", "deleted", "media_deleted"}
    assert plex.world.revision == before


async def test_lies_about_deletions(listen: Listen, plex: SimulatedPlex) -> None:
    """Of what lives: state 9, and type -1 with state 5."""
    listener = await listen()
    plex.notify.lie("deleted", 3)
    plex.notify.lie("removed", 3)
    assert [(entry["type"], entry["state"]) for entry in await listener.entries()] == [(1, 9), (-1, 5)]
    with pytest.raises(KeyError):
        plex.notify.lie("nonsense", 3)


async def test_every_malformed_frame_arrives(plex: SimulatedPlex, session: aiohttp.ClientSession) -> None:
    """As bytes; the connection lives on."""
    url = f"{plex.url}/:/websockets/notifications?filters=timeline"
    async with session.ws_connect(url, decode_text=False, max_msg_size=0) as socket:
        await plex.notifications.connected()
        for kind in KINDS:
            plex.notify.malformed(kind)
        received = {kind: (await socket.receive()).data for kind in KINDS}
        plex.notify.entry(4)
        assert (await socket.receive()).json()["NotificationContainer"]["TimelineEntry"][0]["itemID"] == "4"
    for kind, body in BODIES.items():
        assert received[kind] == body(), kind
    for kind, fields in FIELDS.items():
        (entry,) = json.loads(received[kind])["NotificationContainer"]["TimelineEntry"]
        for field, value in fields.items():
            assert field not in entry if value is ... else entry[field] == value, kind


@pytest.mark.parametrize("kind", ["empty", "not_json", "cut", "nested_100000"])
def test_some_bodies_are_not_json(kind: str) -> None:
    """Not even for a tolerant decoder."""
    with pytest.raises((ValueError, RecursionError)):
        json.loads(BODIES[kind]())


def test_sizes_and_depths_are_what_they_are_called() -> None:
    """Megabytes, levels, bytes that are no UTF-8."""
    assert 5_000_000 < len(BODIES["5_mb"]()) < 5_001_000
    assert BODIES["nested_1000"]().count(b"[") == 1000
    with pytest.raises(UnicodeDecodeError):
        BODIES["not_utf8"]().decode()
    with pytest.raises(ValueError, match="digits"):
        json.loads(BODIES["many_digits"]())


async def test_malformed_frames_reach_event_streams(stream: aiohttp.ClientResponse, plex: SimulatedPlex) -> None:
    """As data of their event."""
    plex.notify.malformed("not_utf8")
    assert await stream.content.readline() == b"event: timeline\n"
    assert await stream.content.readline() == b"data: " + BODIES["not_utf8"]() + b"\n"


async def test_a_flood(listen: Listen, plex: SimulatedPlex) -> None:
    """Thousands of frames about a library's items, or about its scan."""
    listener = await listen()
    plex.notify.flood(3000)
    entries = await listener.entries()
    assert len(entries) == 3000
    assert len({entry["itemID"] for entry in entries}) == len(list(plex.world.movies("1")))
    plex.notify.flood(20, library="2", type_="activity")
    assert {each["event"] for each in await listener.entries("activity")} == {"updated"}
    with pytest.raises(KeyError):
        plex.notify.flood(1, library="99")


async def test_a_library_is_refreshed(listen: Listen, plex: SimulatedPlex) -> None:
    """All of its items go through 3, 4 and 5."""
    listener = await listen()
    plex.notify.refresh_library("2")
    items = [item for item in plex.world.items.values() if item.library == "2"]
    assert len(await listener.entries()) == 4 * len(items)


async def test_single_events(listen: Listen, plex: SimulatedPlex) -> None:
    """A scan, a status, a check, a refresh, markers, and the repetition of a settled entry."""
    listener = await listen()
    plex.notify.scan("1")
    plex.notify.status()
    plex.notify.check(3, refreshed=True)
    plex.notify.refresh(3)
    plex.notify.generate(3, "intros")
    plex.notify.settled(3)
    containers = await listener.containers()
    ended: list[dict[str, Any]] = [
        each["ActivityNotification"][0]["Activity"]
        for each in containers
        if each["type"] == "activity" and each["ActivityNotification"][0]["event"] == "ended"
    ]
    assert [each["type"] for each in ended] == [
        "library.update.section",
        "library.refresh.items",
        "media.generate.intros",
    ]
    assert ended[1]["Context"]["refreshed"] is True
    states = [each["TimelineEntry"][0]["state"] for each in containers if each["type"] == "timeline"]
    assert states == [3, 4, 5, 5, 5, 5]
    assert sum(each["type"] == "status" for each in containers) == 3


async def test_noise_and_frames_of_any_kind(listen: Listen, plex: SimulatedPlex) -> None:
    """Types that a client need not know, with their own payloads."""
    listener = await listen()
    plex.notify.noise()
    plex.notify.frame("quantum.flux", {"a": 1}, {"a": 2})
    containers = await listener.containers()
    assert {"playing", "backgroundProcessingQueue", "quantum.flux"} <= {each["type"] for each in containers}
    assert containers[-1]["Notification"] == [{"a": 1}, {"a": 2}]


async def test_raw_messages(listen: Listen, plex: SimulatedPlex) -> None:
    """Text in any encoding, or binary; who does not want the type does not get it."""
    listener, other = await listen(), await listen("?filters=status")
    plex.notify.raw("ä")
    plex.notify.raw("ÿ", encoding="latin-1", binary=True)
    assert (await listener.socket.receive()).data == "ä"
    assert (await listener.socket.receive()).data == b"\xff"
    assert await other.texts() == []
    with pytest.raises(ValueError, match="nonsense"):
        plex.notify.raw("x", encoding="nonsense")


async def test_connections_are_closed_and_broken(listen: Listen, plex: SimulatedPlex) -> None:
    """With a code, after what waits; or at once, without a word."""
    listener = await listen()
    plex.notify.status()
    plex.notify.close(1012)
    assert (await listener.socket.receive()).type is aiohttp.WSMsgType.TEXT
    assert (await listener.socket.receive()).data == 1012
    listener = await listen()
    plex.notify.drop()
    await listener.socket.receive()
    assert listener.socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    await plex.notifications.disconnected()
    with pytest.raises(ValueError, match="5000"):
        plex.notify.close(5000)
