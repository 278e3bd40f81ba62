"""Each change sends the frames that a real server would send, and some changes send none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from retrovue_daemon.demo import RELEASE_2016, RELEASE_2023, SimulatedPlex, built_in_library
from retrovue_daemon.demo.happenings import Checked, Refreshed
from retrovue_daemon.demo.notifications import usual
from retrovue_daemon.demo.timeline import Chapter, Marker

if TYPE_CHECKING:
    from tests.demo.conftest import Get
    from tests.demo.notifications.conftest import Listen

SCAN = ["started", "updated", "updated", "ended"]
STATES = [0, 2, 3, 4, 5, 5, 5, 5]


def states_of(entries: list[dict[str, Any]], item_id: int) -> list[int]:
    return [entry["state"] for entry in entries if entry["itemID"] == str(item_id)]


def scans(activities: list[dict[str, Any]]) -> list[str]:
    return [each["event"] for each in activities if each["Activity"]["type"] == "library.update.section"]


async def test_a_new_episode_brings_its_season(listen: Listen, plex: SimulatedPlex) -> None:
    """Each with its own entries; the episode names its season and show, and its title is that of the show."""
    listener = await listen()
    show = next(show for show in plex.world.shows() if show.title == "The Lighthouse Keepers")
    episode = plex.changes.add_episode(show.id, 9, 2, "Fog")
    entries = await listener.entries()
    assert states_of(entries, episode.season_id) == STATES
    assert states_of(entries, episode.id) == STATES
    last = entries[-1]
    assert (last["itemID"], last["parentItemID"], last["rootItemID"]) == tuple(
        map(str, (episode.id, episode.season_id, show.id))
    )
    assert last["title"] == "The Lighthouse Keepers S09 E02"
    plex.changes.add_episode(show.id, 9, 3, "Rain")
    assert {entry["type"] for entry in await listener.entries()} == {4}


async def test_the_settled_entry_comes_twice(listen: Listen, plex: SimulatedPlex) -> None:
    """With mediaState, and then without; as old servers send it, once and without metadataState."""
    listener = await listen()
    plex.changes.edit(3, title="Other")
    first, second = await listener.entries()
    assert (first.pop("mediaState"), first["metadataState"]) == ("analyzing", "created")
    assert first == second
    plex.notifications.quirks.twice = False
    plex.notifications.quirks.settled = "plain"
    plex.changes.rematch(3, "plex://movie/other")
    (entry,) = await listener.entries()
    assert not entry.keys() & {"mediaState", "metadataState"}


async def test_a_deletion_has_two_forms(listen: Listen, plex: SimulatedPlex) -> None:
    """Type -1 with state 5, or state 9 with the old type; of a show, all of its items."""
    listener = await listen()
    show = next(plex.world.shows())
    gone = plex.changes.delete(show.id)
    entries = await listener.entries()
    assert [int(entry["itemID"]) for entry in entries] == [item.id for item in gone]
    assert {(entry["type"], entry["state"], entry["metadataState"]) for entry in entries} == {(-1, 5, "created")}
    assert entries[-1]["title"].startswith(show.title)
    plex.notifications.quirks.deleted = "state"
    plex.notifications.quirks.after_deletion = True
    plex.notifications.quirks.backwards = True
    plex.changes.delete(next(plex.world.shows()).id)
    entries = await listener.entries()
    assert (entries[0]["type"], entries[-1]["type"]) == (4, 2)
    assert [entry["state"] for entry in entries[:2]] == [9, 3]
    assert entries[0]["metadataState"] == "deleted"


async def test_what_moves_is_deleted_and_added(listen: Listen, plex: SimulatedPlex) -> None:
    """In the libraries that it leaves and that it comes to."""
    listener = await listen()
    film = plex.changes.move(3, "2")
    entries = await listener.entries()
    assert (entries[0]["itemID"], entries[0]["type"], entries[0]["sectionID"]) == ("3", -1, "1")
    assert (entries[-1]["itemID"], entries[-1]["sectionID"], entries[-1]["state"]) == (str(film.id), "2", 5)


async def test_films_are_merged_and_split_without_a_scan(listen: Listen, plex: SimulatedPlex) -> None:
    """One is edited, the other deleted or added."""
    listener = await listen()
    plex.changes.merge(3, 4)
    containers = await listener.containers()
    entries = [entry for each in containers if each["type"] == "timeline" for entry in each["TimelineEntry"]]
    assert [(entry["itemID"], entry["type"]) for entry in entries] == [("4", -1), ("3", 1), ("3", 1)]
    assert "status" not in {each["type"] for each in containers}
    other = plex.changes.split(3)[1]
    assert states_of(await listener.entries(), other.id) == STATES


async def test_a_library_without_an_agent_ends_at_state_1(listen: Listen, plex: SimulatedPlex) -> None:
    """Home videos have no metadata to wait for."""
    library = next(each for each in plex.world.libraries.values() if each.agent.endswith("none"))
    listener = await listen()
    film = plex.changes.add_movie(library.key, "Holiday")
    assert states_of(await listener.entries(), film.id) == [0, 1]


async def test_of_new_files_only_the_scan_is_announced(listen: Listen, plex: SimulatedPlex) -> None:
    """One scan, which names its library late, and its status at both ends."""
    listener = await listen()
    for change in (
        lambda: plex.changes.replace_file(3, size=5, duration=5),
        lambda: plex.changes.upgrade_file(3),
        lambda: plex.changes.split_file(4),
        lambda: plex.changes.rename_file(3, "/srv/media/movies/other.mkv"),
        lambda: plex.changes.trash(3),
        lambda: plex.changes.restore(3),
        lambda: plex.changes.add_library("movie", "New", "/srv/new"),
        lambda: (plex.changes.start_scan("1"), plex.changes.finish_scan("1")),
    ):
        change()
        containers = await listener.containers()
        assert not [each for each in containers if each["type"] == "timeline"]
        activities = [each["ActivityNotification"][0] for each in containers if each["type"] == "activity"]
        assert scans(activities) == SCAN
        assert ["Context" in each["Activity"] for each in activities] == [False, False, True, True]
        assert len({each["uuid"] for each in activities} | {each["Activity"]["uuid"] for each in activities}) == 1
        assert sum(each["type"] == "status" for each in containers) == 2


async def test_what_a_long_scan_finds_is_sent_within_it(listen: Listen, plex: SimulatedPlex) -> None:
    """Without further frames of scans."""
    listener = await listen()
    plex.changes.start_scan("1")
    plex.changes.add_movie("1", "The Bat", 1926)
    plex.changes.finish_scan("1")
    assert scans(await listener.entries("activity")) == SCAN


async def test_what_real_servers_never_announce_is_not_announced(listen: Listen, plex: SimulatedPlex) -> None:
    """Labels, collections, posters of shows, chapters and libraries: a client has to find them by itself."""
    listener = await listen("?filters=")
    tags = msgspec.to_builtins(plex.world.item(3).tags)
    for name, change in {
        "label": lambda: plex.rich.add_label(3, "Late"),
        "labels among the tags": lambda: plex.rich.edit_tags(3, labels=["Later"]),
        "labels of an edit": lambda: plex.changes.edit(3, tags=tags | {"labels": ["Latest"]}),
        "new collection": lambda: plex.rich.add_collection("1", "Two", [3, 4]),
        "removed collection": lambda: plex.rich.remove_collection(next(iter(plex.world.collections))),
        "poster of a show": lambda: plex.rich.change_poster(next(plex.world.shows()).id),
        "chapters": lambda: plex.rich.set_chapters(3, Chapter(0, 5, "First")),
        "markers": lambda: plex.rich.set_markers(3, Marker("intro", 1, 2)),
        "subtitle": lambda: plex.rich.add_subtitle(3, "de"),
        "name of a library": lambda: plex.changes.rename_library("1", "Films"),
        "removed library": lambda: plex.changes.remove_library("1"),
    }.items():
        before = plex.world.revision, plex.world.now
        change()
        assert (plex.world.revision, plex.world.now) != before
        assert await listener.containers() == [], name


async def test_collections_can_be_announced(listen: Listen, plex: SimulatedPlex) -> None:
    """With entries of type 18, if a quirk says so."""
    plex.notifications.quirks.collections = True
    listener = await listen()
    made = plex.rich.add_collection("1", "Two", [])
    plex.rich.remove_collection(made.id)
    entries = await listener.entries()
    assert {(entry["itemID"], entry["type"]) for entry in entries} == {(str(made.id), 18)}
    assert entries[-1]["metadataState"] == "deleted"


async def test_a_films_poster_and_analysis_are_checks(listen: Listen, plex: SimulatedPlex) -> None:
    """The sequence of library.refresh.items ends with what the check found."""
    listener = await listen()
    plex.rich.change_poster(3)
    plex.changes.analyse(3)
    activities = await listener.entries("activity")
    assert [each["event"] for each in activities] == ["started", "updated", "updated", "updated", "ended"] * 2
    assert "Context" not in activities[0]["Activity"]
    ends = [activities[4]["Activity"]["Context"], activities[9]["Activity"]["Context"]]
    assert [(end["key"], end["refreshed"], end["analyzed"]) for end in ends] == [
        ("/library/metadata/3", False, False),
        ("/library/metadata/3", False, True),
    ]


async def test_a_lost_file_is_noticed_by_a_check(listen: Listen, plex: SimulatedPlex) -> None:
    """As recorded: neither accessible nor there."""
    listener = await listen()
    plex.world.announce(Checked(item=plex.world.item(3), accessible=False, exists=False))
    context = (await listener.entries("activity"))[-1]["Activity"]["Context"]
    assert context == {
        "accessible": False,
        "analyzed": False,
        "exists": False,
        "key": "/library/metadata/3",
        "refreshed": False,
    }


async def test_generated_markers_name_an_episode_by_its_title_only(listen: Listen, plex: SimulatedPlex) -> None:
    """One activity per kind of marker and episode, without a context."""
    listener = await listen()
    show = next(show for show in plex.world.shows() if show.title == "The Lighthouse Keepers")
    plex.rich.generate_markers(plex.world.seasons_of(show.id)[1].id)
    about = [each["Activity"] for each in await listener.entries("activity") if each["event"] == "ended"]
    assert {each["type"] for each in about} == {"media.generate.intros", "media.generate.credits"}
    assert about[0]["subtitle"] == "The Lighthouse Keepers S01 E01"
    assert not any("Context" in each for each in about)


async def test_a_refresh_ends_settled(listen: Listen, plex: SimulatedPlex) -> None:
    """States 3, 4 and 5, also without a difference."""
    listener = await listen()
    plex.world.announce(Refreshed(item=plex.world.item(3)))
    entries = await listener.entries()
    assert states_of(entries, 3) == [3, 4, 5, 5]
    assert entries[0]["metadataState"] == "queued"


@pytest.mark.parametrize(
    ("feedback", "query", "checked"),
    [("asked", "", 2), ("asked", "?skipRefresh=1", 0), ("always", "?skipRefresh=1", 2), ("never", "", 0)],
)
async def test_requests_for_details_have_an_echo(
    feedback: Any, query: str, checked: int, listen: Listen, get: Get, plex: SimulatedPlex
) -> None:
    """Each item that a client requests without skipRefresh=1 is checked, and the check announced."""
    plex.notifications.quirks.feedback = feedback
    listener = await listen()
    assert (await get(f"/library/metadata/3,4{query}")).status == 200
    ends = [each["Activity"] for each in await listener.entries("activity") if each["event"] == "ended"]
    keys = [each["Context"]["key"] for each in ends]
    assert keys == ["/library/metadata/3", "/library/metadata/4"][:checked]


async def test_browsing_has_an_echo(listen: Listen, get: Get, plex: SimulatedPlex) -> None:
    """A key that ends in /children."""
    listener = await listen()
    show = next(plex.world.shows())
    await get(f"/library/metadata/{show.id}/children")
    activities = await listener.entries("activity")
    assert [each["event"] for each in activities] == ["started", "updated", "ended"]
    assert activities[0]["Activity"]["Context"] == {"key": f"/library/metadata/{show.id}/children"}


async def test_further_variants_of_a_new_film(listen: Listen, plex: SimulatedPlex) -> None:
    """Lost last frames, duplicates, colliding ids of a guide provider, and no fields to rely on."""
    quirks = plex.notifications.quirks
    quirks.states, quirks.duplicates, quirks.foreign = (0, 4), 1, True
    quirks.extras, quirks.queue_size, quirks.context, quirks.updates = False, True, "never", 0
    listener = await listen()
    film = plex.changes.add_movie("1", "The Bat", 1926)
    entries = await listener.entries()
    ours = [entry for entry in entries if entry["identifier"] == "com.plexapp.plugins.library"]
    assert states_of(ours, film.id) == [0, 0, 4, 4]
    assert [entry["queueSize"] for entry in ours if entry["state"] == 0] == [1, 1]
    foreign = [entry for entry in entries if entry not in ours]
    assert {(entry["identifier"], entry["itemID"], entry["state"]) for entry in foreign} == {
        ("tv.plex.providers.epg.onconnect:4", str(film.id), 9)
    }
    quirks.foreign, quirks.no_identifier, quirks.no_section = False, True, True
    plex.changes.add_movie("1", "The Cat", 1926)
    assert not any(entry.keys() & {"identifier", "sectionID"} for entry in await listener.entries())


async def test_states_come_in_any_order(listen: Listen, plex: SimulatedPlex) -> None:
    """As they are given; entries that follow one another may come in one frame."""
    quirks = plex.notifications.quirks
    quirks.states, quirks.bundled, quirks.extras, quirks.twice = (5, 4, 5, 0, 5, 3), True, False, False
    listener = await listen("?filters=timeline")
    film = plex.changes.add_movie("1", "The Bat", 1926)
    containers = await listener.containers()
    assert [each["size"] for each in containers] == [1, 5]
    entries = [entry for each in containers for entry in each["TimelineEntry"]]
    assert states_of(entries, film.id) == [5, 4, 5, 0, 5, 3]


async def test_an_extra_belongs_to_no_library(listen: Listen, plex: SimulatedPlex) -> None:
    """Type 12, section -1, no title."""
    listener = await listen()
    plex.changes.add_movie("1", "The Bat", 1926)
    (extra,) = [entry for entry in await listener.entries() if entry["type"] == 12]
    assert (extra["sectionID"], extra["title"], extra["state"]) == ("-1", "", 0)


@pytest.mark.parametrize("release", [RELEASE_2016, RELEASE_2023])
async def test_each_release_has_its_forms(release: Any) -> None:
    """Numbers instead of texts, and one settled entry instead of two."""
    world = built_in_library()
    world.release = release
    quirks = SimulatedPlex(world).notifications.quirks
    assert quirks == usual(release)
    assert (quirks.ids, quirks.twice) == ("numbers" if release == RELEASE_2016 else "texts", False)


async def test_nothing_is_made_without_a_client(plex: SimulatedPlex) -> None:
    """Changes of a world to which no client listens cost nothing."""
    plex.changes.add_movie("1", "The Bat", 1926)
    assert not plex.notifications.sent
