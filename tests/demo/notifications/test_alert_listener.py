"""The AlertListener of python-plexapi, written for real servers, hears what happens on the simulated one."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
import requests
from plexapi.alert import AlertListener
from plexapi.server import PlexServer
from yarl import URL

from retrovue_daemon.demo import RELEASE_2016, RELEASE_2023, RELEASE_2026
from retrovue_daemon.demo.notifications import usual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from retrovue_daemon.demo import Release, SimulatedPlex


@pytest.fixture
async def heard(plex: SimulatedPlex) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """What a listener's callback was called with."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    address = URL(plex.url)
    with requests.Session() as session, socket.create_connection((address.host, address.port)) as connection:
        server = await asyncio.to_thread(PlexServer, plex.url, plex.token, session=session, timeout=10)
        # A socket of the test's, because the listener would not close its own when the server ends the connection.
        listener = AlertListener(
            server, lambda data: loop.call_soon_threadsafe(heard.put_nowait, data), ws_socket=connection
        )
        listener.start()
        await plex.notifications.connected()
        yield heard
        # If the listener ended the connection, it would wait for up to ten seconds on a socket that is closed.
        for each in plex.notifications.connections:
            each.end()
        await asyncio.to_thread(listener.join, 10)
        assert not listener.is_alive()


async def test_it_hears_of_a_new_film(heard: asyncio.Queue[dict[str, Any]], plex: SimulatedPlex) -> None:
    """From its creation to state 5 without mediaState, within a scan of its library."""
    film = plex.changes.add_movie("1", "The Bat", 1926)
    alerts = [await heard.get() for _ in plex.notifications.sent]
    of_film = [
        entry
        for alert in alerts
        if alert["type"] == "timeline"
        for entry in alert["TimelineEntry"]
        if entry["itemID"] == str(film.id)
    ]
    assert [entry["state"] for entry in of_film] == [0, 2, 3, 4, 5, 5, 5, 5]
    assert of_film[-1].items() >= {"sectionID": "1", "type": 1, "title": "The Bat", "state": 5}.items()
    assert "mediaState" not in of_film[-1]
    scans = [
        alert["ActivityNotification"][0]
        for alert in alerts
        if alert["type"] == "activity"
        and alert["ActivityNotification"][0]["Activity"]["type"] == "library.update.section"
    ]
    assert [scan["event"] for scan in scans] == ["started", "updated", "updated", "ended"]
    assert scans[-1]["Activity"]["Context"] == {"librarySectionID": "1"}
    titles = [alert["StatusNotification"][0]["title"] for alert in alerts if alert["type"] == "status"]
    assert titles == ['Scanning the "Movies" section', "Library scan complete"]


@pytest.mark.parametrize("release", [RELEASE_2016, RELEASE_2023, RELEASE_2026])
async def test_it_hears_of_the_same_from_every_release(
    heard: asyncio.Queue[dict[str, Any]], plex: SimulatedPlex, release: Release
) -> None:
    """A new film and its end; what differs is the form."""
    form = usual(release)
    for name in form.__struct_fields__:
        setattr(plex.notifications.quirks, name, getattr(form, name))
    film = plex.changes.add_movie("1", "The Bat", 1926)
    plex.changes.delete(film.id)
    alerts = [await heard.get() for _ in plex.notifications.sent]
    entries = [entry for alert in alerts if alert["type"] == "timeline" for entry in alert["TimelineEntry"]]
    of_film = [entry for entry in entries if int(entry["itemID"]) == film.id]
    assert {type(entry["itemID"]) for entry in of_film} == {int if release == RELEASE_2016 else str}
    *_, settled, gone = of_film
    assert (settled["state"], "mediaState" in settled) == (5, False)
    assert (gone["type"], gone["state"]) == ((-1, 5) if release == RELEASE_2026 else (1, 9))


async def test_it_hears_of_a_deletion(heard: asyncio.Queue[dict[str, Any]], plex: SimulatedPlex) -> None:
    """State 9, of the episode and of the season that it left empty."""
    plex.notifications.quirks.deleted = "state"
    episode = plex.changes.add_episode(next(plex.world.shows()).id, 9, 1, "Lost")
    plex.changes.delete(episode.id)
    alerts = [await heard.get() for _ in plex.notifications.sent]
    entries = [entry for alert in alerts if alert["type"] == "timeline" for entry in alert["TimelineEntry"]]
    gone = [(entry["itemID"], entry["type"], entry["metadataState"]) for entry in entries if entry["state"] == 9]
    assert gone == [(str(episode.season_id), 3, "deleted"), (str(episode.id), 4, "deleted")]
