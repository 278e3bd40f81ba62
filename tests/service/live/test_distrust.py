"""Notifications that lie, echo, flood or come at an awkward moment: they cost little, and change nothing untrue."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from retrovue_daemon.demo.changes import Changes
from retrovue_daemon.demo.notifications.malformed import KINDS
from retrovue_daemon.demo.notifications.scripted import LIES
from retrovue_daemon.demo.world import World
from retrovue_daemon.sync import confirmation
from tests.service.conftest import table
from tests.service.live.conftest import Live, seen
from tests.support.servers import MeasuredPlex

ITEMS = "/library/metadata/*"
LISTINGS = "/library/sections/*/all"
JOINED = "JOIN libraries ON libraries.id = library_id"
NO_REQUEST = ("guide", "other_provider", "no_library", "extra", "playlist", "other_type")
"""Lies that are not about an item of a library that is synced."""


def everything(rows) -> list[tuple]:
    return rows("SELECT * FROM movies ORDER BY id") + rows("SELECT * FROM media_files ORDER BY id")


def films(plex) -> list:
    return list(plex.world.movies())


def shows() -> World:
    world = World(name="Roxy")
    changes = Changes(world)
    library = changes.add_library("show", "Series", "/srv/series")
    for title in ("Alpha", "Beta"):
        show = changes.add_show(library.key, title, 1990)
        for number in (1, 2, 3):
            changes.add_episode(show.id, 1, number, f"{title} {number}")
    return world


@pytest.mark.parametrize("kind", [*LIES, "other_library"])
async def test_a_lie_costs_a_request_at_most_and_changes_nothing(live, plex, rows, kind):
    """However often it is told."""
    before, film = everything(rows), films(plex)[0]
    for _ in range(100):
        plex.notify.lie(kind, film.id)
    await live.after(3)
    await live.after(120)
    requests = plex.requests_for(ITEMS)
    assert len(requests) <= (0 if kind in NO_REQUEST else 1)
    assert everything(rows) == before
    # A collection may be new.
    assert len(plex.requests_for(LISTINGS)) <= (2 if kind == "collection" else 0)


async def test_a_new_item_whose_library_is_not_named_takes_one_request(live, plex, rows):
    """The response names it. Somebody who opens an item without a row, such as a song, causes no request."""
    plex.faults.fail("/library/sections*", status=500, times=None)
    film = films(plex)[0]
    new = replace(film, id=plex.world.new_id("item"), library="2", title="Without Library")
    plex.world.put(new)
    plex.notify.check(new.id, refreshed=True)
    plex.notify.entry(film.id, state=9, itemID="987654321", sectionID="-1")
    await live.after(3)
    assert plex.requests_for(ITEMS) == []
    plex.notify.entry(new.id, sectionID="-1")
    await live.after(3)
    assert rows(f"SELECT library_key FROM movies {JOINED} WHERE title = 'Without Library'") == [("2",)]
    assert len(plex.requests_for(ITEMS)) == 1


@pytest.mark.parametrize("named", ["old", "new"])
async def test_a_film_that_moved_takes_one_request_whichever_library_is_named(live, plex, rows, named):
    """The response for one library is used for the other."""
    film = films(plex)[0]
    before = rows("SELECT id FROM movies WHERE rating_key = ?", film.rating_key)
    plex.world.put(replace(film, library="2"))
    plex.faults.fail("/library/sections*", status=500, times=None)
    plex.notify.entry(film.id, sectionID="1" if named == "old" else "2")
    await live.after(3)
    query = f"SELECT movies.id, library_key FROM movies {JOINED} WHERE rating_key = ?"
    assert rows(query, film.rating_key) == [(*before[0], "2")]
    assert len(plex.requests_for(ITEMS)) == 1


def delete(plex, *gone) -> None:
    """Delete films; nothing but their notifications says so."""
    other = next(film for film in films(plex) if film not in gone)
    for film in gone:
        plex.world.drop(film.id)
        plex.notify.entry(other.id, state=9, itemID=film.rating_key)


async def test_more_removals_than_are_requested_one_by_one_are_found_by_a_listing(follow, plex, rows, monkeypatch):
    """The first ones are gone within seconds."""
    monkeypatch.setattr(confirmation, "MOST_AT_ONCE", 2)
    for number in range(3, 9):
        plex.changes.add_movie("1", f"Comedies {number}", 1920 + number)
    live = await follow(plex, {"interval": "1d", "interval_live": "1d"})
    delete(plex, *list(plex.world.movies("1"))[:5])
    await live.after(3)
    assert rows("SELECT count(*) FROM movies WHERE state = 'missing'") == [(2,)]
    await live.after(40)
    assert rows("SELECT count(*) FROM movies WHERE state = 'missing'") == [(5,)]


async def test_a_removal_that_cannot_be_confirmed_now_is_found_by_a_listing(live, plex, rows):
    """The server stumbles between the response that lacks the film and the one that denies it."""
    film = films(plex)[0]
    plex.faults.fail(ITEMS, status=503, times=None, after=1)
    delete(plex, film)
    await live.after(3)
    assert rows("SELECT state FROM movies WHERE rating_key = ?", film.rating_key) == [("active",)]
    await live.after(35)
    assert rows("SELECT state FROM movies WHERE rating_key = ?", film.rating_key) == [("missing",)]


async def test_what_a_server_could_not_send_is_requested_once_more(live, plex, rows):
    """Even if the look at its library finds nothing."""
    film = films(plex)[0]
    plex.faults.fail(ITEMS, status=503, times=None)
    plex.faults.fail(LISTINGS, status=500, times=None)
    plex.world.put(replace(film, title="Another Title"))
    plex.notify.entry(film.id)
    await live.after(3)
    plex.faults.clear()
    plex.faults.fail(LISTINGS, status=500, times=None)
    await live.after(60)
    assert rows("SELECT title FROM movies WHERE rating_key = ?", film.rating_key) == [("Another Title",)]


async def test_frames_that_cannot_be_read_are_counted_and_the_rest_is_followed(live, plex, rows, events):
    """One line says so, whatever and however many they are; the connection lives."""
    film = films(plex)[0]
    before = everything(rows)
    for kind in KINDS:
        if kind != "9_mb":
            plex.notify.malformed(kind, film.id)
    await live.after(120)
    assert everything(rows) == before
    assert len(plex.requests_for(ITEMS)) <= 4
    assert len(events.of("events.unreadable")) == 1
    assert live.service.supervisor.workers["home"].live.status.dropped > 30
    assert len(plex.notifications.connections) == 1
    plex.changes.edit(film.id, title="Another Title")
    await live.after(2)
    assert rows("SELECT title FROM movies WHERE rating_key = ?", film.rating_key) == [("Another Title",)]


async def test_a_message_without_end_ends_the_connection(live, plex, rows):
    """It is made again, and what it announces is followed."""
    plex.notify.malformed("9_mb")
    await plex.notifications.disconnected()
    await live.service.clock.wake("notifications home")
    await plex.notifications.connected()
    await live.after(0)
    plex.changes.edit(films(plex)[0].id, title="Another Title")
    await live.after(2)
    assert rows("SELECT count(*) FROM movies WHERE title = 'Another Title'") == [(1,)]


async def test_what_the_servers_checks_of_our_own_requests_are_not_followed(live, plex):
    """Some servers check an item when it is requested, whatever the request says, and announce that."""
    plex.notifications.quirks.feedback = "always"
    for film in films(plex):
        plex.changes.edit(film.id, summary="New")
    await live.after(300)
    assert len(plex.requests_for(ITEMS)) == 3
    plex.notify.check(films(plex)[0].id, refreshed=True)
    await live.after(300)
    assert len(plex.requests_for(ITEMS)) == 4


async def test_a_server_that_finds_something_in_each_check_is_asked_once(live, plex):
    """Otherwise the daemon and the server would go on for ever."""
    film = films(plex)[0]
    plex.changes.edit(film.id, summary="New")
    for _ in range(20):
        await live.after(3)
        plex.notify.check(film.id, analyzed=True)
    assert len(plex.requests_for(ITEMS)) <= 3


async def test_a_server_that_refreshes_what_is_requested_is_asked_ever_more_rarely(live, plex, rows):
    """Each request causes a notification like that of any other change; one of those follows within a minute."""
    plex.notifications.quirks.feedback = "refreshes"
    film = films(plex)[0]
    plex.changes.edit(film.id, summary="New")
    await live.after(300)
    assert 4 <= len(plex.requests_for(ITEMS)) <= 14
    plex.world.put(replace(film, title="Another Title"))
    await live.after(62)
    assert rows("SELECT title FROM movies WHERE rating_key = ?", film.rating_key) == [("Another Title",)]


async def test_a_machine_that_takes_the_address_while_hints_wait_writes_nothing(live, plex, rows):
    """The connection to the old one may be the last thing that lives."""
    film = films(plex)[0]
    before = everything(rows)
    plex.notify.entry(film.id, 4)
    await live.heard()
    plex.notifications.quirks.silent = True
    plex.world.machine_identifier = "another machine"
    for library in plex.world.libraries.values():
        library.uuid = f"{library.uuid} of another machine"
    plex.changes.edit(film.id, title="Of another server")
    await live.service.clock.asleep("live due home")
    live.service.clock.advance(60)
    await plex.asked(ITEMS)
    await live.rest()
    assert everything(rows) == before


async def test_hints_do_not_outlive_their_connection(live, plex, rows, events):
    """By the time they are due, the address may be another machine's."""
    film = films(plex)[0]
    plex.notify.entry(film.id, 4)
    await live.heard()
    plex.world.machine_identifier = "another machine"
    plex.notify.drop()
    await live.service.clock.wake("notifications home")
    await events.next("server.not_live")
    plex.requests.clear()
    await live.after(70)
    assert plex.requests_for(ITEMS) == []


async def test_hints_do_not_outlive_a_time_without_notifications(live, plex, config):
    """Nor does a connection that was open when they were turned off count as one that has lasted."""
    plex.notify.entry(films(plex)[0].id, 4)
    await live.heard()
    supervisor, clock = live.service.supervisor, live.service.clock
    await supervisor.apply(config(table(plex)))
    await plex.notifications.disconnected()
    clock.advance(3600)
    plex.world.machine_identifier = "another machine"
    plex.requests.clear()
    await supervisor.apply(config(table(plex, notifications=True)))
    await clock.asleep("notifications home")
    await live.after(70)
    assert plex.requests_for(ITEMS) == []
    assert "another machine" in supervisor.workers["home"].live.status.latest.reason


async def test_a_flood_that_names_no_library_costs_a_listing_of_each(live, plex, rows):
    """Single items are forgotten, and what nothing marks as updated would be found much later."""
    film = films(plex)[0]
    plex.world.put(replace(film, title="Another Title", updated_at=1))
    for number in range(502):
        plex.notify.entry(film.id, itemID=str(film.id if number == 0 else 10_000 + number), sectionID="-1")
    await live.heard()
    await live.after(60)
    assert rows("SELECT title FROM movies WHERE rating_key = ?", film.rating_key) == [("Another Title",)]
    assert plex.requests_for(ITEMS) == []


async def test_trouble_with_items_is_logged_once(live, plex, events):
    """While a server fails for single items, each hint would be a line otherwise; then a look finds the rest."""
    plex.faults.fail(ITEMS, status=503, times=None)
    for number in range(5):
        plex.changes.edit(films(plex)[0].id, title=f"Title {number}")
        await live.after(3)
    assert len(events.of("sync.finished", kind="events", level="error")) == 1
    plex.faults.clear()
    await live.after(60)
    plex.changes.edit(films(plex)[0].id, title="The last title")
    await live.after(3)
    plex.faults.fail(ITEMS, status=503, times=None)
    plex.changes.edit(films(plex)[0].id, title="Not yet")
    await live.after(3)
    assert len(events.of("sync.finished", kind="events", level="error")) == 2


async def test_a_new_library_is_listed_when_its_scan_ends(live, plex, rows):
    """Nothing else announces it, and polls are rare while a server is live; but it is sought once an hour only."""
    library = plex.changes.add_library("movie", "Musicals", "/srv/musicals")
    plex.changes.add_movie(library.key, "Singing", 1952)
    await live.after(60)
    assert rows("SELECT state FROM movies WHERE title = 'Singing'") == [("active",)]


async def test_scans_of_libraries_that_are_not_synced_cost_nothing(follow, start_plex):
    """Nor do those of libraries that do not exist."""
    plex = await start_plex("Comedies", "Dramas")
    plex.world.libraries["2"].type = "artist"
    live = await follow(plex, listings=1)
    for _ in range(10):
        plex.notify.scan("2")
        await live.after(120)
    assert len(plex.requests_for("/library/sections")) <= 1


async def test_hints_during_the_first_listing_are_followed_after_it(serve, config, plex, events, rows):
    """And those after it too, although the next poll is far."""
    page = plex.faults.hang("/library/sections/1/all", after=1)
    service = await serve(config(table(plex, notifications=True), sync={"page_size": 1}))
    await page.reached.wait()
    await seen(events, "server.live")
    live = Live(service, plex)
    first, second = films(plex)[:2]
    live.begin()
    plex.changes.edit(first.id, title="During")
    await live.heard()
    await service.clock.wake("live due home")
    page.release.set()
    await events.next("sync.finished", library="Comedies", kind="full")
    await live.after(2)
    assert rows("SELECT title FROM movies WHERE rating_key = ?", first.rating_key) == [("During",)]
    plex.changes.edit(second.id, title="After")
    await live.after(2)
    assert rows("SELECT title FROM movies WHERE rating_key = ?", second.rating_key) == [("After",)]


@pytest.mark.parametrize("by", ["its frame", "a scan", "a connection"])
async def test_what_only_a_listing_can_decide_is_listed_when_it_is_quiet(follow, gauge, rows, by):
    """A show that was matched to another work: its key may also have been given to another show."""
    async with MeasuredPlex(shows(), gauge) as plex:
        show, _ = plex.world.shows()
        for item in [*plex.world.leaves_of(show.id)]:
            plex.world.put(replace(item, updated_at=plex.world.now - 86_400))
        live = await follow(plex)
        # Nothing else says that there is something to list.
        guid = "plex://show/5d9c081b46115600200aa2ff"
        plex.world.put(replace(show, guid=guid, updated_at=plex.world.now + 1))
        if by == "its frame":
            plex.notify.entry(show.id)
        elif by == "a scan":
            plex.notify.scan(show.library)
        else:
            live.service.clock.advance(60)
            plex.notify.drop()
            await live.reconnected()
        await live.after(40)
        # Where the daemon was slow to hear of the scan, the quiet began late.
        await live.after(40)
        assert rows("SELECT source_id FROM shows WHERE rating_key = ?", show.rating_key) == [
            ("plex://show/5d9c081b46115600200aa2ff",)
        ]


@pytest.mark.parametrize("kind", ["show", "season"])
async def test_an_episode_of_another_show_is_announced_beside_that(follow, gauge, rows, events, kind):
    """The pass over both has no item of the third kind, which is above or between them."""
    async with MeasuredPlex(shows(), gauge) as plex:
        live = await follow(plex)
        first, second = plex.world.shows()
        parent = first.id if kind == "show" else next(iter(plex.world.leaves_of(first.id))).season_id
        episode = next(iter(plex.world.leaves_of(second.id)))
        plex.changes.rematch(parent, f"plex://{kind}/5d9c081b46115600200aa2ff")
        plex.changes.edit(episode.id, title="Another Title")
        await live.after(40)
        assert events.of("sync.crashed") == []
        assert rows(f"SELECT source_id FROM {kind}s WHERE rating_key = ?", str(parent)) == [
            (f"plex://{kind}/5d9c081b46115600200aa2ff",)
        ]
        assert rows("SELECT episode_title FROM episodes WHERE rating_key = ?", episode.rating_key) == [
            ("Another Title",)
        ]


async def test_shows_count_episodes_that_were_moved(follow, gauge, rows):
    """No frame names the shows, and their updatedAt does not move."""
    async with MeasuredPlex(shows(), gauge) as plex:
        live = await follow(plex)
        first, second = plex.world.shows()
        episode = next(iter(plex.world.leaves_of(first.id)))
        plex.changes.move_episode(episode.id, second.id, 1, 9)
        await live.after(2)
        assert rows("SELECT total_episodes FROM shows ORDER BY id") == [(2,), (4,)]
        plex.changes.delete(next(iter(plex.world.leaves_of(first.id))).id)
        plex.faults.fail(LISTINGS, status=500, times=None)
        await live.after(2)
        assert rows("SELECT total_episodes FROM shows ORDER BY id") == [(1,), (4,)]
